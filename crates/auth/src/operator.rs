//! What operators ask over NATS, without an account: whoever may publish on `ops.v1` has the operator's credential.
//!
//! The command is the one that an admin sends over HTTP, in an envelope that names the operator; what is recorded
//! names them, too.

use bytes::Bytes;
use chasqui_bus::command::Incoming;
use chasqui_events::account::Operator;
use chasqui_runtime::telemetry::TraceContext;
use serde::{Deserialize, Serialize};

use crate::{
    account::{By, show},
    command::{
        change_global_role, create_service, erase_user, issue_token, reinstate, revoke_token, suspend, tokens,
    },
    serve::{reply, unknown},
    service::Auth,
};

/// What the role takes from operators.
pub const NAMES: &[&str] = &[
    "account",
    "suspend",
    "reinstate",
    "change_global_role",
    "create_service",
    "issue_token",
    "revoke_token",
    "tokens",
    "erase_user",
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
            other => unknown(other),
        }
    }
}
