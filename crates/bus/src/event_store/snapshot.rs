//! Snapshots of rooms in the bucket `SNAPSHOTS`: they make loading short, and nothing else depends on them.

use std::sync::Arc;

use chasqui_domain::room::VersionedRoom;
use chasqui_events::RoomId;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::{kv::Bucket, log::Log, subject};

/// The shape of what is written. Another one is ignored on reading: the log has everything.
const FORMAT: u32 = 1;

/// The most snapshots being written at a time; while there are so many, further ones are left out.
const WRITERS: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct Snapshots {
    log: Log,
    bucket: Bucket,
    every: u64,
    writers: Arc<Semaphore>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    /// Of the fact at the snapshot's sequence, so that a snapshot of another log is noticed.
    fingerprint: u64,
    room: VersionedRoom,
}

impl Snapshots {
    pub(super) fn new(log: Log, bucket: Bucket, every: u64) -> Self {
        Self { log, bucket, every, writers: Arc::new(Semaphore::new(WRITERS)) }
    }

    /// The newest snapshot and the fingerprint of the fact that it ends with. A bucket that does not answer is as
    /// good as an empty one.
    pub(super) async fn get(&self, room: RoomId) -> Option<(VersionedRoom, u64)> {
        if self.every == 0 {
            return None;
        }
        let entry = match self.bucket.get(&room.to_string()).await {
            Ok(entry) => entry?,
            Err(error) => {
                tracing::warn!(room.id = %room, %error, "the snapshot of a room cannot be read");
                return None;
            }
        };
        let written: Written = serde_json::from_slice(&entry.value).ok()?;
        (written.format == FORMAT).then_some((written.room, written.fingerprint))
    }

    /// Writes a snapshot in the background if the room has passed a multiple of `every` facts.
    pub(super) fn consider(&self, room: RoomId, count_before: u64, now: &Arc<VersionedRoom>) {
        let passed = |count: u64| count.checked_div(self.every);
        if passed(count_before) == passed(now.count) {
            return;
        }
        let Ok(permit) = Arc::clone(&self.writers).try_acquire_owned() else { return };
        let (this, now) = (self.clone(), Arc::clone(now));
        tokio::spawn(async move {
            if let Err(error) = this.write(room, &now).await {
                tracing::warn!(room.id = %room, %error, "the snapshot of a room cannot be written");
            }
            drop(permit);
        });
    }

    async fn write(
        &self,
        room: RoomId,
        now: &VersionedRoom,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let stream = subject::stream(room.partition());
        let fact = self.log.get(&stream, now.seq).await?.ok_or("its last fact is gone from the log")?;
        let written = Written { format: FORMAT, fingerprint: fact.fingerprint(), room: now.clone() };
        self.bucket.put(&room.to_string(), serde_json::to_vec(&written)?.into()).await?;
        Ok(())
    }
}
