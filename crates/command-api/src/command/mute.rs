//! `mute`: keep a member of a room from posting.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Mute};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Keep a member of a room from posting
///
/// It outlasts leaving and coming back. Needs the role `moderator`, and more than the other has; in a public room the global role `moderator` will do.
#[utoipa::path(
    post, path = "/v1/commands/mute", tag = "rooms", request_body = Mute,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`, `time-has-passed`", body = Problem),
        (status = 403, description = "`role-too-low`, `not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 409, description = "`target-not-a-member`, `not-in-direct`, `own-membership`", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<Mute>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("mute", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Mute) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let Mute { id, room, user, until, reason } = command;
    let authorship = Authorship::own(caller, id, now())?;
    api.change(caller, room, id, authorship, &RoomCommand::Mute { user, until, reason }).await
}
