//! `unban`: let somebody in again who was banned.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Unban};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Let somebody in again who was banned
///
/// Needs the role `moderator`; in a public room the global role `moderator` will do.
#[utoipa::path(
    post, path = "/v1/commands/unban", tag = "rooms", request_body = Unban,
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
    Json(command): Json<Unban>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("unban", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Unban) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let Unban { id, room, user } = command;
    let authorship = Authorship::own(caller, id, now())?;
    api.change(caller, room, id, authorship, &RoomCommand::Unban { user }).await
}
