//! `remove`: put somebody out of a room, or take an invitation back.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Remove};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Put somebody out of a room, or take an invitation back
///
/// Needs the role `moderator`, and more than the other has.
#[utoipa::path(
    post, path = "/v1/commands/remove", tag = "rooms", request_body = Remove,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 403, description = "`role-too-low`, `not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 409, description = "`last-owner`, `not-in-direct`", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<Remove>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("remove", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Remove) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let Remove { id, room, user, reason } = command;
    let authorship = Authorship::own(caller, id, now())?;
    api.change(caller, room, id, authorship, &RoomCommand::Remove { user, reason }).await
}
