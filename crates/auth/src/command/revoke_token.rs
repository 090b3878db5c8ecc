//! `revoke_token`: take a token from a program.

use axum::extract::State;
use chasqui_events::identity::RevocationReason;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::RevokeToken};
use chasqui_runtime::telemetry::TraceContext;

use crate::{
    account::{Act, By},
    caller::Caller,
    serve::measured,
    service::{Auth, Inner},
};

/// Take a token from a program
///
/// Logins with it are refused at once; within about a second the access tokens that it gave are refused everywhere, and its
/// connections are closed. Needs the global role `admin`.
#[utoipa::path(
    post, path = "/v1/commands/revoke_token", tag = "administration", request_body = RevokeToken,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`user-not-found`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<RevokeToken>,
) -> Result<Json<Accepted>, Refusal> {
    let by = By::User(caller.identity.user);
    Ok(Json(measured("revoke_token", handle(&auth.0, by, &caller.trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    actor: By<'_>,
    trace: &TraceContext,
    command: RevokeToken,
) -> Result<Accepted, Problem> {
    let RevokeToken { id, user, token, reason } = command;
    let act = Act { actor, trace, id, target: user, reason: &reason };
    let accepted = auth.change_account(act, |case, _| case.revoke_token(token)).await?;
    auth.end_token_sessions(trace, user, token, RevocationReason::TokenRevoked).await?;
    // The fact of its end stands: where this fails, nobody logs in with it all the same.
    if let Err(error) = auth.service_tokens.delete(&token.to_string()).await {
        tracing::warn!(%error, token.id = %token, "the hash of a revoked token is left behind");
    }
    Ok(accepted)
}
