//! The tick: what may have been lost unseen is found, cursors rise, and what has become old is looked at again.
//!
//! Republish is at most once, so the last fact before a silence can be lost without a trace. On each tick the rooms
//! that moved since the last one, as the projector tells, are compared with what their feeds have let through.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chasqui_bus::BusEvent;
use chasqui_events::{Partition, RoomId, Seq};
use chasqui_read_model::{Checkpoint, ReadError, Stream};
use chasqui_runtime::lifecycle::Shutdown;
use tokio::{sync::broadcast, time::MissedTickBehavior};

use crate::{
    connection::Connection,
    cursor::Floor,
    edge::Edge,
    listening::{self, Moved},
    memberships, opening,
    settings::millis,
};

/// Every connection's cursor is looked at once in so many ticks, also when nothing was sent on it.
const IDLE_TICKS: u64 = 60;
/// Memberships are read again once in this time; notices are faster, but may be lost.
const MEMBERSHIPS_EVERY: Duration = Duration::from_mins(5);
/// After something may have been lost, they are read again within this time.
const MEMBERSHIPS_SOON: Duration = Duration::from_secs(20);

/// What the tick remembers.
struct Ticking {
    edge: Arc<Edge>,
    /// Rooms that were behind when they were last compared.
    behind: BTreeSet<RoomId>,
    count: u64,
    /// Memberships are looked at more often for so many ticks.
    hurry: u64,
}

/// Ticks until the process is told to stop, and while it drains.
pub(crate) async fn run(edge: Arc<Edge>, shutdown: Shutdown) {
    let mut events = edge.bus.events();
    let mut interval = tokio::time::interval(edge.settings.tick);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticking = Ticking { edge, behind: BTreeSet::new(), count: 0, hurry: 0 };
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = ticking.edge.tick_now.notified() => {}
            () = shutdown.forced() => return,
            event = events.recv() => match event {
                Ok(BusEvent::Disconnected) => continue,
                Ok(BusEvent::Reconnected | BusEvent::SlowConsumer) | Err(broadcast::error::RecvError::Lagged(_)) => {
                    ticking.hurry = ticking.ticks_in(MEMBERSHIPS_SOON);
                }
                Err(broadcast::error::RecvError::Closed) => return,
            },
        }
        ticking.tick().await;
    }
}

impl Ticking {
    async fn tick(&mut self) {
        self.count += 1;
        let mut healthy = true;
        for partition in Partition::first(self.edge.settings.partitions) {
            match self.compare(partition).await {
                Ok(moved) => self.listen_as_best(partition, moved).await,
                Err(error) => {
                    healthy = false;
                    tracing::warn!(%partition, %error, "the rooms of a partition cannot be compared");
                }
            }
        }
        if healthy {
            self.edge.ticked.send_if_modified(|ticked| !std::mem::replace(ticked, true));
        }
        self.report(healthy);
        self.edge.slices.clear();
        self.raise_cursors();
        self.close_idle_rooms();
        self.look_again();
    }

    /// Compares the rooms of a partition that moved, and notes how far all of it is verified.
    async fn compare(&mut self, partition: Partition) -> Result<Moved, ReadError> {
        let edge = Arc::clone(&self.edge);
        let verified = edge.verified.read().last(partition).copied();
        let checkpoint = edge.read_model.checkpoint(Stream::Chat(partition)).await?;
        let Some(checkpoint) = checkpoint else { return self.compare_nothing(partition, verified).await };
        let watched = edge.take_watched(partition);
        let floor = floor_at(partition, &checkpoint);
        let Some(verified) = verified.filter(|last| last.incarnation == floor.incarnation) else {
            // What is followed from now on is complete from its opening on.
            edge.verified.write().note(floor, []);
            return Ok(Moved::default());
        };
        let mut behind: BTreeSet<RoomId> =
            self.behind.iter().copied().filter(|room| room.partition() == partition).chain(watched).collect();
        if floor.seq <= verified.seq && behind.is_empty() {
            return Ok(Moved::default());
        }
        let heads = edge.read_model.room_heads(&behind.iter().copied().collect::<Vec<_>>()).await?;
        let moved = edge.read_model.heads_since(partition, verified.seq).await?;
        let complete_to = moved.at;
        let here = moved.rooms.iter().filter(|(id, _)| edge.hub.room(*id).is_some()).count();
        let counted = Moved { all: moved.rooms.len(), here };
        for (id, heads) in heads.into_iter().chain(moved.rooms) {
            let verified = edge.hub.room(id).is_none_or(|room| {
                room.drive(&edge, |feed, out| feed.compare(opening::heads_of(&heads), out))
            });
            if verified {
                behind.remove(&id)
            } else {
                behind.insert(id)
            };
        }
        behind.retain(|id| edge.hub.room(*id).is_some());
        self.behind.retain(|room| room.partition() != partition);
        self.behind.extend(behind.iter().copied());
        if complete_to >= floor.seq {
            edge.verified.write().note(floor, behind);
        }
        Ok(counted)
    }

