//! A connection that is live comes to hear a room: it is told of every stay of its user there that it was not told
//! of, oldest first, and hears the room if its user is in it.
//!
//! The seat is taken first, under the room's lock, so that what happens from then on is held. What happened before is
//! in the room's state lane, which says exactly who came and went, however fast.

use std::sync::Arc;

use chasqui_bus::subject::Lane;
use chasqui_events::{RoomId, Seq, UserId, room::RoomEvent};
use chasqui_protocol::ServerFrame;
use chasqui_read_model::MemberStanding;

use super::{
    Stop,
    catching_up::{go_live, restate_marks, send},
    rooms::too_many_rooms,
    stays,
};
use crate::{
    connection::Connection,
    edge::Edge,
    feed::{Missing, Said},
    fill,
    frame::Shared,
    opening,
    room::{Introduced, Introduction, Room},
};

/// State facts read at a time.
const CHUNK: usize = 256;

/// Lets a connection hear a room if its user is in it, and be told if they were.
pub(crate) async fn introduce(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    id: RoomId,
) -> Result<(), Stop> {
    if connection.session().room_count() >= edge.settings.max_rooms_per_session {
        too_many_rooms(edge, connection, edge.settings.max_rooms_per_session);
        return Ok(());
    }
    loop {
        let room = opening::rooms(edge, &[id]).await?.pop().ok_or(Stop::Gone)?;
        match room.begin_introduction(connection) {
            Introduction::Heard => return Ok(()),
            // Nobody had heard it for a while; it is opened again.
            Introduction::Closed => {}
            Introduction::Begun(introduced) => return go_on(edge, connection, &room, introduced).await,
        }
    }
}

/// Goes on with an introduction for which the seat was taken.
pub(crate) async fn go_on(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    room: &Arc<Room>,
    introduced: Introduced,
) -> Result<(), Stop> {
    let told = tell(edge, connection, room, introduced).await;
    if told.is_err() {
        room.give_up_introduction(connection, edge.clock.now());
    }
    told
}

async fn tell(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    room: &Arc<Room>,
    introduced: Introduced,
) -> Result<(), Stop> {
    let Introduced { told, upto, is_member, rcpt } = introduced;
    let (id, user) = (room.id(), connection.user().ok_or(Stop::Gone)?);
    let mut stays = stays_in_log(edge, id, user, Missing { after: told, to: upto }).await?;
    if stays.is_empty() && is_member {
        stays.push((since(edge, id, user).await?.min(upto), None));
    }
    let mut is_in = false;
    for (begin, end) in stays {
        tell_all(edge, connection, ServerFrame::RoomEntered { room: id, from: begin });
        match send(edge, connection, id, told.max(begin.saturating_sub(1)), end.unwrap_or(upto)).await {
            // The client has been told since when its user is in the room, and reads what it wants of it.
            Ok(()) | Err(Stop::TooOld) => {}
            Err(stop) => return Err(stop),
        }
        is_in = end.is_none();
        if !is_in {
            tell_all(edge, connection, ServerFrame::RoomLeft { room: id });
        }
    }
    if !is_in {
        room.end_introduction_outside(connection, upto, edge.clock.now());
        return Ok(());
    }
    go_live(edge, connection, room, upto).await?;
    if rcpt > told {
        restate_marks(edge, connection, room).await?;
    }
    Ok(())
}

fn tell_all(edge: &Edge, connection: &Connection, frame: ServerFrame) {
    let frame = Shared::new(frame).in_codec(connection.codec);
    let now = edge.clock.now();
    connection.touch(|session| session.push_written(frame, now));
}

async fn stays_in_log(
    edge: &Edge,
    room: RoomId,
    user: UserId,
    mut missing: Missing,
) -> Result<Vec<(Seq, Option<Seq>)>, Stop> {
    let mut lane: Vec<(Seq, RoomEvent)> = Vec::new();
    while missing.after < missing.to {
        let facts = fill::read_lane(edge, room, Lane::State, missing, CHUNK).await;
        let facts = facts.map_err(|error| Stop::Unavailable(error.to_string()))?;
        let last = facts.last().filter(|_| facts.len() >= CHUNK).map(|last| last.seq);
        let read = facts.into_iter().filter_map(|raw| match raw.said {
            Said::State(envelope) => Some((raw.seq, envelope.event)),
            _ => None,
        });
        lane.extend(read);
        match last {
            Some(last) => missing.after = last,
            None => break,
        }
    }
    Ok(stays::in_lane(lane.iter().map(|(seq, event)| (*seq, event)), user))
}

/// Since when somebody is in a room of which this connection was told before, but which it does not hear.
async fn since(edge: &Edge, room: RoomId, user: UserId) -> Result<Seq, Stop> {
    let membership = edge.read_model.membership(room, user).await?;
    let joined = membership.filter(|membership| membership.standing == MemberStanding::Joined);
    Ok(joined.map_or(Seq::MAX, |membership| membership.since))
}
