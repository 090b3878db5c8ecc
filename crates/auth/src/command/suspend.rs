//! `suspend`: keep somebody from logging in.

use axum::extract::State;
use chasqui_events::identity::RevocationReason;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Suspend};
use chasqui_runtime::telemetry::TraceContext;

use crate::{
    account::{Act, By},
    caller::Caller,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// Keep somebody from logging in
///
/// All sessions end now, and login and refresh are refused until then. Needs the global role `moderator`, and a higher one than the other has.
#[utoipa::path(
    post, path = "/v1/commands/suspend", tag = "administration", request_body = Suspend,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`, `time-has-passed`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`user-not-found`", body = Problem),
        (status = 409, description = "`own-account`, `account-outranks`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<Suspend>,
) -> Result<Json<Accepted>, Refusal> {
    let by = By::User(caller.identity.user);
    Ok(Json(measured("suspend", handle(&auth.0, by, &caller.trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    actor: By<'_>,
    trace: &TraceContext,
    command: Suspend,
) -> Result<Accepted, Problem> {
    let Suspend { id, user, until, reason } = command;
    let act = Act { actor, trace, id, target: user, reason: &reason };
    let accepted = auth.change_account(act, |case, _| case.suspend(until)).await?;
    sessions::end_all(auth, trace, user, RevocationReason::Suspended).await?;
    Ok(accepted)
}
