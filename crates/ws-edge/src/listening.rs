//! What is live comes to the rooms: by one subscription per room, or by one for the whole partition.
//!
//! A subscription of a room brings nothing that nobody here asked for, and costs a channel and a task. Where an edge
//! follows many rooms of a partition, and they are a good part of all that move there, one subscription for all of
//! them is cheaper, for the edge and for the NATS server. So a partition goes wide and narrow again as its rooms do.
//! While it changes both are there: a feed takes each fact once, however often it comes.

use std::{collections::HashMap, sync::Arc};

use chasqui_bus::{
    BusError,
    live::{LiveFact, LiveSub},
};
use chasqui_events::Partition;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::{edge::Edge, feed::Raw, room::Room, unsealing};

/// From so many followed rooms on a partition may go wide.
const WIDE_FROM: usize = 256;
/// With fewer it goes narrow again.
const NARROW_BELOW: usize = 64;
/// It goes wide when one in so many of the rooms that moved is followed here, at least.
const WIDE_SHARE: usize = 4;
/// It goes narrow when fewer than one in so many are.
const NARROW_SHARE: usize = 16;

/// The partitions that are wide, each with the task that passes its facts on.
#[derive(Debug, Default)]
pub(crate) struct Listening(Mutex<HashMap<Partition, AbortHandle>>);

/// How many rooms of a partition moved between two ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) all: usize,
    /// Those of them that are followed here.
    pub(crate) here: usize,
}

/// What is to become of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Widen,
    Narrow,
}

fn change(is_wide: bool, followed: usize, moved: Moved) -> Option<Change> {
    if is_wide {
        let strangers = moved.all > NARROW_BELOW && moved.here * NARROW_SHARE < moved.all;
        return (followed < NARROW_BELOW || strangers).then_some(Change::Narrow);
    }
    let at_home = moved.here * WIDE_SHARE >= moved.all;
    (followed >= WIDE_FROM && at_home).then_some(Change::Widen)
}

impl Listening {
    fn is_wide(&self, partition: Partition) -> bool {
        self.0.lock().contains_key(&partition)
    }
}

/// Sees to it that a room hears what is live from now on.
pub(crate) async fn listen(edge: &Arc<Edge>, room: &Arc<Room>) {
    if edge.listening.is_wide(room.id().partition()) {
        return;
    }
    match edge.live.subscribe_room(room.id()).await {
        Ok(live) => {
            let (room, edge_of_task, of_task) = (Arc::clone(room), Arc::clone(edge), Arc::downgrade(room));
            let task = tokio::spawn(pass_to_one(edge_of_task, of_task, live));
            room.set_listener(task.abort_handle());
        }
        // The connection was drained: the process is ending.
        Err(error) => tracing::warn!(room = %room.id(), %error, "a room cannot be heard"),
    }
}

async fn pass_to_one(edge: Arc<Edge>, room: std::sync::Weak<Room>, mut live: LiveSub) {
    while let Some(fact) = live.recv().await {
        let Some(room) = room.upgrade() else { break };
        pass(&edge, &room, fact);
    }
}

async fn pass_to_all(edge: Arc<Edge>, mut live: LiveSub) {
    while let Some(fact) = live.recv().await {
        if let Some(room) = edge.hub.room(fact.room) {
            pass(&edge, &room, fact);
        }
    }
}

fn pass(edge: &Arc<Edge>, room: &Arc<Room>, fact: LiveFact) {
    let LiveFact { lane, seq, prev, payload, time, .. } = fact;
    unsealing::arrive(edge, room, Raw::new(lane, seq, Some(prev), &payload, time));
}

/// Lets a partition go wide or narrow, if that has become better.
pub(crate) async fn review(edge: &Arc<Edge>, partition: Partition, moved: Moved) -> Result<(), BusError> {
    let rooms = edge.hub.rooms();
    let rooms: Vec<Arc<Room>> = rooms.into_iter().filter(|room| room.id().partition() == partition).collect();
    match change(edge.listening.is_wide(partition), rooms.len(), moved) {
        Some(Change::Widen) => widen(edge, partition, &rooms).await,
        Some(Change::Narrow) => narrow(edge, partition, &rooms).await,
        None => Ok(()),
    }
}

async fn widen(edge: &Arc<Edge>, partition: Partition, rooms: &[Arc<Room>]) -> Result<(), BusError> {
    let live = edge.live.subscribe_partition(partition).await?;
    let task = tokio::spawn(pass_to_all(Arc::clone(edge), live));
    // The server has taken the subscription before the rooms' own ones end.
    edge.bus.flush().await?;
    edge.listening.0.lock().insert(partition, task.abort_handle());
    for room in rooms {
        room.drop_listener();
    }
    tracing::info!(%partition, rooms = rooms.len(), "one subscription hears all rooms of the partition");
    Ok(())
}

async fn narrow(edge: &Arc<Edge>, partition: Partition, rooms: &[Arc<Room>]) -> Result<(), BusError> {
    // Rooms that are opened from now on listen for themselves.
    let wide = edge.listening.0.lock().remove(&partition);
    for room in rooms {
        listen(edge, room).await;
    }
    edge.bus.flush().await?;
    if let Some(wide) = wide {
        wide.abort();
    }
    tracing::info!(%partition, rooms = rooms.len(), "each room of the partition is heard by itself");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn moved(all: usize, here: usize) -> Moved {
        Moved { all, here }
    }

    #[test]
    fn a_partition_is_wide_where_most_of_it_is_at_home() {
        assert_eq!(change(false, 10, moved(10, 10)), None, "a few rooms listen for themselves");
        assert_eq!(change(false, 1_000, moved(0, 0)), Some(Change::Widen));
        assert_eq!(change(false, 1_000, moved(100, 90)), Some(Change::Widen));
        assert_eq!(change(false, 1_000, moved(1_000, 90)), None, "most that moves is elsewhere");
    }

    #[test]
    fn it_is_narrow_again_where_strangers_move_and_does_not_swing() {
        assert_eq!(change(true, 1_000, moved(1_000, 90)), None);
        assert_eq!(change(true, 1_000, moved(10_000, 90)), Some(Change::Narrow));
        assert_eq!(change(true, 200, moved(10, 10)), None);
        assert_eq!(change(true, 10, moved(10, 10)), Some(Change::Narrow));
        assert_eq!(change(true, 1_000, moved(3, 0)), None, "three rooms say nothing");
    }
}