    async fn listen_as_best(&self, partition: Partition, moved: Moved) {
        if let Err(error) = listening::review(&self.edge, partition, moved).await {
            tracing::warn!(%partition, %error, "a partition cannot be heard in another way");
        }
    }

    /// Nothing of the partition was ever projected.
    async fn compare_nothing(
        &self,
        partition: Partition,
        verified: Option<Floor>,
    ) -> Result<Moved, ReadError> {
        if verified.is_none() {
            let head = self.edge.barrier(partition).read(&self.edge.log).await;
            let head = head.map_err(|error| ReadError::Unavailable(error.to_string()))?;
            let floor = Floor { partition, incarnation: head.incarnation, seq: 0, fingerprint: 0, known: 0 };
            self.edge.verified.write().note(floor, []);
        }
        Ok(Moved::default())
    }

    fn report(&self, healthy: bool) {
        let edge = &self.edge;
        edge.meters.present(edge.hub.count(), edge.hub.room_count());
        if edge.is_draining() {
            edge.readiness.set_not_ready("draining");
        } else if !edge.bus.is_connected() {
            edge.readiness.set_not_ready("the connection to NATS is lost");
        } else if !healthy {
            edge.readiness.set_not_ready("the read model or the log does not answer");
        } else {
            edge.readiness.set_ready();
        }
    }

    /// Raises the cursors of the connections on which something happened, and of a part of the others.
    fn raise_cursors(&self) {
        let now = self.edge.clock.now();
        let turn = self.count % IDLE_TICKS;
        let idle = self.edge.hub.connections().into_iter().filter(|one| one.id % IDLE_TICKS == turn);
        let stale = self.edge.take_stale();
        let verified = self.edge.verified.read();
        let raise =
            |connection: &Arc<Connection>| connection.touch(|session| session.advance_cursor(&verified, now));
        let waiting: Vec<_> = stale.into_iter().filter(raise).collect();
        for connection in idle {
            raise(&connection);
        }
        drop(verified);
        for connection in &waiting {
            self.edge.note_stale(connection);
        }
    }

    fn close_idle_rooms(&self) {
        let (now, linger) = (self.edge.clock.now(), millis(self.edge.settings.linger));
        for room in self.edge.hub.rooms() {
            if room.close_if_idle(now, linger) {
                self.edge.hub.forget(&room);
            }
        }
    }

    /// Looks again at what notices tell faster.
    fn look_again(&mut self) {
        let period = if self.hurry > 0 { MEMBERSHIPS_SOON } else { MEMBERSHIPS_EVERY };
        self.hurry = self.hurry.saturating_sub(1);
        let period = self.ticks_in(period);
        let turn = self.count % period;
        let due: Vec<_> = self
            .edge
            .hub
            .connections()
            .into_iter()
            .filter(|connection| connection.id % period == turn)
            .collect();
        if !due.is_empty() {
            tokio::spawn(memberships::look_again(Arc::clone(&self.edge), due));
        }
    }

    fn ticks_in(&self, time: Duration) -> u64 {
        let ticks = time.as_millis() / self.edge.settings.tick.as_millis().max(1);
        u64::try_from(ticks).unwrap_or(u64::MAX).max(1)
    }
}

fn floor_at(partition: Partition, checkpoint: &Checkpoint) -> Floor {
    let Checkpoint { pos, incarnation, fingerprint, .. } = *checkpoint;
    let seq: Seq = pos;
    Floor { partition, incarnation, seq, fingerprint, known: 0 }
}
