//! The commands over NATS.

use bytes::Bytes;
use chasqui_auth::{
    Caller,
    serve::{Stopwatch, unknown},
};
use chasqui_bus::command::{Incoming, Reply};
use chasqui_events::Timestamp;
use chasqui_protocol::{Accepted, Code, Problem, without_values};
use chasqui_runtime::{clock::now_ms, telemetry::TraceContext};
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{
    command::{
        ban, change_role, create_room, delivered, erase_room, invite, join, leave, mute, open_direct, read,
        receipts, remove, rename_room, send, set_slow_mode, unban, unmute,
    },
    service::{CommandApi, Inner},
};

/// The queue group of the role: each command goes to one of its processes.
pub const QUEUE_GROUP: &str = "command-api";
/// The commands that it takes.
pub const NAMES: &[&str] = &[
    "send",
    "receipts",
    "create_room",
    "open_direct",
    "rename_room",
    "erase_room",
    "join",
    "leave",
    "invite",
    "remove",
    "change_role",
    "ban",
    "unban",
    "mute",
    "set_slow_mode",
    "unmute",
    "read",
    "delivered",
];

impl CommandApi {
    /// Answers one command; for [`chasqui_bus::command::Server::run`].
    pub async fn answer(&self, incoming: Incoming) -> Bytes {
        let api = &*self.0;
        match incoming.name.as_str() {
            "send" => api.run("send", &incoming, send::handle).await,
            "receipts" => api.run_for_edge(&incoming).await,
            "create_room" => api.run("create_room", &incoming, create_room::handle).await,
            "open_direct" => api.run("open_direct", &incoming, open_direct::handle).await,
            "rename_room" => api.run("rename_room", &incoming, rename_room::handle).await,
            "erase_room" => api.run("erase_room", &incoming, erase_room::handle).await,
            "join" => api.run("join", &incoming, join::handle).await,
            "leave" => api.run("leave", &incoming, leave::handle).await,
            "invite" => api.run("invite", &incoming, invite::handle).await,
            "remove" => api.run("remove", &incoming, remove::handle).await,
            "change_role" => api.run("change_role", &incoming, change_role::handle).await,
            "ban" => api.run("ban", &incoming, ban::handle).await,
            "unban" => api.run("unban", &incoming, unban::handle).await,
            "set_slow_mode" => api.run("set_slow_mode", &incoming, set_slow_mode::handle).await,
            "mute" => api.run("mute", &incoming, mute::handle).await,
            "unmute" => api.run("unmute", &incoming, unmute::handle).await,
            "read" => api.run("read", &incoming, read::handle).await,
            "delivered" => api.run("delivered", &incoming, delivered::handle).await,
            other => unknown(other),
        }
    }
}

impl Inner {
    async fn run<C: DeserializeOwned>(
        &self,
        name: &'static str,
        incoming: &Incoming,
        handle: impl AsyncFnOnce(&Self, &Caller, C) -> Result<Accepted, Problem>,
    ) -> Bytes {
        let stopwatch = Stopwatch::start(name);
        let result = self.execute(incoming, handle).await;
        stopwatch.stop(&result);
        Reply::from(result).encode()
    }

    async fn execute<C: DeserializeOwned>(
        &self,
        incoming: &Incoming,
        handle: impl AsyncFnOnce(&Self, &Caller, C) -> Result<Accepted, Problem>,
    ) -> Result<Accepted, Problem> {
        let command = read(&incoming.body)?;
        let caller = Caller::verify(
            &self.verifier,
            &incoming.name,
            incoming.token.as_deref(),
            incoming.trace.as_deref(),
        )
        .await?;
        match timeout(self.timeout, handle(self, &caller, command)).await {
            Ok(result) => result,
            Err(_) => Err(too_late()),
        }
    }

    async fn run_for_edge(&self, incoming: &Incoming) -> Bytes {
        let stopwatch = Stopwatch::start("receipts");
        let trace = TraceContext::continue_from(incoming.trace.as_deref());
        let result = match read(&incoming.body) {
            Ok(command) => match timeout(self.timeout, receipts::handle(self, &trace, command)).await {
                Ok(result) => result,
                Err(_) => Err(too_late()),
            },
            Err(problem) => Err(problem),
        };
        stopwatch.stop(&result);
        Reply::from(result).encode()
    }

    /// The same for a route: in time, and counted.
    pub(crate) async fn in_time(
        &self,
        name: &'static str,
        command: BoxFuture<'_, Result<Accepted, Problem>>,
    ) -> Result<Accepted, Problem> {
        let stopwatch = Stopwatch::start(name);
        let result = timeout(self.timeout, command).await.unwrap_or_else(|_| Err(too_late()));
        stopwatch.stop(&result);
        result
    }
}

fn read<C: DeserializeOwned>(body: &[u8]) -> Result<C, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("the command cannot be read: {}", without_values(&error.to_string()));
        Problem::new(Code::Malformed, detail)
    })
}

/// What was begun may have been recorded all the same.
fn too_late() -> Problem {
    let detail =
        "this took too long; send the same again with the same id to find out whether it was recorded";
    Problem::new(Code::Unknown, detail).retry_after_ms(1000)
}

/// Now, by this process's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(now_ms())
}
