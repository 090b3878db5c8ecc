//! After the hello: what the client missed, then everything live.
//!
//! The order makes it complete: the connection hears of its user's comings and goings first, then the barrier is
//! taken, then memberships are read behind it, then each room is followed (subscribed) before its past is read.

mod check;
pub(crate) mod introduction;
mod stays;

use std::sync::Arc;

use chasqui_bus::subject::Lane;
use chasqui_events::{Partition, RoomId, Seq};
use chasqui_protocol::{
    CloseCode, ServerFrame,
    frame::{ErrorFrame, ResetReason},
};
use chasqui_read_model::{MemberStanding, Membership, ReadError, Stream};
use futures::future::join_all;

use self::{check::Start, stays::Stay};
use crate::{
    connection::Connection,
    cursor::Cursor,
    edge::Edge,
    feed::Missing,
    fill,
    frame::Shared,
    meters::Meters,
    opening,
    room::{Hear, Room, Seated, author_of},
    session::{Attached, Entry, Released},
    slices::{self, NoSlice},
};

/// Why a resume cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// More was missed of a room than is sent by itself.
    #[error("more was missed than is sent by itself")]
    TooOld,
    /// The connection is gone.
    #[error("the connection is gone")]
    Gone,
    /// The caller is not in the room any more, as its state lane says up to here.
    #[error("the caller left the room at or before {state}")]
    Out {
        /// The last fact of the state lane.
        state: Seq,
    },
    /// A store or the log does not answer.
    #[error("temporarily unavailable: {0}")]
    Unavailable(String),
}

impl From<NoSlice> for Stop {
    fn from(error: NoSlice) -> Self {
        match error {
            NoSlice::TooOld => Self::TooOld,
            NoSlice::Model(error) => Self::Unavailable(error.to_string()),
            NoSlice::Log(error) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<opening::NotOpened> for Stop {
    fn from(error: opening::NotOpened) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Brings a connection up to date, and makes it live.
pub(crate) async fn run(edge: Arc<Edge>, connection: Arc<Connection>, shown: Option<String>) {
    let begun = std::time::Instant::now();
    match resume(&edge, &connection, shown).await {
        Ok(outcome) => {
            Meters::resumed(outcome);
            edge.meters.resume_seconds.record(begun.elapsed().as_secs_f64());
        }
        Err(Stop::Gone) => {}
        Err(error) => {
            tracing::warn!(connection = connection.id, %error, "a client could not be brought up to date");
            Meters::resumed("partial");
            let now = edge.clock.now();
            connection.touch(|session| session.close(CloseCode::Unavailable, now));
        }
    }
}

async fn resume(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    shown: Option<String>,
) -> Result<&'static str, Stop> {
    edge.ticked.subscribe().wait_for(|ticked| *ticked).await.ok();
    let barriers = barriers(edge).await?;
    let start = check::start(edge, shown.as_deref(), &barriers).await?;
    let cursor = greet(edge, connection, &start);
    let projected = wait_for_projection(edge, &barriers).await;
    let user = connection.user().ok_or(Stop::Gone)?;
    let memberships = edge.read_model.memberships(user).await?;
    let mut outcome = if cursor.is_some() { "caught_up" } else { "live" };
    match go_through(edge, connection, &memberships, cursor.as_ref()).await {
        Ok(()) => {}
        Err(Stop::TooOld) => {
            outcome = "reset";
            reset(edge, connection, &memberships).await?;
        }
        Err(stop) => return Err(stop),
    }
    let now = edge.clock.now();
    let deferred = connection.touch(|session| {
        session.know_memberships(&projected);
        session.caught_up(now)
    });
    edge.note_stale(connection);
    for room in deferred {
        introduction::introduce(edge, connection, room).await?;
    }
    crate::presence::arrived(edge, connection);
    Ok(outcome)
}

/// Where every partition stands, and which log it is.
async fn barriers(edge: &Arc<Edge>) -> Result<Vec<check::Barrier>, Stop> {
    let read = Partition::first(edge.settings.partitions).map(|partition| async move {
        let head = edge.barrier(partition).read(&edge.log).await;
        head.map(|head| check::Barrier { partition, head })
    });
    let read: Result<Vec<_>, _> = join_all(read).await.into_iter().collect();
    read.map_err(|error| Stop::Unavailable(error.to_string()))
}

/// Welcomes the client. Gives the cursor that it resumes from.
fn greet(edge: &Edge, connection: &Connection, start: &Start) -> Option<Cursor> {
    let now = edge.clock.now();
    let begin = edge.verified.read().now();
    connection.touch(|session| match start {
        Start::Resume(cursor) => {
            session.welcome(true, now);
            session.set_cursor(cursor.clone());
            let known: Vec<_> = cursor.floors().iter().map(|floor| (floor.partition, floor.known)).collect();
            session.know_memberships(&known);
        }
        Start::Live | Start::Reset(_) => {
            session.welcome(false, now);
            if let Start::Reset(reason) = start {
                session.push(&ServerFrame::Reset { reason: *reason }, now);
            }
            let known: Vec<_> = begin.floors().iter().map(|floor| (floor.partition, floor.seq)).collect();
            session.know_memberships(&known);
            session.set_cursor(begin);
            session.push_cursor(now);
        }
    });
    match start {
        Start::Resume(cursor) => Some(cursor.clone()),
        Start::Live | Start::Reset(_) => None,
    }
}

/// Waits a bounded time until the partitions are projected up to their barriers. Gives those that are.
async fn wait_for_projection(edge: &Edge, barriers: &[check::Barrier]) -> Vec<(Partition, Seq)> {
    let waits = barriers.iter().map(|barrier| async move {
        let seq = barrier.head.last_seq;
        let stream = Stream::Chat(barrier.partition);
        let reached =
            seq == 0 || edge.read_model.wait_for(stream, seq, edge.settings.resume_wait).await.is_ok();
        reached.then_some((barrier.partition, seq))
    });
    join_all(waits).await.into_iter().flatten().collect()
}

/// Goes through the caller's rooms, past and present.
async fn go_through(
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

fn too_many_rooms(edge: &Edge, connection: &Connection, most: usize) {
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
async fn reset(
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

/// Sends what was missed of one stay in a room. The last stay, if it goes on, is live afterwards.
async fn catch_up(
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

fn depart(edge: &Edge, connection: &Connection, id: RoomId, until: Seq) {
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
async fn go_live(
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
async fn send(edge: &Edge, connection: &Connection, room: RoomId, after: Seq, upto: Seq) -> Result<(), Stop> {
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
async fn restate_marks(edge: &Edge, connection: &Connection, room: &Room) -> Result<(), Stop> {
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
