//! The identity commands over NATS.

use std::{future::Future, time::Instant};

use bytes::Bytes;
use chasqui_bus::command::{Incoming, Reply};
use chasqui_http::ClientAddress;
use chasqui_protocol::{Code, Problem, without_values};
use chasqui_runtime::{metrics::names, telemetry::TraceContext};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    caller::Caller,
    command::{
        change_profile, erase_user, login, login_second_factor, logout, refresh, register, register_imported,
    },
    service::Auth,
};

/// The queue group of the role: each command goes to one of its processes.
pub const QUEUE_GROUP: &str = "auth";
/// The commands that it takes.
pub const NAMES: &[&str] = &[
    "register",
    "register_imported",
    "login",
    "login_second_factor",
    "refresh",
    "logout",
    "change_profile",
    "erase_user",
];

impl Auth {
    /// Answers one command; for [`chasqui_bus::command::Server::run`].
    pub async fn answer(&self, incoming: Incoming) -> Bytes {
        let Incoming { name, body, token, address, trace } = &incoming;
        let address = ClientAddress(*address);
        let auth = &*self.0;
        let anonymous = TraceContext::continue_from(trace.as_deref());
        let caller = || Caller::verify(&auth.verifier, name, token.as_deref(), trace.as_deref());
        match name.as_str() {
            "register" => {
                reply("register", body, async |command| {
                    register::handle(auth, &anonymous, address, command).await
                })
                .await
            }
            "login" => {
                reply("login", body, async |command| login::handle(auth, &anonymous, address, command).await)
                    .await
            }
            "login_second_factor" => {
                reply("login_second_factor", body, async |command| {
                    auth.rates.enter(address.0)?;
                    login_second_factor::handle(auth, &anonymous, command).await
                })
                .await
            }
            "refresh" => {
                reply("refresh", body, async |command| {
                    auth.rates.enter(address.0)?;
                    refresh::handle(auth, &anonymous, address, command).await
                })
                .await
            }
            "register_imported" => {
                let run = async |command| register_imported::handle(auth, &caller().await?, command).await;
                reply("register_imported", body, run).await
            }
            "logout" => {
                let run = async |command| {
                    let leaving = Caller::verify_leaving(&auth.verifier, token.as_deref(), trace.as_deref());
                    logout::handle(auth, &leaving.await?, command).await
                };
                reply("logout", body, run).await
            }
            "change_profile" => {
                let run = async |command| change_profile::handle(auth, &caller().await?, command).await;
                reply("change_profile", body, run).await
            }
            "erase_user" => {
                let run = async |command| erase_user::of_caller(auth, &caller().await?, command).await;
                reply("erase_user", body, run).await
            }
            other => unknown(other),
        }
    }
}

/// Reads a command, runs it, counts it, writes its answer.
pub async fn reply<C, R, F>(name: &'static str, body: &[u8], run: impl FnOnce(C) -> F) -> Bytes
where
    C: DeserializeOwned,
    R: Serialize,
    F: Future<Output = Result<R, Problem>>,
{
    let run = async {
        match serde_json::from_slice(body) {
            Ok(command) => run(command).await,
            Err(error) => {
                let detail = format!("the command cannot be read: {}", without_values(&error.to_string()));
                Err(Problem::new(Code::Malformed, detail))
            }
        }
    };
    Reply::from(measured(name, run).await).encode()
}

/// Counts a command and its time.
pub async fn measured<R>(
    name: &'static str,
    command: impl Future<Output = Result<R, Problem>>,
) -> Result<R, Problem> {
    let stopwatch = Stopwatch::start(name);
    let result = command.await;
    stopwatch.stop(&result);
    result
}

/// Counts a command and its time, where wrapping its future would make it large.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    name: &'static str,
    begun: Instant,
}

impl Stopwatch {
    /// The command has arrived.
    #[must_use]
    pub fn start(name: &'static str) -> Self {
        Self { name, begun: Instant::now() }
    }

    /// The command is answered.
    pub fn stop<R>(self, result: &Result<R, Problem>) {
        let Self { name, begun } = self;
        let outcome = result.as_ref().map_or_else(|problem| problem.code.as_str(), |_| "ok");
        metrics::counter!(names::COMMANDS_TOTAL, "command" => name, "outcome" => outcome).increment(1);
        metrics::histogram!(names::COMMAND_SECONDS, "command" => name).record(begun.elapsed());
    }
}

/// The answer to a command that does not exist.
#[must_use]
pub fn unknown(name: &str) -> Bytes {
    let problem = Problem::new(Code::NotFound, format!("there is no command {name:?}"));
    Reply::<()>::Problem(problem).encode()
}
