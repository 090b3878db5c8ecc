//! `receipts`: from an edge, the watermarks of one room that moved in one window.
//!
//! Only edges may ask this (NATS permissions), and they are trusted to say whose devices acknowledged what; who
//! is a member, and how far the room reaches, is checked here.

use chasqui_auth::refusal;
use chasqui_bus::{
    log::Append,
    subject::{self, Lane},
};
use chasqui_events::{
    CommandId, Envelope, Position, RoomId,
    receipts::{Mark, Moved, ReceiptEvent},
};
use chasqui_protocol::{Accepted, Problem, command::MoveReceipts};
use chasqui_runtime::{clock::random_bytes, telemetry::TraceContext};

use crate::{serve::now, service::Inner};

pub(crate) async fn handle(
    api: &Inner,
    trace: &TraceContext,
    command: MoveReceipts,
) -> Result<Accepted, Problem> {
    let MoveReceipts { id, room, mut marks } = command;
    let state = api.room(room).await?;
    if marks.iter().any(|mark| !state.room.members.contains_key(&mark.user)) {
        let newest = api.newest_room(room).await?;
        marks.retain(|mark| newest.room.members.contains_key(&mark.user));
    }
    let highest = marks.iter().map(|mark| mark.delivered.max(mark.read)).max().unwrap_or(0);
    if !api.heads.reach(room.partition(), highest).await? {
        tracing::warn!(room.id = %room, highest, "an edge sends watermarks beyond the end of the log; dropped");
        return Ok(Accepted::default());
    }
    append(api, trace, id, room, marks).await
}

/// Records watermarks, if there are any.
pub(crate) async fn append(
    api: &Inner,
    trace: &TraceContext,
    id: CommandId,
    room: RoomId,
    marks: Vec<Mark>,
) -> Result<Accepted, Problem> {
    let Some(by) = marks.first().map(|mark| mark.user) else { return Ok(Accepted::default()) };
    let event = ReceiptEvent::Moved(Moved { marks });
    let envelope = Envelope { id, at: now(), by, basis: 0, import: None, event };
    let trace = trace.child(random_bytes()).header_value();
    let append = Append { trace: Some(&trace), ..Append::fact(subject::room(room, Lane::Rcpt), &envelope) };
    let appended = api.log.append(append).await.map_err(|error| refusal::not_appended(&error))?;
    let partition = room.partition();
    api.heads.note(partition, appended.seq);
    Ok(Accepted { position: Some(Position { partition, seq: appended.seq }), ..Accepted::default() })
}
