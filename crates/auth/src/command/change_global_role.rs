//! `change_global_role`: give somebody another global role.

use axum::extract::State;
use chasqui_events::identity::RevocationReason;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::ChangeGlobalRole};
use chasqui_runtime::telemetry::TraceContext;

use crate::{
    account::{Act, By},
    caller::Caller,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// Give somebody another global role
///
/// Needs the global role `admin`. Whoever gets a lower role is logged out everywhere, because tokens from before name the old
/// one; a higher one is in the tokens that are made from now on. What is decided about accounts goes by the log, at once.
#[utoipa::path(
    post, path = "/v1/commands/change_global_role", tag = "administration", request_body = ChangeGlobalRole,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`user-not-found`", body = Problem),
        (status = 409, description = "`service-role`, `account-cannot-act`, `last-admin`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<ChangeGlobalRole>,
) -> Result<Json<Accepted>, Refusal> {
    let by = By::User(caller.identity.user);
    Ok(Json(measured("change_global_role", handle(&auth.0, by, &caller.trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    actor: By<'_>,
    trace: &TraceContext,
    command: ChangeGlobalRole,
) -> Result<Accepted, Problem> {
    let ChangeGlobalRole { id, user, role, reason } = command;
    let act = Act { actor, trace, id, target: user, reason: &reason };
    let before = auth.account(user).await?.role(user);
    let accepted =
        auth.change_account(act, |case, another_admin| case.change_role(role, another_admin)).await?;
    // The same role again may be the repetition of a command that was cut off here.
    if role.rank() <= before.rank() {
        sessions::end_all(auth, trace, user, RevocationReason::EndedByAdmin).await?;
    }
    Ok(accepted)
}
