//! `end_sessions`: log somebody out everywhere.

use axum::extract::State;
use chasqui_events::identity::RevocationReason;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::EndSessions};
use chasqui_runtime::telemetry::TraceContext;

use crate::{
    account::{Act, By},
    caller::Caller,
    credential,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// Log somebody out everywhere
///
/// All their sessions end now; they may log in again. For a program, what its tokens opened ends, and the tokens stay good. Needs the global role `moderator`, and a higher one than the other has.
#[utoipa::path(
    post, path = "/v1/commands/end_sessions", tag = "administration", request_body = EndSessions,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, and the sessions are over", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`user-not-found`", body = Problem),
        (status = 409, description = "`own-account`, `account-outranks`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<EndSessions>,
) -> Result<Json<Accepted>, Refusal> {
    let by = By::User(caller.identity.user);
    Ok(Json(measured("end_sessions", handle(&auth.0, by, &caller.trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    actor: By<'_>,
    trace: &TraceContext,
    command: EndSessions,
) -> Result<Accepted, Problem> {
    let EndSessions { id, user, reason } = command;
    let act = Act { actor, trace, id, target: user, reason: &reason };
    let accepted = auth.change_account(act, |case, _| case.end_sessions()).await?;
    credential::renounce(auth, user).await?;
    sessions::end_all(auth, trace, user, RevocationReason::EndedByAdmin).await?;
    Ok(accepted)
}
