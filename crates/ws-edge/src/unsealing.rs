//! Messages are opened once per edge, before they come into the feed of their room.
//!
//! With keys at hand that is done on the way. Where a key must be looked up, the room's facts wait for it in the order
//! in which they came, and nothing else does. What cannot be opened now comes into the feed shut: the feed counts it as
//! lost and has it read again.

use std::{collections::VecDeque, sync::Arc};

use chasqui_crypto::KeyError;
use chasqui_events::RoomId;
use chasqui_query_api::opening::open_body;
use futures::future::try_join_all;
use parking_lot::Mutex;

use crate::{edge::Edge, feed::Raw, room::Room};

/// The most facts of a room that wait for a key. More are dropped, and read from the log when they are missed.
const MOST_ARRIVING: usize = 1_024;

/// The facts of a room that wait for a key.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Raw>,
    /// Somebody sees to them.
    busy: bool,
}

/// A fact has come live.
pub(crate) fn arrive(edge: &Arc<Edge>, room: &Arc<Room>, mut raw: Raw) {
    let mut queue = room.arrivals().0.lock();
    if !queue.busy && open_at_hand(edge, room.id(), &mut raw) {
        drop(queue);
        room.drive(edge, |feed, out| feed.live(&raw, out));
        return;
    }
    if queue.waiting.len() < MOST_ARRIVING {
        queue.waiting.push_back(raw);
    }
    if !std::mem::replace(&mut queue.busy, true) {
        drop(queue);
        tokio::spawn(admit(Arc::clone(edge), Arc::clone(room)));
    }
}

async fn admit(edge: Arc<Edge>, room: Arc<Room>) {
    while let Some(mut raw) = next(room.arrivals()) {
        if let Err(error) = open(&edge, room.id(), &mut raw).await {
            tracing::warn!(room = %room.id(), %error, "a room waits: a message cannot be opened now");
        }
        room.drive(&edge, |feed, out| feed.live(&raw, out));
    }
}

fn next(arrivals: &Arrivals) -> Option<Raw> {
    let mut queue = arrivals.0.lock();
    let next = queue.waiting.pop_front();
    queue.busy = next.is_some();
    next
}

/// Opens with keys at hand; false when one must be looked up.
fn open_at_hand(edge: &Edge, room: RoomId, raw: &mut Raw) -> bool {
    let Some((place, sealed)) = raw.sealed(room) else { return true };
    let opened = edge.keyring.open_at_hand(&place, sealed);
    raw.opened = opened;
    raw.opened.is_some()
}

/// Opens what is sealed in a fact, if anything is.
///
/// # Errors
/// A key cannot be had now.
pub(crate) async fn open(edge: &Edge, room: RoomId, raw: &mut Raw) -> Result<(), KeyError> {
    let Some((place, sealed)) = raw.sealed(room) else { return Ok(()) };
    let opened = open_body(&edge.keyring, &place, sealed).await?;
    raw.opened = Some(opened);
    Ok(())
}

/// Opens what is sealed in any of these facts.
///
/// # Errors
/// A key cannot be had now.
pub(crate) async fn open_all(edge: &Edge, room: RoomId, facts: &mut [Raw]) -> Result<(), KeyError> {
    try_join_all(facts.iter_mut().map(|raw| open(edge, room, raw))).await.map(drop)
}
