//! `revoke_all_sessions`: end all of one's sessions.

use axum::extract::State;
use chasqui_events::identity::RevocationReason;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::RevokeAllSessions};

use crate::{
    caller::Caller,
    credential,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// End all of one's sessions, this one among them
///
/// Their tokens are dead and their connections closed within seconds, wherever they are.
#[utoipa::path(
    post, path = "/v1/commands/revoke_all_sessions", tag = "identity", request_body = RevokeAllSessions,
    security(("access_token" = [])),
    responses((status = 200, description = "They are over", body = Accepted))
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<RevokeAllSessions>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("revoke_all_sessions", handle(&auth.0, &caller, command)).await?))
}

async fn handle(auth: &Inner, caller: &Caller, command: RevokeAllSessions) -> Result<Accepted, Problem> {
    let RevokeAllSessions {} = command;
    let user = caller.identity.user;
    credential::renounce(auth, user).await?;
    sessions::revoke_all(auth, &caller.trace, user, None, RevocationReason::RevokedByUser).await?;
    Ok(Accepted::default())
}
