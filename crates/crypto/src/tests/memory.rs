//! The store's port over memory.

use std::collections::HashMap;

use async_trait::async_trait;
use chasqui_events::{Seq, Timestamp};
use parking_lot::Mutex;

use crate::{KeyRecord, KeyStore, Owner, OwnerKind, StoreError, StoredRecord};

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    records: HashMap<Owner, (Vec<u8>, Seq)>,
    last: Seq,
    down: bool,
}

impl Memory {
    pub(super) fn set_down(&self, down: bool) {
        self.0.lock().down = down;
    }

    pub(super) fn lose(&self, owner: Owner) {
        self.0.lock().records.remove(&owner);
    }

    pub(super) fn holds_keys_of(&self, owner: Owner) -> bool {
        let state = self.0.lock();
        let record = KeyRecord::decode(&state.records[&owner].0).unwrap();
        matches!(record, KeyRecord::Epochs(_))
    }

    fn up(&self) -> Result<parking_lot::MutexGuard<'_, State>, StoreError> {
        let state = self.0.lock();
        if state.down { Err(StoreError::Unavailable("it is down".to_owned())) } else { Ok(state) }
    }
}

#[async_trait]
impl KeyStore for Memory {
    async fn get(&self, owner: Owner) -> Result<Option<StoredRecord>, StoreError> {
        let state = self.up()?;
        Ok(state.records.get(&owner).map(|(bytes, revision)| StoredRecord {
            record: KeyRecord::decode(bytes).unwrap(),
            revision: *revision,
        }))
    }

    async fn put(&self, owner: Owner, record: &KeyRecord, expected: Option<Seq>) -> Result<(), StoreError> {
        let mut state = self.up()?;
        if state.records.get(&owner).map(|(_, revision)| *revision) != expected {
            return Err(StoreError::Conflict);
        }
        state.last += 1;
        let entry = (record.encode(), state.last);
        state.records.insert(owner, entry);
        Ok(())
    }

    async fn destroy(&self, owner: Owner, at: Timestamp) -> Result<(), StoreError> {
        let mut state = self.up()?;
        state.last += 1;
        let entry = (KeyRecord::Destroyed { at }.encode(), state.last);
        state.records.insert(owner, entry);
        Ok(())
    }

    async fn owners(&self, kind: OwnerKind) -> Result<Vec<Owner>, StoreError> {
        let state = self.up()?;
        Ok(state.records.keys().copied().filter(|owner| owner.kind() == kind).collect())
    }
}
