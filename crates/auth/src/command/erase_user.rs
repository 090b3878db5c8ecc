//! `erase_user`: make somebody be no more, for good.

use axum::extract::State;
use chasqui_events::Timestamp;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Code, Problem, command::EraseUser};
use chasqui_runtime::{clock::now_ms, telemetry::TraceContext};
use secrecy::SecretString;

use crate::{
    account::{Act, By},
    caller::Caller,
    erasure,
    ledger::Request,
    proof,
    serve::measured,
    service::{Auth, Inner},
};

/// Erase a user for good
///
/// One's own account, with the password; or somebody else's, with a reason and the global role `admin`. Everything that the
/// user ever said, in every room, and everything personal can never be read again, by anybody. The name stays taken.
#[utoipa::path(
    post, path = "/v1/commands/erase_user", tag = "identity", request_body = EraseUser,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The user is erased", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`user-not-found`", body = Problem),
        (status = 409, description = "`last-admin`, `account-outranks`, `busy`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
        (status = 503, description = "`unavailable`: send it again, unless it is carried out by itself", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<EraseUser>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("erase_user", of_caller(&auth.0, &caller, command)).await?))
}

/// As somebody who is logged in asks.
pub(crate) async fn of_caller(
    auth: &Inner,
    caller: &Caller,
    command: EraseUser,
) -> Result<Accepted, Problem> {
    let own = caller.identity.user;
    if command.user.is_none_or(|user| user == own) {
        let kept = proof::own(auth, caller).await?;
        let password = SecretString::from(command.password.clone().unwrap_or_default());
        proof::password(auth, &kept, password).await?;
    }
    handle(auth, By::User(own), &caller.trace, command).await
}

/// As whoever may asks; that it is they has been seen to.
pub(crate) async fn handle(
    auth: &Inner,
    actor: By<'_>,
    trace: &TraceContext,
    command: EraseUser,
) -> Result<Accepted, Problem> {
    let EraseUser { id, user, password: _, reason } = command;
    let own = if let By::User(own) = actor { Some(own) } else { None };
    let target =
        user.or(own).ok_or_else(|| Problem::new(Code::Malformed, "name the user who is to be erased"))?;
    let act = Act { actor, trace, id, target, reason: reason.as_deref().unwrap_or_default() };
    let reason = auth.may_erase(act).await?;
    let (by, operator) = match actor {
        By::User(by) => (by, None),
        By::Operator(operator) => (target, Some(operator.clone())),
    };
    let requested_at = Timestamp(now_ms());
    erasure::erase(auth, target, Request { requested_at, by, reason, operator, done_at: None }).await?;
    Ok(Accepted::default())
}
