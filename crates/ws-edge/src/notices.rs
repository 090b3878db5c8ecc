//! What the projector tells after its commit: somebody is in a room that this edge may not follow yet, or a session
//! has ended. Hints only; the tick looks again.

use std::sync::Arc;

use chasqui_bus::live::Hint;
use chasqui_events::{SessionId, UserId};
use chasqui_protocol::{CloseCode, ServerFrame};
use chasqui_read_model::{Notice, NoticeKind};
use tokio::sync::Semaphore;

use crate::{connection::Connection, edge::Edge, feed::Missing, fill, resume, slices};

/// Notices handled at a time; more wait on the bus.
const AT_ONCE: usize = 64;

/// Follows the notices until the connection to NATS is drained.
pub(crate) async fn run(edge: Arc<Edge>) -> anyhow::Result<()> {
    let mut notices = edge.live.subscribe_notify_all().await?;
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(hint) = notices.recv().await {
        let Hint::Notify { user, payload } = hint else { continue };
        if !edge.hub.is_here(user) {
            continue;
        }
        let Some(notice) = Notice::decode(&payload) else { continue };
        let permit = Arc::clone(&at_once).acquire_owned().await?;
        let edge = Arc::clone(&edge);
        tokio::spawn(async move {
            take(&edge, user, notice).await;
            drop(permit);
        });
    }
    Ok(())
}

async fn take(edge: &Arc<Edge>, user: UserId, notice: Notice) {
    let connections = edge.hub.of_user(user);
    match (notice.kind, notice.room, notice.session) {
        (NoticeKind::SessionRevoked, _, Some(session)) => end_session(edge, &connections, session),
        (NoticeKind::Joined, Some(room), _) => {
            for connection in connections.iter().filter(|one| one.session().is_live()) {
                if let Err(error) = resume::enter(edge, connection, room).await {
                    tracing::warn!(%room, %error, "a room could not be entered; the next look at memberships will");
                }
            }
        }
        (NoticeKind::Left | NoticeKind::Removed, Some(room), _) if edge.hub.room(room).is_some() => {
            // The fact may have been lost on its way to the room's feed, which then has not let it through.
            edge.watch(room);
            edge.tick_now.notify_one();
        }
        (NoticeKind::Invited | NoticeKind::Left | NoticeKind::Removed, Some(room), _) => {
            // Where the room is followed, its feed tells whom it concerns.
            if edge.hub.room(room).is_none() {
                tell(edge, user, room, notice.seq).await;
            }
        }
        (NoticeKind::RoleChanged, ..) | (_, None, _) | (NoticeKind::SessionRevoked, _, None) => {}
    }
}

/// Tells a user of an entry of a room that they are not in.
async fn tell(edge: &Arc<Edge>, user: UserId, room: chasqui_events::RoomId, seq: u64) {
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
