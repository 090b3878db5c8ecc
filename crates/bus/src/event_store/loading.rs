//! From snapshot and tail to a room.

use std::sync::Arc;

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

impl RoomStore {
    /// Loads a room into its slot; whoever comes meanwhile waits for it.
    pub(super) async fn load_into(&self, room: RoomId, slot: &Slot) -> Result<Arc<VersionedRoom>, LoadError> {
        let _single = slot.loading.lock().await;
        let mut loaded = match slot.held() {
            Held::Fresh(room) => return Ok(room),
            Held::Stale(room) => VersionedRoom::clone(&room),
            Held::Nothing => self.base(room).await?,
        };
        loop {
            let before = loaded.count;
            self.read_on(room, &mut loaded, |_| ()).await?;
            let current = Arc::new(loaded);
            self.inner.snapshots.consider(room, before, &current);
            if slot.put(&current) {
                return Ok(current);
            }
            loaded = Arc::unwrap_or_clone(current);
        }
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

    /// Folds what the log has after `loaded`, showing each fact to `look`.
    pub(super) async fn read_on(
        &self,
        room: RoomId,
        loaded: &mut VersionedRoom,
        mut look: impl FnMut(&Stored),
    ) -> Result<(), LoadError> {
        let subject = subject::room(room, Lane::State);
        let stream = subject::stream(room.partition());
        while let Some(fact) = self.inner.log.next(&stream, loaded.seq + 1, &subject).await? {
            fold(loaded, &fact)?;
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
