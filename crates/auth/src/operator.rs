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
];

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
        match name.as_str() {
            "account" => {
                let run = async |FromOperator { operator, command: Whom { user } }| {
                    show(auth, By::Operator(&operator), &user).await
                };
                reply("account", body, run).await
            }
            "suspend" => {
                let run = async |FromOperator { operator, command }| {
                    suspend::handle(auth, By::Operator(&operator), &trace, command).await
                };
                reply("suspend", body, run).await
            }
            "end_sessions" => {
                let run = async |FromOperator { operator, command }| {
                    end_sessions::handle(auth, By::Operator(&operator), &trace, command).await
                };
                reply("end_sessions", body, run).await
            }
            "reinstate" => {
                let run = async |FromOperator { operator, command }| {
                    reinstate::handle(auth, By::Operator(&operator), &trace, command).await
                };
                reply("reinstate", body, run).await
            }
            "change_global_role" => {
                let run = async |FromOperator { operator, command }| {
                    change_global_role::handle(auth, By::Operator(&operator), &trace, command).await
                };
                reply("change_global_role", body, run).await
            }
            "create_service" => {
                let run = async |FromOperator { operator, command }| {
                    create_service::handle(auth, By::Operator(&operator), &trace, command).await
                };
                reply("create_service", body, run).await
            }
            "issue_token" => {
                let run = async |FromOperator { operator, command }| {
                    issue_token::handle(auth, By::Operator(&operator), &trace, command).await
                };
                reply("issue_token", body, run).await
            }
            "revoke_token" => {
                let run = async |FromOperator { operator, command }| {
                    revoke_token::handle(auth, By::Operator(&operator), &trace, command).await
                };
                reply("revoke_token", body, run).await
            }
            "tokens" => {
                let run = async |FromOperator { operator, command: Whom { user } }| {
                    let user = show(auth, By::Operator(&operator), &user).await?.user;
                    tokens::handle(auth, By::Operator(&operator), user).await
                };
                reply("tokens", body, run).await
            }
            "erase_user" => {
                let run = async |FromOperator { operator, command }| {
                    erase_user::handle(auth, By::Operator(&operator), &trace, command).await
                };
                reply("erase_user", body, run).await
            }
            "rotate_signing_key" => {
                let run = async |FromOperator { operator, command }| rotate(auth, &operator, command).await;
                reply("rotate_signing_key", body, run).await
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
