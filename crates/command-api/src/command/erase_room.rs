//! `erase_room`: make a room be no more, for good.

use axum::extract::State;
use chasqui_auth::{Caller, ledger::Request};
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::EraseRoom};

use crate::{
    authorship::Authorship,
    erasure,
    serve::now,
    service::{CommandApi, Inner},
};

/// Erase a room for good
///
/// Everything that was ever said in it can never be read again, by anybody, and nothing is said in it any more. Needs the
/// role `owner` and the room's name, as a sign that this one is meant; an admin who does not own it has to say why. A direct
/// conversation is not erased: each side's words are theirs.
#[utoipa::path(
    post, path = "/v1/commands/erase_room", tag = "rooms", request_body = EraseRoom,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The room is erased", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 403, description = "`role-too-low`, `not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 409, description = "`another-name`, `not-in-direct`, `busy`", body = Problem),
        (status = 503, description = "`unavailable`: send it again, unless it is carried out by itself", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<EraseRoom>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("erase_room", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: EraseRoom) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let EraseRoom { id, room, name, reason } = command;
    let authorship = Authorship::own(caller, id, now())?;
    let wanted = RoomCommand::Erase { name, reason: reason.clone() };
    api.may_change(caller, room, authorship, &wanted).await?;
    let (by, at) = (authorship.by, authorship.at);
    erasure::erase(api, room, Request { requested_at: at, by, reason, operator: None, done_at: None })
        .await?;
    Ok(Accepted { room: Some(room), at: Some(at), ..Accepted::default() })
}
