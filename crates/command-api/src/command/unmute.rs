//! `unmute`: let somebody post again who was muted.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Unmute};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Let somebody post again who was muted
///
/// Needs the role `moderator`; in a public room the global role `moderator` will do.
#[utoipa::path(
    post, path = "/v1/commands/unmute", tag = "rooms", request_body = Unmute,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 403, description = "`role-too-low`, `not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 409, description = "`not-in-direct`", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<Unmute>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("unmute", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Unmute) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let Unmute { id, room, user } = command;
    let authorship = Authorship::own(caller, id, now())?;
    api.change(caller, room, id, authorship, &RoomCommand::Unmute { user }).await
}
