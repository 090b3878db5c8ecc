//! Where wrapped keys are kept: the buckets `ROOM_KEYS` and `USER_KEYS`, as the port of `chasqui-crypto` wants them.
//!
//! Their streams allow what no other bucket does: that a single value is deleted, so that a key that is destroyed is
//! overwritten on the server's medium and not merely passed over.

use async_trait::async_trait;
use chasqui_crypto::{KeyRecord, KeyStore, Owner, OwnerKind, StoreError, StoredRecord};
use chasqui_events::{Seq, Timestamp};

use crate::{
    Bus,
    kv::{Bucket, KvError, Name},
};

/// The two buckets. What a role may do there is its NATS user's permissions.
#[derive(Clone, Debug)]
pub struct KeyBuckets {
    rooms: Bucket,
    users: Bucket,
}

impl KeyBuckets {
    /// The buckets; they must exist. Asks nothing.
    #[must_use]
    pub fn open(bus: Bus) -> Self {
        Self { rooms: Bucket::open(bus.clone(), Name::RoomKeys), users: Bucket::open(bus, Name::UserKeys) }
    }

    const fn bucket(&self, kind: OwnerKind) -> &Bucket {
        match kind {
            OwnerKind::Room => &self.rooms,
            OwnerKind::User => &self.users,
        }
    }
}

#[async_trait]
impl KeyStore for KeyBuckets {
    async fn get(&self, owner: Owner) -> Result<Option<StoredRecord>, StoreError> {
        let entry = self.bucket(owner.kind()).get(&owner.id().to_string()).await.map_err(failed)?;
        let Some(entry) = entry else { return Ok(None) };
        let record = KeyRecord::decode(&entry.value)
            .map_err(|error| StoreError::Unavailable(format!("revision {}: {error}", entry.revision)))?;
        Ok(Some(StoredRecord { record, revision: entry.revision }))
    }

    async fn put(&self, owner: Owner, record: &KeyRecord, expected: Option<Seq>) -> Result<(), StoreError> {
        let (bucket, key, value) =
            (self.bucket(owner.kind()), owner.id().to_string(), record.encode().into());
        let written = match expected {
            None => bucket.create(&key, value).await,
            Some(revision) => bucket.update(&key, value, revision).await,
        };
        written.map(drop).map_err(failed)
    }

    async fn destroy(&self, owner: Owner, at: Timestamp) -> Result<(), StoreError> {
        if let Some(StoredRecord { record: KeyRecord::Destroyed { .. }, .. }) = self.get(owner).await? {
            return Ok(());
        }
        let (bucket, key) = (self.bucket(owner.kind()), owner.id().to_string());
        loop {
            match bucket.erase(&key).await {
                // Somebody made another key meanwhile: that one goes, too.
                Err(KvError::Conflict) => {}
                other => break other.map_err(failed)?,
            }
        }
        let tombstone = KeyRecord::Destroyed { at }.encode();
        bucket.put(&key, tombstone.into()).await.map(drop).map_err(failed)
    }

    async fn owners(&self, kind: OwnerKind) -> Result<Vec<Owner>, StoreError> {
        let keys = self.bucket(kind).key_names().await.map_err(failed)?;
        Ok(keys.iter().filter_map(|key| kind.owner(key)).collect())
    }
}

fn failed(error: KvError) -> StoreError {
    match error {
        KvError::Conflict => StoreError::Conflict,
        other @ (KvError::InvalidKey(_) | KvError::Unavailable(_) | KvError::Refused(_)) => {
            StoreError::Unavailable(other.to_string())
        }
    }
}
