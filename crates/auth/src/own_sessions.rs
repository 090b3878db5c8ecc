//! `GET /v1/me/sessions`: the caller's sessions, from the bucket that decides about them.

use axum::extract::State;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Problem,
    query::{OpenSession, OpenSessions},
};

use crate::{
    caller::Caller,
    family::Origin,
    service::{Auth, Inner},
    sessions,
};

/// One's open sessions
///
/// With the device as it called itself, and the address and time of the last login or refresh.
#[utoipa::path(
    get, path = "/v1/me/sessions", tag = "identity", security(("access_token" = [])),
    responses((status = 200, description = "The one used last first", body = OpenSessions))
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
) -> Result<Json<OpenSessions>, Refusal> {
    auth.0.rates.query(caller.identity.user)?;
    Ok(Json(OpenSessions { sessions: list(&auth.0, &caller).await? }))
}

/// The caller's sessions, the one used last first.
pub(crate) async fn list(auth: &Inner, caller: &Caller) -> Result<Vec<OpenSession>, Problem> {
    let mut shown = Vec::new();
    for (session, family) in sessions::list(auth, caller.identity.user).await? {
        let (opened_at, used_at) = (family.opened_at, family.rotated_at);
        let Origin { device, address } = sessions::origin(auth, session, family).await?;
        let current = session == caller.identity.session;
        shown.push(OpenSession { session, current, device, address, opened_at, used_at });
    }
    Ok(shown)
}
