//! `create_room`: open a public or private room. Its id follows from the command, so that a retry makes the same room.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::CreateRoom};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Open a public or private room
///
/// The caller owns it. Sending the same again with the same id is answered with the same room.
#[utoipa::path(
    post, path = "/v1/commands/create_room", tag = "rooms", request_body = CreateRoom,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`, `id-in-future`", body = Problem),
        (status = 409, description = "`not-in-direct`: direct conversations are opened by `open_direct`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<CreateRoom>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("create_room", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: CreateRoom) -> Result<Accepted, Problem> {
    api.rates.create_room(caller.account()).await?;
    let CreateRoom { id, kind, name } = command;
    let authorship = Authorship::own(caller, id, now())?;
    let room = api.room_of(caller.identity.user, id);
    api.change(caller, room, id, authorship, &RoomCommand::Create { kind, name }).await
}
