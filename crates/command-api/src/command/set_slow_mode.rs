//! `set_slow_mode`: have members of a room post less often.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::SetSlowMode};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Slow a room down
///
/// Members and guests then post once in so many seconds; 0 ends it. Needs the role `moderator`; in a public room the global role `moderator` will do.
#[utoipa::path(
    post, path = "/v1/commands/set_slow_mode", tag = "rooms", request_body = SetSlowMode,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 400, description = "`malformed`, `size`", body = Problem),
        (status = 403, description = "`role-too-low`, `not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 409, description = "`not-in-direct`", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<SetSlowMode>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("set_slow_mode", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: SetSlowMode) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let SetSlowMode { id, room, seconds } = command;
    let authorship = Authorship::own(caller, id, now())?;
    api.change(caller, room, id, authorship, &RoomCommand::SetSlowMode { seconds }).await
}
