//! What the projector tells after its commit: somebody is in a room that this edge may not follow yet, or a session
//! has ended. Hints only; the tick looks again.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use chasqui_bus::live::Hint;
use chasqui_crypto::Owner;
use chasqui_events::{RoomId, Seq, SessionId, UserId};
use chasqui_protocol::{CloseCode, ServerFrame};
use chasqui_read_model::{Notice, NoticeKind};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{connection::Connection, edge::Edge, feed::Missing, fill, resume::introduction, slices};

/// Notices of one user and room are taken in order; others in so many lines beside each other, because each may wait
/// for a room to be opened.
const LINES: u64 = 64;
/// Notices that wait in a line; more wait on the bus.
const WAITING: usize = 256;
/// How long a room that is being opened is waited for.
const OPENING: Duration = Duration::from_secs(10);

/// Follows the notices until the connection to NATS is drained.
pub(crate) async fn run(edge: Arc<Edge>) -> anyhow::Result<()> {
    let mut notices = edge.live.subscribe_notify_all().await?;
    let mut tasks = JoinSet::new();
    let lines: Vec<mpsc::Sender<(UserId, Notice)>> = (0..LINES)
        .map(|_| {
            let (line, waiting) = mpsc::channel(WAITING);
            tasks.spawn(take_all(Arc::clone(&edge), waiting));
            line
        })
        .collect();
    let hasher = RandomState::new();
    while let Some(hint) = notices.recv().await {
        let Hint::Notify { user, payload } = hint else { continue };
        let Some(notice) = Notice::decode(&payload) else { continue };
        if notice.kind == NoticeKind::Erased {
            match notice.room {
                Some(room) => bury_room(&edge, room).await,
                None => bury(&edge, user).await,
            }
        }
        if !edge.hub.is_here(user) {
            continue;
        }
        let line = usize::try_from(hasher.hash_one((user, notice.room)) % LINES).unwrap_or(0);
        if let Some(line) = lines.get(line) {
            line.send((user, notice)).await?;
        }
    }
    Ok(())
}

/// Opens nothing of an erased user any more, and tells those here who share a room with them.
async fn bury(edge: &Edge, user: UserId) {
    edge.keyring.bury(Owner::User(user)).await;
    edge.slices.clear();
    let shared = edge.hub.rooms().into_iter().filter(|room| room.has(user));
    let others: BTreeSet<UserId> = shared.flat_map(|room| room.hearers()).collect();
    for other in others {
        edge.tell_user(other, ServerFrame::Erased { user });
    }
}

/// Opens nothing of an erased room any more. Whoever follows it hears of it by its timeline.
async fn bury_room(edge: &Edge, room: RoomId) {
    edge.keyring.bury(Owner::Room(room)).await;
    edge.slices.clear();
}

async fn take_all(edge: Arc<Edge>, mut waiting: mpsc::Receiver<(UserId, Notice)>) {
    while let Some((user, notice)) = waiting.recv().await {
        take(&edge, user, notice).await;
    }
}

async fn take(edge: &Arc<Edge>, user: UserId, notice: Notice) {
    let connections = edge.hub.of_user(user);
    match (notice.kind, notice.room, notice.session) {
        (NoticeKind::SessionRevoked, _, Some(session)) => end_session(edge, &connections, session),
        (NoticeKind::Joined, Some(room), _) => {
            if !is_told(edge, room, notice.seq).await {
                introduce(edge, &connections, room, notice.seq).await;
            }
        }
        (NoticeKind::Left | NoticeKind::Removed | NoticeKind::Invited, Some(room), _) => {
            if is_told(edge, room, notice.seq).await {
                look_for(edge, room, notice.seq);
            } else if notice.kind == NoticeKind::Invited {
                tell(edge, user, room, notice.seq).await;
            }
        }
        (NoticeKind::RoleChanged | NoticeKind::Erased, ..)
        | (_, None, _)
        | (NoticeKind::SessionRevoked, _, None) => {}
    }
}

/// Whether the room's own feed tells of a state fact.
async fn is_told(edge: &Edge, room: RoomId, seq: Seq) -> bool {
    let Some(followed) = edge.hub.room(room) else { return false };
    tokio::time::timeout(OPENING, followed.until_open()).await.is_ok() && followed.tells_of(seq)
}

/// A state fact that the projector has and the room's feed does not may have been lost on its way.
fn look_for(edge: &Edge, room: RoomId, seq: Seq) {
    if edge.hub.room(room).is_some_and(|followed| followed.state_head() < seq) {
        edge.watch(room);
        edge.tick_now.notify_one();
    }
}

async fn introduce(edge: &Arc<Edge>, connections: &[Arc<Connection>], room: RoomId, joined: Seq) {
    for connection in connections {
        {
            let session = connection.session();
            if !session.is_live() || session.told_of(room) >= joined {
                continue;
            }
        }
        if let Err(error) = introduction::introduce(edge, connection, room).await {
            tracing::warn!(%room, %error, "a room could not be entered; the next look at memberships will");
        }
    }
}

/// Tells a user of an entry of a room that they are not in.
async fn tell(edge: &Arc<Edge>, user: UserId, room: RoomId, seq: Seq) {
    let missing = Missing { after: seq.saturating_sub(1), to: seq };
    match fill::read_lane(edge, room, chasqui_bus::subject::Lane::State, missing, 1).await {
        Ok(facts) => {
            for item in facts.iter().filter_map(|raw| slices::state_entry(room, raw)) {
                edge.tell_user(user, ServerFrame::Item(item));
            }
        }
        Err(error) => tracing::warn!(%room, %error, "an invitation could not be told; the next hello will"),
    }
}

/// Ends the connections of a session that was revoked.
pub(crate) fn end_session(edge: &Edge, connections: &[Arc<Connection>], session: SessionId) {
    let now = edge.clock.now();
    for connection in
        connections.iter().filter(|one| one.identity().is_some_and(|one| one.session == session))
    {
        connection.touch(|session| session.close(CloseCode::SessionRevoked, now));
    }
}
