//! What operators ask over NATS, without an account: whoever may publish on `ops.v1` has the operator's credential.
//!
//! The command is the one that an admin sends over HTTP, in an envelope that names the operator; what is recorded
//! names them, too.

use bytes::Bytes;
use chasqui_bus::command::Incoming;
use chasqui_events::{Timestamp, account::Operator};
use chasqui_protocol::Problem;
use chasqui_runtime::{clock::now_ms, telemetry::TraceContext};
use serde::{Deserialize, Serialize};

use crate::{
    account::{By, show},
    command::{
        change_global_role, create_service, end_sessions, erase_user, issue_token, reinstate, revoke_token,
        suspend, tokens,
    },
    refusal,
    serve::{reply, unknown},
    service::{Auth, Inner},
    sessions,
};

/// What the role takes from operators.
pub const NAMES: &[&str] = &[
    "account",
    "suspend",
    "reinstate",
    "end_sessions",
    "change_global_role",
    "create_service",
    "issue_token",
    "revoke_token",
    "tokens",
    "erase_user",
    "rotate_signing_key",
    "end_all_sessions",
];

/// So many sessions are ended before an answer: each takes some writes, and whoever asks waits for seconds only.
const AT_ONCE: usize = 200;

/// A command and who asks it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FromOperator<C> {
    /// Who asks, as their machine says.
    pub operator: Operator,
    /// What.
    pub command: C,
}

/// Whose account is to be shown, by id or by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Whom {
    /// Whose.
    pub user: String,
}

/// Exchange the key that signs access tokens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RotateSigningKey {
    /// Withdraw every key that there is now: what they signed is refused, and clients refresh. Otherwise the new key is
    /// published first, and the tokens of the old one stay good until they expire.
    pub now: bool,
}

/// End the sessions of everybody: for after a restore, which brings back what had ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct EndAllSessions {
    /// Only what was opened before this moment, so that who logs in meanwhile stays.
    pub before: Timestamp,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SessionsEnded {
    /// How many were ended.
    pub ended: usize,
    /// There are more: ask again.
    pub more: bool,
}

/// The key that signs, or is about to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningKeyRotated {
    /// Its id.
    pub kid: String,
    /// From when it signs.
    pub signs_from: Timestamp,
}

impl Auth {
    /// Answers what an operator asks; for [`chasqui_bus::command::Server::run`] of
    /// [`chasqui_bus::command::serve_operators`], and nothing else: it asks for no token.
    pub async fn answer_operator(&self, incoming: Incoming) -> Bytes {
        let Incoming { name, body, trace, .. } = &incoming;
        let auth = &*self.0;
        let trace = TraceContext::continue_from(trace.as_deref());
        // What an admin may ask for, too, is done by the same function.
        macro_rules! as_admin {
            ($name:literal, $command:ident) => {{
                let run = async |FromOperator { operator, command }| {
                    $command::handle(auth, By::Operator(&operator), &trace, command).await
                };
                reply($name, body, run).await
            }};
        }
        match name.as_str() {
            "suspend" => as_admin!("suspend", suspend),
            "reinstate" => as_admin!("reinstate", reinstate),
            "end_sessions" => as_admin!("end_sessions", end_sessions),
            "change_global_role" => as_admin!("change_global_role", change_global_role),
            "create_service" => as_admin!("create_service", create_service),
            "issue_token" => as_admin!("issue_token", issue_token),
            "revoke_token" => as_admin!("revoke_token", revoke_token),
            "erase_user" => as_admin!("erase_user", erase_user),
            "account" => {
                let run = async |FromOperator { operator, command: Whom { user } }| {
                    show(auth, By::Operator(&operator), &user).await
                };
                reply("account", body, run).await
            }
            "tokens" => {
                let run = async |FromOperator { operator, command: Whom { user } }| {
                    let user = show(auth, By::Operator(&operator), &user).await?.user;
                    tokens::handle(auth, By::Operator(&operator), user).await
                };
                reply("tokens", body, run).await
            }
            "rotate_signing_key" => {
                let run = async |FromOperator { operator, command }| rotate(auth, &operator, command).await;
                reply("rotate_signing_key", body, run).await
            }
            "end_all_sessions" => {
                let run = async |FromOperator { operator, command }| {
                    let Operator { user, host } = &operator;
                    let EndAllSessions { before } = command;
                    tracing::warn!(operator = %format!("{user}@{host}"), "an operator ends everybody's sessions");
                    let (ended, more) = sessions::end_everybodys(auth, &trace, before, AT_ONCE).await?;
                    Ok(SessionsEnded { ended, more })
                };
                reply("end_all_sessions", body, run).await
            }
            other => unknown(other),
        }
    }
}

async fn rotate(
    auth: &Inner,
    operator: &Operator,
    RotateSigningKey { now: at_once }: RotateSigningKey,
) -> Result<SigningKeyRotated, Problem> {
    let Operator { user, host } = operator;
    tracing::warn!(operator = %format!("{user}@{host}"), at_once, "an operator exchanges the key of access tokens");
    let rotated = auth.signing_keys.rotate(at_once, Timestamp(now_ms())).await;
    let set = rotated.map_err(|error| refusal::no_signing_key(&error))?;
    let newest = set.keys.last().and_then(|key| Some((key.public.kid.clone(), key.signs_from?)));
    let (kid, signs_from) = newest.ok_or_else(refusal::busy)?;
    Ok(SigningKeyRotated { kid, signs_from })
}
