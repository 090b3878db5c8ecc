//! The rooms of a client that comes back, one after the other: what was missed of each, and how it goes on.

use std::sync::Arc;

use chasqui_bus::subject::Lane;
use chasqui_events::{RoomId, Seq};
use chasqui_protocol::{
    ServerFrame,
    frame::{ErrorFrame, ResetReason},
};
use chasqui_read_model::{MemberStanding, Membership, Stream};
use futures::future::join_all;

use super::{
    Stop,
    catching_up::{catch_up, depart},
    stays,
};
use crate::{
    connection::Connection,
    cursor::Cursor,
    edge::Edge,
    feed::Missing,
    fill, opening,
    room::{Hear, Room, Seated},
    session::{Attached, Released},
    slices,
};

/// Goes through the caller's rooms, past and present.
pub(super) async fn go_through(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    memberships: &[Membership],
    cursor: Option<&Cursor>,
) -> Result<(), Stop> {
    let most = edge.settings.max_rooms_per_session;
    let present = memberships.iter().filter(|one| one.standing == MemberStanding::Joined);
    let present: Vec<RoomId> = present.map(|one| one.room).take(most).collect();
    // All at once, so that rooms that nobody here follows yet share their reads.
    let followed = opening::rooms(edge, &present).await?;
    if cursor.is_some() {
        compare(edge, &followed).await?;
    }
    let mut seats = 0;
    for membership in memberships {
        if membership.standing == MemberStanding::Joined {
            seats += 1;
            if seats == most + 1 {
                too_many_rooms(edge, connection, most);
            }
            if seats > most {
                continue;
            }
        }
        let mut membership = membership.clone();
        while let Err(stop) = go_through_one(edge, connection, &membership, cursor).await {
            let Stop::Out { state } = stop else { return Err(stop) };
            // They left after the memberships were read: what was missed ends there.
            membership = read_again(edge, &membership, state).await?;
        }
    }
    Ok(())
}

/// A room that is followed already may have lost, unseen, what was republished last. Compares with the projection,
/// and waits a bounded time for what is missing; past it the tick goes on looking.
async fn compare(edge: &Arc<Edge>, followed: &[Arc<Room>]) -> Result<(), Stop> {
    let ids: Vec<RoomId> = followed.iter().map(|room| room.id()).collect();
    let heads = edge.read_model.room_heads(&ids).await?;
    let behind = followed.iter().filter_map(|room| {
        let heads = opening::heads_of(heads.get(&room.id())?);
        let through = room.drive(edge, |feed, out| feed.compare(heads, out));
        (!through && heads.held_at.is_none()).then(|| room.until_through(heads))
    });
    tokio::time::timeout(edge.settings.resume_wait, join_all(behind)).await.ok();
    Ok(())
}

async fn read_again(edge: &Edge, membership: &Membership, state: Seq) -> Result<Membership, Stop> {
    let stream = Stream::of(membership.room);
    let waited = edge.read_model.wait_for(stream, state, edge.settings.resume_wait).await;
    waited.map_err(|error| Stop::Unavailable(error.to_string()))?;
    let read = edge.read_model.membership(membership.room, membership.user).await?;
    read.ok_or_else(|| Stop::Unavailable("a membership is gone".to_owned()))
}

async fn go_through_one(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    membership: &Membership,
    cursor: Option<&Cursor>,
) -> Result<(), Stop> {
    let room = membership.room;
    let Some(cursor) = cursor else {
        if membership.standing == MemberStanding::Joined {
            join_live(edge, connection, room, membership.delivered).await?;
        }
        return Ok(());
    };
    let floor = cursor.floor(room.partition());
    let place = stays::Place {
        floor: floor.map_or(0, |floor| floor.seq),
        known: floor.map_or(0, |floor| floor.known),
    };
    let missed = stays::missed(membership, place).ok_or(Stop::TooOld)?;
    for stay in missed {
        if !connection.has_room().await {
            return Err(Stop::Gone);
        }
        catch_up(edge, connection, room, stay, membership.delivered).await?;
    }
    if let Some(seq) = stays::aside(membership, place) {
        tell_aside(edge, connection, room, seq).await?;
    }
    Ok(())
}

pub(super) fn too_many_rooms(edge: &Edge, connection: &Connection, most: usize) {
    let detail = format!("a connection hears at most {most} rooms; the others are read by queries");
    let problem = chasqui_protocol::Problem::new(chasqui_protocol::Code::TooMany, detail);
    let frame = ServerFrame::Error(ErrorFrame { id: None, reference: None, problem });
    let now = edge.clock.now();
    connection.touch(|session| session.push(&frame, now));
}

/// Hears a room from now on.
async fn join_live(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    room: RoomId,
    marked: Seq,
) -> Result<(), Stop> {
    for followed in opening::rooms(edge, &[room]).await? {
        let ask = Hear { after: None, marked, announce: None };
        if followed.attach(connection, ask, edge.clock.now()) == Seated::Closed {
            return Err(Stop::Unavailable("a room was closed".to_owned()));
        }
    }
    Ok(())
}

/// More was missed than is sent by itself: says so, and goes on live.
pub(super) async fn reset(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    memberships: &[Membership],
) -> Result<(), Stop> {
    let now = edge.clock.now();
    let begin = edge.verified.read().now();
    connection.touch(|session| {
        session.push(&ServerFrame::Reset { reason: ResetReason::TooOld }, now);
        session.set_cursor(begin);
        session.push_cursor(now);
    });
    for membership in memberships {
        if membership.standing != MemberStanding::Joined {
            if connection.session().is_seated(membership.room) {
                depart(edge, connection, membership.room, membership.until.unwrap_or(0));
            }
            continue;
        }
        let followed = opening::rooms(edge, &[membership.room]).await?;
        for room in followed {
            let ask = Hear { after: None, marked: membership.delivered, announce: None };
            match room.attach(connection, ask, now) {
                // It was catching up when it turned out that there is too much.
                Seated::As(Attached::Already, heads) => {
                    let mut upto = heads.timeline();
                    while let (Released::Again(_), head) = room.release(connection, upto, now) {
                        upto = head;
                    }
                }
                Seated::As(..) | Seated::NotAMember(_) | Seated::Closed => {}
            }
        }
    }
    Ok(())
}

/// Tells of an invitation, or of its end, which is all that the caller may see of that room.
async fn tell_aside(edge: &Edge, connection: &Connection, room: RoomId, seq: Seq) -> Result<(), Stop> {
    let missing = Missing { after: seq.saturating_sub(1), to: seq };
    let facts = fill::read_lane(edge, room, Lane::State, missing, 1).await;
    let facts = facts.map_err(|error| Stop::Unavailable(error.to_string()))?;
    let now = edge.clock.now();
    for item in facts.iter().filter_map(|raw| slices::state_entry(room, raw)) {
        connection.touch(|session| session.push(&ServerFrame::Item(item), now));
    }
    Ok(())
}
