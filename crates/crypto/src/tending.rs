//! What is done to keys while everything runs: wrapped anew when the key-encryption key has changed, replaced when they
//! are old, counted for whoever looks after them.

use std::collections::BTreeMap;

use chasqui_events::Timestamp;

use crate::{Epoch, KeyError, KeyRecord, Keyring, Owner, OwnerKind, StoreError};

/// How many keys there are, and by which key-encryption key they are wrapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// By the id of the key-encryption key.
    pub keys: BTreeMap<String, Share>,
    /// Owners whose keys were destroyed.
    pub destroyed: u64,
}

/// The keys that one key-encryption key wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many, all epochs counted.
    pub keys: u64,
    /// When the oldest of them was made.
    pub oldest: Timestamp,
}

/// What was done to keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Owners whose keys were wrapped anew.
    pub rewrapped: u64,
    /// Owners who got a new key.
    pub rotated: u64,
    /// Owners to whose keys something was to be done that could not be done now, and why.
    pub failed: Vec<KeyError>,
}

impl Keyring {
    /// Counts the keys of all owners of a kind.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn census(&self, kind: OwnerKind) -> Result<Census, StoreError> {
        let mut census = Census::default();
        for owner in self.store().owners(kind).await? {
            match self.store().get(owner).await?.map(|stored| stored.record) {
                Some(KeyRecord::Epochs(epochs)) => {
                    for Epoch { created_at, key, .. } in epochs {
                        let none = Share { keys: 0, oldest: created_at };
                        let share = census.keys.entry(key.kek).or_insert(none);
                        share.keys += 1;
                        share.oldest = share.oldest.min(created_at);
                    }
                }
                Some(KeyRecord::Destroyed { .. }) => census.destroyed += 1,
                None => {}
            }
        }
        Ok(census)
    }

    /// Unwraps the keys of all owners of a kind, whatever is at hand, and tells of those where that fails. One question
    /// to the key-encryption key for each of them.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn broken(&self, kind: OwnerKind) -> Result<Vec<KeyError>, StoreError> {
        let mut broken = Vec::new();
        for owner in self.store().owners(kind).await? {
            match self.look_up(owner).await {
                Ok(_) | Err(KeyError::Absent(_)) => {}
                Err(error @ KeyError::Unavailable(..)) => broken.push(error),
            }
        }
        Ok(broken)
    }

    /// Wraps keys anew that another key-encryption key wrapped than the current one, and makes new ones beside those
    /// that were made before `older_than`.
    ///
    /// # Errors
    /// When the store does not answer. What cannot be done to one owner's keys keeps no other from it.
    pub async fn tend(
        &self,
        kind: OwnerKind,
        older_than: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Tended, StoreError> {
        let mut tended = Tended::default();
        for owner in self.store().owners(kind).await? {
            match self.rewrap(owner).await {
                Ok(done) => tended.rewrapped += u64::from(done),
                Err(KeyError::Absent(_)) => continue,
                Err(error) => {
                    tended.failed.push(error);
                    continue;
                }
            }
            let Some(older_than) = older_than else { continue };
            match self.rotate(owner, older_than, now).await {
                Ok(done) => tended.rotated += u64::from(done),
                Err(error) => tended.failed.push(error),
            }
        }
        Ok(tended)
    }

    /// Makes a new key for an owner whose newest one was made before `older_than`. False when it is younger, or there is
    /// none any more.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn rotate(
        &self,
        owner: Owner,
        older_than: Timestamp,
        now: Timestamp,
    ) -> Result<bool, KeyError> {
        let KeyRecord::Epochs(epochs) = self.stored(owner).await?.record else { return Ok(false) };
        let Some(newest) = epochs.last().filter(|newest| newest.created_at < older_than) else {
            return Ok(false);
        };
        self.advance(owner, newest.n, now).await.map(|_| true)
    }
}
