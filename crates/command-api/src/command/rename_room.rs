//! `rename_room`: give a room another name.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::RenameRoom};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Give a room another name
///
/// Needs the role `owner`.
#[utoipa::path(
    post, path = "/v1/commands/rename_room", tag = "rooms", request_body = RenameRoom,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 403, description = "`role-too-low`, `not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<RenameRoom>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("rename_room", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: RenameRoom) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let RenameRoom { id, room, name } = command;
    let authorship = Authorship::own(caller, id, now())?;
    api.change(caller, room, id, authorship, &RoomCommand::Rename { name }).await
}
