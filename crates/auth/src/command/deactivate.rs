//! `deactivate`: leave for now.
//!
//! Messages stay, and others see that their author is not here. Logins are refused in the words of a wrong password,
//! until one with the right password asks to come back.

use axum::extract::State;
use chasqui_events::identity::RevocationReason;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Deactivate};

use crate::{
    caller::Caller,
    proof,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// Deactivate one's own account
///
/// All sessions end, this one too. Messages stay. A login with `reactivate` and the right password brings the account
/// back.
#[utoipa::path(
    post, path = "/v1/commands/deactivate", tag = "identity", request_body = Deactivate,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The account is deactivated", body = Accepted),
        (status = 400, description = "`malformed`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 409, description = "`last-admin`, `busy`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<Deactivate>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("deactivate", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(auth: &Inner, caller: &Caller, command: Deactivate) -> Result<Accepted, Problem> {
    let Deactivate { id, password } = command;
    let user = caller.identity.user;
    let kept = proof::own(auth, caller).await?;
    proof::password(auth, &kept, password.into()).await?;
    let gone = |account: &chasqui_domain::Account, last_admin| account.deactivate(user, last_admin);
    auth.change_own_account(&caller.trace, id, user, gone).await?;
    sessions::revoke_all(auth, &caller.trace, user, None, RevocationReason::Deactivated).await?;
    Ok(Accepted::default())
}
