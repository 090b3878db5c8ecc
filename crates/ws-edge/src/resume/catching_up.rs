//! One stay in one room, from where the client has it: what was missed is sent as fast as the client takes it, then what
//! was held meanwhile, then the room is live.

use std::sync::Arc;

use chasqui_events::{RoomId, Seq};
use chasqui_protocol::ServerFrame;

use super::{Stop, stays::Stay};
use crate::{
    connection::Connection,
    edge::Edge,
    frame::Shared,
    opening,
    room::{Hear, Room, Seated, author_of},
    session::{Attached, Entry, Released},
    slices,
};

/// Sends what was missed of one stay in a room. The last stay, if it goes on, is live afterwards.
pub(super) async fn catch_up(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    id: RoomId,
    stay: Stay,
    marked: Seq,
) -> Result<(), Stop> {
    let Some(until) = stay.until else {
        return catch_up_to_live(edge, connection, id, stay, marked).await;
    };
    let entered = |from| Shared::new(ServerFrame::RoomEntered { room: id, from }).in_codec(connection.codec);
    let (announce, now) = (stay.announce.map(entered), edge.clock.now());
    let attached = connection.touch(|session| session.attach(id, (stay.after, until), marked, announce, now));
    if attached == Attached::Catching {
        send(edge, connection, id, stay.after, until).await?;
    }
    depart(edge, connection, id, until);
    Ok(())
}

pub(super) fn depart(edge: &Edge, connection: &Connection, id: RoomId, until: Seq) {
    let now = edge.clock.now();
    let frame = Shared::new(ServerFrame::RoomLeft { room: id }).in_codec(connection.codec);
    connection.touch(|session| session.depart(id, until, frame, now));
}

async fn catch_up_to_live(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    id: RoomId,
    stay: Stay,
    marked: Seq,
) -> Result<(), Stop> {
    let Stay { announce, after, .. } = stay;
    let ask = Hear { after: Some(after), marked, announce };
    let (room, seated) = seat(edge, connection, id, ask).await?;
    let heads = match seated {
        Seated::As(Attached::Closed, _) => return Err(Stop::Gone),
        Seated::As(Attached::Live | Attached::Already, heads) => heads,
        Seated::As(Attached::Catching, heads) => {
            send(edge, connection, id, after, heads.timeline()).await?;
            go_live(edge, connection, &room, heads.timeline()).await?;
            heads
        }
        Seated::NotAMember(state) => return Err(Stop::Out { state }),
        Seated::Closed => return Ok(()),
    };
    if heads.rcpt > after {
        restate_marks(edge, connection, &room).await?;
    }
    Ok(())
}

/// Everything up to `upto` was sent: lets what was held meanwhile follow, or, when that was too much, reads it, too.
pub(super) async fn go_live(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    room: &Arc<Room>,
    mut upto: Seq,
) -> Result<(), Stop> {
    while let (Released::Again(from), head) = room.release(connection, upto, edge.clock.now()) {
        send(edge, connection, room.id(), from, head).await?;
        upto = head;
    }
    Ok(())
}

async fn seat(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    id: RoomId,
    ask: Hear,
) -> Result<(Arc<Room>, Seated), Stop> {
    loop {
        let room = opening::rooms(edge, &[id]).await?.pop().ok_or(Stop::Gone)?;
        let seated = room.attach(connection, ask, edge.clock.now());
        if seated != Seated::Closed {
            return Ok((room, seated));
        }
    }
}

/// Sends the entries of a room after one place up to another, as fast as the client takes them.
pub(super) async fn send(
    edge: &Edge,
    connection: &Connection,
    room: RoomId,
    after: Seq,
    upto: Seq,
) -> Result<(), Stop> {
    let slice = slices::read(edge, room, after, upto).await?;
    for item in slice.items.iter().filter(|item| item.seq > after && item.seq <= upto) {
        if !connection.session().has_room() && !connection.has_room().await {
            return Err(Stop::Gone);
        }
        let author = author_of(item);
        let foreign = author.is_some_and(|author| connection.user() != Some(author));
        let entry = Entry { seq: item.seq, late: false, foreign };
        let frame = Shared::new(ServerFrame::Item(item.clone())).in_codec(connection.codec);
        let now = edge.clock.now();
        connection.touch(|session| session.catch(room, entry, frame, now));
    }
    Ok(())
}

/// Receipts are no entries: whoever was away is told how the marks stand now.
pub(super) async fn restate_marks(edge: &Edge, connection: &Connection, room: &Room) -> Result<(), Stop> {
    if room.local_members().is_empty() {
        // A large room: its marks are for the authors whom they concern, and are asked for by query.
        return Ok(());
    }
    let _permit = edge.reads.acquire().await.ok();
    let marks = edge.read_model.marks(room.id()).await?;
    let marks: Vec<_> = marks.into_iter().filter(|mark| mark.delivered > 0 || mark.read > 0).collect();
    if !marks.is_empty() {
        let now = edge.clock.now();
        let frame = ServerFrame::Receipts { room: room.id(), marks };
        let frame = Shared::new(frame).in_codec(connection.codec);
        connection.touch(|session| session.hint(room.id(), frame, now));
    }
    Ok(())
}
