//! `read`: the caller has read everything of a room up to a place.

use axum::extract::State;
use chasqui_auth::{Caller, ids::new_id};
use chasqui_events::receipts::Mark;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Read};

use super::receipts;
use crate::service::{CommandApi, Inner};

/// Say that one has read a room up to a place
///
/// Marks only rise: a lower place than before changes nothing.
#[utoipa::path(
    post, path = "/v1/commands/read", tag = "messages", request_body = Read,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded", body = Accepted),
        (status = 403, description = "`not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`; `message-not-found` where the room does not reach so far", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<Read>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("read", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Read) -> Result<Accepted, Problem> {
    let Read { room, seq } = command;
    let user = caller.identity.user;
    api.rates.mark(caller.account())?;
    let state = api.check_mark(room, user, seq).await?;
    let mark = Mark { user, delivered: 0, read: seq };
    if let Some(position) = api.marks.reached(room, state, mark) {
        return Ok(Accepted { position: Some(position), ..Accepted::default() });
    }
    let accepted = receipts::append(api, &caller.trace, new_id(), room, vec![mark]).await?;
    api.marks.note(room, state, mark, accepted.position);
    Ok(accepted)
}
