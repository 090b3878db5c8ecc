//! `logout`: end the caller's session.

use axum::extract::State;
use chasqui_events::identity::RevocationReason;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Logout};

use crate::{
    caller::{Caller, Leaving},
    identity::Identity,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// End the session
///
/// Its refresh token is dead at once; its access token is refused and its connections are closed within seconds,
/// wherever they are.
#[utoipa::path(
    post, path = "/v1/commands/logout", tag = "identity", request_body = Logout,
    security(("access_token" = [])),
    responses((status = 200, description = "The session is over", body = Accepted))
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Leaving(caller): Leaving,
    Json(command): Json<Logout>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("logout", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(auth: &Inner, caller: &Caller, command: Logout) -> Result<Accepted, Problem> {
    let Logout {} = command;
    let Identity { user, session, .. } = caller.identity;
    sessions::revoke(auth, &caller.trace, user, session, RevocationReason::LoggedOut).await?;
    Ok(Accepted::default())
}
