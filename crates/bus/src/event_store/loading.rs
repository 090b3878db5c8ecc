//! From snapshot and tail to a room.

use std::{sync::Arc, time::Instant};

use chasqui_domain::room::VersionedRoom;
use chasqui_events::{Envelope, RoomId, Seq, room::RoomEvent};

use super::{
    LoadError, RoomStore,
    cache::{Held, Slot},
};
use crate::{
    log::Stored,
    subject::{self, Lane},
};

/// How often a load reads on because a fact came live meanwhile.
const MOST_ROUNDS: u32 = 16;

impl RoomStore {
    /// Loads a room into its slot; whoever comes meanwhile waits for it. With `asked`, what is there already is
    /// good enough only if its reading began after that moment.
    pub(super) async fn load_into(
        &self,
        room: RoomId,
        slot: &Slot,
        asked: Option<Instant>,
    ) -> Result<Arc<VersionedRoom>, LoadError> {
        let _single = slot.loading.lock().await;
        let mut loaded = match slot.held(asked) {
            Held::Fresh(room) => return Ok(room),
            Held::Stale(room) => room,
            Held::Nothing => Arc::new(self.base(room).await?),
        };
        // As often as facts come live while it is read; what never comes to rest is given out without being kept.
        for _ in 0..MOST_ROUNDS {
            let (before, began) = (loaded.count, Instant::now());
            self.read_on(room, &mut loaded, |_| ()).await?;
            self.inner.snapshots.consider(room, before, &loaded);
            if let Some(newest) = slot.put(&loaded, began) {
                return Ok(newest);
            }
        }
        Ok(loaded)
    }

    /// The newest snapshot that the log confirms, or nothing.
    async fn base(&self, room: RoomId) -> Result<VersionedRoom, LoadError> {
        let Some((snapshot, fingerprint)) = self.inner.snapshots.get(room).await else {
            return Ok(VersionedRoom::default());
        };
        let subject = subject::room(room, Lane::State);
        let stream = subject::stream(room.partition());
        match self.inner.log.next(&stream, snapshot.seq, &subject).await? {
            Some(fact) if fact.seq == snapshot.seq && fact.fingerprint() == fingerprint => Ok(snapshot),
            _ => {
                tracing::warn!(room.id = %room, "a snapshot does not fit the log and is not used");
                Ok(VersionedRoom::default())
            }
        }
    }

    /// Folds what the log has after `loaded`, showing each fact to `look`. Copies the room only if there is any.
    pub(super) async fn read_on(
        &self,
        room: RoomId,
        loaded: &mut Arc<VersionedRoom>,
        mut look: impl FnMut(&Stored),
    ) -> Result<(), LoadError> {
        let subject = subject::room(room, Lane::State);
        let stream = subject::stream(room.partition());
        while let Some(fact) = self.inner.log.next(&stream, loaded.seq + 1, &subject).await? {
            fold(Arc::make_mut(loaded), &fact)?;
            look(&fact);
        }
        Ok(())
    }
}

pub(super) fn fold(room: &mut VersionedRoom, fact: &Stored) -> Result<(), LoadError> {
    let envelope: Envelope<RoomEvent> =
        fact.decode().map_err(|error| LoadError::Poison { seq: fact.seq, error: Arc::new(error) })?;
    advance(room, fact.seq, &envelope.event);
    Ok(())
}

pub(super) fn advance(room: &mut VersionedRoom, seq: Seq, event: &RoomEvent) {
    room.room.apply(event);
    room.seq = seq;
    room.count += 1;
}
