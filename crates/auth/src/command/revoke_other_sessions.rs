//! `revoke_other_sessions`: end all of one's sessions but the one that asks.

use axum::extract::State;
use chasqui_events::identity::RevocationReason;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::RevokeOtherSessions};

use crate::{
    caller::Caller,
    credential,
    identity::Identity,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// End all of one's other sessions
///
/// Their tokens are dead and their connections closed within seconds, wherever they are.
#[utoipa::path(
    post, path = "/v1/commands/revoke_other_sessions", tag = "identity", request_body = RevokeOtherSessions,
    security(("access_token" = [])),
    responses((status = 200, description = "They are over", body = Accepted))
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<RevokeOtherSessions>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("revoke_other_sessions", handle(&auth.0, &caller, command)).await?))
}

async fn handle(auth: &Inner, caller: &Caller, command: RevokeOtherSessions) -> Result<Accepted, Problem> {
    let RevokeOtherSessions {} = command;
    let Identity { user, session, .. } = caller.identity;
    credential::renounce(auth, user).await?;
    sessions::revoke_all(auth, &caller.trace, user, Some(session), RevocationReason::RevokedByUser).await?;
    Ok(Accepted::default())
}
