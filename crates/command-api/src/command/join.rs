//! `join`: become a member of a room.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Join};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Become a member of a room
///
/// A public room, or a private one that the caller was invited to.
#[utoipa::path(
    post, path = "/v1/commands/join", tag = "rooms", request_body = Join,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 403, description = "`invitation-needed`, `banned`; `forbidden` with `on_behalf` and without the right to import", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 409, description = "`room-full`", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<Join>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("join", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Join) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let Join { id, room, on_behalf } = command;
    let authorship = Authorship::of(caller, id, on_behalf, now())?;
    api.change(caller, room, id, authorship, &RoomCommand::Join).await
}
