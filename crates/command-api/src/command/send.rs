//! `send`: say something in a room.
//!
//! The body is sealed with the keys of the room and of its author. The append has no condition: log order is the judge. The fact carries the state that it was decided on (its
//! basis), and readers void it where a change in between forbids it.

use axum::{Extension, extract::State};
use chasqui_auth::{Caller, refusal};
use chasqui_bus::{
    log::Append,
    subject::{self, Lane},
};
use chasqui_crypto::Place;
use chasqui_events::{
    Envelope, Position,
    message::{MessageEvent, Posted, may_repeat},
};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Send};
use chasqui_runtime::clock::random_bytes;

use crate::{
    authorship::Authorship,
    routes::FindSent,
    serve::now,
    service::{CommandApi, Inner},
};

/// Say something in a room
///
/// Answered when it is recorded, with its position. When the answer is lost, send the same again with the same id
/// and `retry: true`.
#[utoipa::path(
    post, path = "/v1/commands/send", tag = "messages", request_body = Send,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `id-in-future`", body = Problem),
        (status = 403, description = "`not-a-member`, `muted`", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 429, description = "`too-many`: `retry_after_ms` says when the room's slow mode, or another limit, allows it", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
        (status = 503, description = "`unavailable`; for a retry also `not-yet-projected`", body = Problem),
        (status = 504, description = "`unknown`: send the same again with the same id", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    Extension(find_sent): Extension<Option<FindSent>>,
    caller: Caller,
    Json(command): Json<Send>,
) -> Result<Json<Accepted>, Refusal> {
    let (room, id) = (command.room, command.id);
    let Some(find_sent) = find_sent.filter(|_| command.retry) else {
        return Ok(Json(api.0.in_time("send", Box::pin(handle(&api.0, &caller, command))).await?));
    };
    let author = Authorship::of(&caller, id, command.on_behalf, now())?.by;
    if may_repeat(id, now()) {
        // A look-up costs more than a message.
        api.0.rates.send(caller.account(), room)?;
        // The broker has forgotten ids as old as this one: only the projection can tell.
        if let Some(sent) = find_sent(author, room, id).await? {
            return Ok(Json(sent));
        }
    }
    match api.0.in_time("send", Box::pin(handle(&api.0, &caller, command))).await {
        // What is refused now may have been recorded when it was asked for first.
        Err(problem) if !problem.code.worth_a_retry() => {
            api.0.rates.send(caller.account(), room)?;
            Ok(Json(find_sent(author, room, id).await?.ok_or(problem)?))
        }
        answered => Ok(Json(answered?)),
    }
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Send) -> Result<Accepted, Problem> {
    let Send { id, room, body, replies_to, retry: _, on_behalf } = command;
    api.rates.send(caller.account(), room)?;
    let authorship = Authorship::of(caller, id, on_behalf, now())?;
    let Authorship { by, at, import } = authorship;
    let asker = authorship.asker(caller);
    let mut state = api.room(room).await?;
    if state.room.member(by).is_err() || state.room.mute(by, asker.at).is_some() {
        state = api.newest_room(room).await?;
    }
    let decided = state.room.decide_post(asker, &body, &replies_to, &api.limits);
    decided.map_err(|rejection| refusal::rejected(&rejection))?;
    if import.is_none()
        && let Some(every) = state.room.slow_mode_for(by)
    {
        api.slow_mode.admit(&api.rates, by, room, id, every).await?;
    }
    let size = body.len() as u64;
    let sealed = api.sealer.seal_text(&Place::Body { room, id, author: by }, &body, now()).await;
    let body = sealed.map_err(|error| refusal::not_sealed(&error))?;
    let event = MessageEvent::Posted(Posted { body, size, replies_to });
    let envelope = Envelope { id, at, by, basis: state.seq, import, event };
    let trace = caller.trace.child(random_bytes()).header_value();
    let append = Append { trace: Some(&trace), ..Append::fact(subject::room(room, Lane::Msg), &envelope) };
    let appended = api.log.append(append).await.map_err(|error| refusal::not_appended(&error))?;
    let partition = room.partition();
    api.heads.note(partition, appended.seq);
    let position = Some(Position { partition, seq: appended.seq });
    Ok(Accepted { position, room: None, user: None, at: Some(at) })
}
