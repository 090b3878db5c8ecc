//! Whether a cursor is of this log.

use chasqui_bus::{log::StreamHead, subject};
use chasqui_events::Partition;
use chasqui_protocol::frame::ResetReason;

use super::Stop;
use crate::{
    cursor::{Cursor, Floor},
    edge::Edge,
};

/// Where a partition stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Barrier {
    pub(super) partition: Partition,
    pub(super) head: StreamHead,
}

/// How a session begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Start {
    /// No cursor was shown.
    Live,
    /// What was missed since is sent.
    Resume(Cursor),
    /// The cursor cannot be used.
    Reset(ResetReason),
}

/// The most places that are remembered as checked.
const MOST_CHECKED: usize = 10_000;

/// How a session begins that shows this cursor. Of partitions that are `silent` nothing can be said yet.
pub(super) async fn start(
    edge: &Edge,
    shown: Option<&str>,
    barriers: &[Barrier],
    silent: &[Partition],
) -> Result<Start, Stop> {
    let Some(shown) = shown else { return Ok(Start::Live) };
    let Ok(cursor) = Cursor::decode(shown) else { return Ok(Start::Reset(ResetReason::Malformed)) };
    for floor in cursor.floors().iter().filter(|floor| !silent.contains(&floor.partition)) {
        let barrier = barriers.iter().find(|barrier| barrier.partition == floor.partition);
        let Some(barrier) = barrier else { return Ok(Start::Reset(ResetReason::AnotherLog)) };
        if !is_of_this_log(edge, floor, &barrier.head).await? {
            return Ok(Start::Reset(ResetReason::AnotherLog));
        }
    }
    Ok(Start::Resume(cursor))
}

pub(super) async fn is_of_this_log(edge: &Edge, floor: &Floor, head: &StreamHead) -> Result<bool, Stop> {
    if floor.incarnation != head.incarnation || floor.seq > head.last_seq {
        return Ok(false);
    }
    if floor.seq == 0 || edge.verified.read().remembers(floor) {
        return Ok(true);
    }
    let place = (floor.partition, floor.seq);
    let checked = edge.checked_places.lock().get(&place).copied();
    if let Some(fingerprint) = checked {
        return Ok(fingerprint == floor.fingerprint);
    }
    let stored = edge.log.get(&subject::stream(floor.partition), floor.seq).await;
    let stored = stored.map_err(|error| Stop::Unavailable(error.to_string()))?;
    let Some(stored) = stored else { return Ok(false) };
    let mut places = edge.checked_places.lock();
    if places.len() >= MOST_CHECKED {
        places.clear();
    }
    places.insert(place, stored.fingerprint());
    Ok(stored.fingerprint() == floor.fingerprint)
}
