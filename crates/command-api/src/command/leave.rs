//! `leave`: stop being a member of a room, or decline an invitation.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Leave};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Stop being a member of a room, or decline an invitation
#[utoipa::path(
    post, path = "/v1/commands/leave", tag = "rooms", request_body = Leave,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 409, description = "`last-owner`, `not-in-direct`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<Leave>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("leave", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Leave) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let Leave { id, room, on_behalf } = command;
    let authorship = Authorship::of(caller, id, on_behalf, now())?;
    api.change(caller, room, id, authorship, &RoomCommand::Leave).await
}
