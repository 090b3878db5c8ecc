//! `revoke_session`: end one of one's sessions.

use axum::extract::State;
use chasqui_events::identity::RevocationReason;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Code, Problem, command::RevokeSession};

use crate::{
    caller::Caller,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// End one of one's sessions
///
/// Its tokens are dead and its connections closed within seconds, wherever they are.
#[utoipa::path(
    post, path = "/v1/commands/revoke_session", tag = "identity", request_body = RevokeSession,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The session is over", body = Accepted),
        (status = 404, description = "`session-not-found`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<RevokeSession>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("revoke_session", handle(&auth.0, &caller, command)).await?))
}

async fn handle(auth: &Inner, caller: &Caller, command: RevokeSession) -> Result<Accepted, Problem> {
    let RevokeSession { session } = command;
    // Looked for among the caller's own: nobody ends a session by knowing its id.
    let (user, reason) = (caller.identity.user, RevocationReason::RevokedByUser);
    if sessions::revoke(auth, &caller.trace, user, session, reason).await? {
        return Ok(Accepted::default());
    }
    Err(Problem::new(
        Code::SessionNotFound,
        "none of your sessions has this id; GET /v1/me/sessions lists them",
    ))
}
