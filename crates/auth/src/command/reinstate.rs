//! `reinstate`: end a suspension.

use axum::extract::State;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Reinstate};
use chasqui_runtime::telemetry::TraceContext;

use crate::{
    account::{Act, By},
    caller::Caller,
    serve::measured,
    service::{Auth, Inner},
};

/// End a suspension
///
/// Needs the global role `moderator`, and a higher one than the other has.
#[utoipa::path(
    post, path = "/v1/commands/reinstate", tag = "administration", request_body = Reinstate,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`user-not-found`", body = Problem),
        (status = 409, description = "`own-account`, `account-outranks`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<Reinstate>,
) -> Result<Json<Accepted>, Refusal> {
    let by = By::User(caller.identity.user);
    Ok(Json(measured("reinstate", handle(&auth.0, by, &caller.trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    actor: By<'_>,
    trace: &TraceContext,
    command: Reinstate,
) -> Result<Accepted, Problem> {
    let Reinstate { id, user, reason } = command;
    let act = Act { actor, trace, id, target: user, reason: &reason };
    auth.change_account(act, |case, _| case.reinstate()).await
}
