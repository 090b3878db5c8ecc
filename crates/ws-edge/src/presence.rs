//! Who is here: told in small rooms when somebody comes, and when they have stayed away for a while.
//!
//! Never stored. Whoever comes is told by the edges that hold others of their rooms; an edge that dies leaves its
//! people as they were until they come back or the client forgets.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chasqui_bus::live::Hint;
use chasqui_events::{RoomId, Timestamp, UserId};
use chasqui_protocol::ServerFrame;
use chasqui_runtime::lifecycle::Shutdown;
use serde::{Deserialize, Serialize};

use crate::{connection::Connection, edge::Edge};

/// The last token of `eph.room.<room>.presence` and `eph.user.<user>.presence`.
pub(crate) const KIND: &str = "presence";
/// Whoever comes back within this time was never away.
const GRACE_MS: i64 = 10_000;
/// The most rooms in which one person's coming or going is told.
const MOST_ROOMS: usize = 32;
/// The most people of whom somebody who comes is told by one room and edge.
const MOST_PEOPLE: usize = 50;

/// In a room: somebody came or went. `ask`: tell them who is here.
#[derive(Serialize, Deserialize)]
struct InRoom {
    user: UserId,
    online: bool,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    ask: bool,
}

/// To somebody who came: these are here.
#[derive(Serialize, Deserialize)]
struct ToUser {
    room: RoomId,
    online: Vec<UserId>,
}

/// Those who went a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    going: VecDeque<(Timestamp, UserId, Vec<RoomId>)>,
}

/// A connection has caught up: tells its user's rooms, unless they were here already.
pub(crate) fn arrived(edge: &Arc<Edge>, connection: &Arc<Connection>) {
    let Some(user) = connection.user() else { return };
    let was_going = {
        let mut presence = edge.presence.lock();
        let before = presence.going.len();
        presence.going.retain(|(_, going, _)| *going != user);
        presence.going.len() != before
    };
    if was_going || edge.hub.of_user(user).len() > 1 {
        return;
    }
    let rooms = rooms_of(edge, connection, user);
    let edge = Arc::clone(edge);
    tokio::spawn(async move { announce(&edge, user, true, &rooms).await });
}

/// The last connection of a user here is gone, with the rooms that it heard.
pub(crate) fn departed(edge: &Edge, user: UserId, rooms: Vec<RoomId>) {
    let rooms = rooms.into_iter().filter(|room| tells(edge, *room, user)).take(MOST_ROOMS).collect();
    let at = edge.clock.now().plus_millis(GRACE_MS);
    edge.presence.lock().going.push_back((at, user, rooms));
}

fn rooms_of(edge: &Edge, connection: &Connection, user: UserId) -> Vec<RoomId> {
    let rooms = connection.session().rooms();
    rooms.into_iter().filter(|room| tells(edge, *room, user)).take(MOST_ROOMS).collect()
}

fn tells(edge: &Edge, room: RoomId, user: UserId) -> bool {
    edge.hub.room(room).is_some_and(|room| room.tells_presence_of(user))
}

async fn announce(edge: &Edge, user: UserId, online: bool, rooms: &[RoomId]) {
    let hint = InRoom { user, online, ask: online };
    let payload = Bytes::from(serde_json::to_vec(&hint).unwrap_or_default());
    for room in rooms {
        if edge.live.publish_eph_room(*room, KIND, payload.clone()).await.is_err() {
            edge.meters.hints_dropped.increment(1);
        }
    }
}

/// Somebody came or went in a room.
pub(crate) async fn take_room(edge: &Edge, room: RoomId, payload: &[u8]) {
    let (Some(followed), Ok(InRoom { user, online, ask })) =
        (edge.hub.room(room), serde_json::from_slice(payload))
    else {
        return;
    };
    if !online && edge.hub.is_here(user) {
        // Gone from another edge, but here.
        return announce(edge, user, true, &[room]).await;
    }
    followed.hint(ServerFrame::Presence { user, online }, user, edge.clock.now());
    if online && ask {
        let here = followed.local_members().into_iter().filter(|other| *other != user).take(MOST_PEOPLE);
        let hint = ToUser { room, online: here.collect() };
        if !hint.online.is_empty() {
            let payload = Bytes::from(serde_json::to_vec(&hint).unwrap_or_default());
            edge.live.publish_eph_user(user, KIND, payload).await.ok();
        }
    }
}

/// Follows what is told to those who came.
pub(crate) async fn run(edge: Arc<Edge>) -> anyhow::Result<()> {
    let mut hints = edge.live.subscribe_eph_users().await?;
    while let Some(hint) = hints.recv().await {
        let Hint::User { user, kind, payload } = hint else { continue };
        if kind == KIND && edge.hub.is_here(user) {
            take_user(&edge, user, &payload);
        }
    }
    Ok(())
}

fn take_user(edge: &Edge, user: UserId, payload: &[u8]) {
    let Ok(ToUser { room, online }) = serde_json::from_slice(payload) else { return };
    if !tells(edge, room, user) {
        return;
    }
    let members: BTreeSet<UserId> = online.into_iter().filter(|other| tells(edge, room, *other)).collect();
    for other in members.into_iter().take(MOST_PEOPLE) {
        edge.tell_user(user, ServerFrame::Presence { user: other, online: true });
    }
}

/// Tells of those who have stayed away.
pub(crate) async fn watch(edge: Arc<Edge>, shutdown: Shutdown) {
    const LOOK: Duration = Duration::from_secs(1);
    loop {
        tokio::select! {
            () = shutdown.forced() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        while let Some((user, rooms)) = take_gone(&edge) {
            if !edge.hub.is_here(user) {
                announce(&edge, user, false, &rooms).await;
            }
        }
    }
}

fn take_gone(edge: &Edge) -> Option<(UserId, Vec<RoomId>)> {
    let mut presence = edge.presence.lock();
    let due = presence.going.front().is_some_and(|(at, ..)| *at <= edge.clock.now());
    if !due {
        return None;
    }
    presence.going.pop_front().map(|(_, user, rooms)| (user, rooms))
}
