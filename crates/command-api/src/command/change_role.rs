//! `change_role`: give somebody another role in a room.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::ChangeRole};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Give somebody another role in a room
///
/// Needs the role `owner`.
#[utoipa::path(
    post, path = "/v1/commands/change_role", tag = "rooms", request_body = ChangeRole,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 403, description = "`role-too-low`, `not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 409, description = "`target-not-a-member`, `last-owner`, `not-in-direct`", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<ChangeRole>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("change_role", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: ChangeRole) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let ChangeRole { id, room, user, role } = command;
    let authorship = Authorship::own(caller, id, now())?;
    api.change(caller, room, id, authorship, &RoomCommand::ChangeRole { user, role }).await
}
