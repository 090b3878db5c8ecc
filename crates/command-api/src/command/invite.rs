//! `invite`: let somebody join a room.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Invite};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Let somebody join a room
///
/// They are a member when they have joined.
#[utoipa::path(
    post, path = "/v1/commands/invite", tag = "rooms", request_body = Invite,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 403, description = "`not-a-member`, `role-too-low`", body = Problem),
        (status = 404, description = "`room-not-found`, `user-not-found`", body = Problem),
        (status = 409, description = "`room-full`, `not-in-direct`, `target-banned`", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<Invite>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("invite", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Invite) -> Result<Accepted, Problem> {
    api.rates.invite(caller.account()).await?;
    let Invite { id, room, user } = command;
    let authorship = Authorship::own(caller, id, now())?;
    api.users.must_exist(user).await?;
    api.change(caller, room, id, authorship, &RoomCommand::Invite { user }).await
}
