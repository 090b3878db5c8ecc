//! `change_global_role`: give somebody another global role.

use axum::extract::State;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::ChangeGlobalRole};
use chasqui_runtime::telemetry::TraceContext;

use crate::{
    account::{Act, By},
    caller::Caller,
    serve::measured,
    service::{Auth, Inner},
};

/// Give somebody another global role
///
/// Needs the global role `admin`. Access tokens that were made before keep the old role until they expire, in minutes;
/// what is decided about accounts goes by the log, at once.
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
    auth.change_account(act, |case, another_admin| case.change_role(role, another_admin)).await
}
