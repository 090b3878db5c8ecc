//! A copy of the keys, apart from copies of the data. It holds wrapped keys only, and the ledger of erasures of its time.
//!
//! A restore replays the ledgers first, that of the copy and that of today: whoever was erased stays erased, whatever the
//! copy holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chasqui_events::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Epoch, KeyRecord, KeyStore, Owner, OwnerKind, StoreError, StoredRecord};

/// A copy of the keys of all owners: a JSON document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The shape of this document: 1.
    pub version: u32,
    /// When it was begun.
    pub made_at: Timestamp,
    /// The records, by `room.<id>` and `user.<id>`.
    pub keys: BTreeMap<String, KeyRecord>,
    /// The ledger of erasures: its entries as they were, by the same words.
    pub erased: BTreeMap<String, serde_json::Value>,
}

/// A copy is not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A newer program wrote it.
    #[error("a newer program wrote it (version {0})")]
    Version(u32),
    /// It is older than copies may become.
    #[error("it is {age} days old, and copies of keys are good for {most} days (crypto.backup_days)")]
    TooOld {
        /// In whole days.
        age: u64,
        /// What is allowed.
        most: u64,
    },
    /// It says that it was made later than now.
    #[error("it says that it was made in the future: set the clock right")]
    FromTheFuture,
}

/// What a restore did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Owners whose keys, or some of them, were put back.
    pub restored: u64,
    /// Owners who had all of them.
    pub untouched: u64,
    /// Owners whose keys stay or were destroyed.
    pub erased: u64,
    /// Owners for whom another key was made under the number of one in the copy, after that one was lost. Theirs were left
    /// as they are.
    pub conflicting: u64,
}

/// The version that this program writes and reads.
const VERSION: u32 = 1;
const DAY: Duration = Duration::from_hours(24);

impl Backup {
    /// A copy with nothing in it yet.
    #[must_use]
    pub const fn new(made_at: Timestamp) -> Self {
        Self { version: VERSION, made_at, keys: BTreeMap::new(), erased: BTreeMap::new() }
    }

    /// Whether it may be restored at this moment, when copies are good for `days`.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn check(&self, now: Timestamp, days: u32) -> Result<(), Unfit> {
        if self.version != VERSION {
            return Err(Unfit::Version(self.version));
        }
        let age = u64::try_from(now.since(self.made_at)).map_err(|_| Unfit::FromTheFuture)?;
        let (age, most) = (Duration::from_millis(age), DAY.saturating_mul(days));
        if age > most {
            return Err(Unfit::TooOld { age: age.as_secs() / DAY.as_secs(), most: u64::from(days) });
        }
        Ok(())
    }

    /// Adds the records of all owners of a kind.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn add(&mut self, store: &dyn KeyStore, kind: OwnerKind) -> Result<(), StoreError> {
        for owner in store.owners(kind).await? {
            if let Some(stored) = store.get(owner).await? {
                self.keys.insert(owner.to_string(), stored.record);
            }
        }
        Ok(())
    }

    /// Puts back what a store does not have of the owners of a kind. First, who was erased by this copy's ledger or by
    /// that of today (`erased`) is erased again.
    ///
    /// # Errors
    /// When the store does not answer; it may be done again.
    pub async fn restore(
        &self,
        store: &dyn KeyStore,
        kind: OwnerKind,
        erased: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Restored, StoreError> {
        let of_kind = |name: &String| Owner::parse(name).filter(|owner| owner.kind() == kind);
        let gone: BTreeSet<Owner> = self.erased.keys().chain(erased).filter_map(of_kind).collect();
        let mut done = Restored::default();
        for owner in &gone {
            store.destroy(*owner, now).await?;
            done.erased += 1;
        }
        for (name, record) in &self.keys {
            let Some(owner) = of_kind(name).filter(|owner| !gone.contains(owner)) else { continue };
            let counted = match restore_one(store, owner, record, now).await? {
                Outcome::Restored => &mut done.restored,
                Outcome::Untouched => &mut done.untouched,
                Outcome::Erased => &mut done.erased,
                Outcome::Conflicting => &mut done.conflicting,
            };
            *counted += 1;
        }
        Ok(done)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Restored,
    Untouched,
    Erased,
    Conflicting,
}

async fn restore_one(
    store: &dyn KeyStore,
    owner: Owner,
    record: &KeyRecord,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let KeyRecord::Epochs(kept) = record else {
        store.destroy(owner, now).await?;
        return Ok(Outcome::Erased);
    };
    loop {
        let (there, expected) = match store.get(owner).await? {
            None => (Vec::new(), None),
            Some(StoredRecord { record: KeyRecord::Destroyed { .. }, .. }) => return Ok(Outcome::Erased),
            Some(StoredRecord { record: KeyRecord::Epochs(epochs), revision }) => (epochs, Some(revision)),
        };
        let epochs = match merged(there, kept) {
            Ok(epochs) => epochs,
            Err(outcome) => return Ok(outcome),
        };
        match store.put(owner, &KeyRecord::Epochs(epochs), expected).await {
            Ok(()) => return Ok(Outcome::Restored),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is there with what is missing; an error when nothing is, or when two keys have one number. The same key has the
/// same age, however often it was wrapped anew.
fn merged(there: Vec<Epoch>, kept: &[Epoch]) -> Result<Vec<Epoch>, Outcome> {
    let mut epochs: BTreeMap<u32, Epoch> = there.into_iter().map(|epoch| (epoch.n, epoch)).collect();
    let before = epochs.len();
    for epoch in kept {
        let same = epochs.entry(epoch.n).or_insert_with(|| epoch.clone());
        if same.created_at != epoch.created_at {
            return Err(Outcome::Conflicting);
        }
    }
    if epochs.len() == before { Err(Outcome::Untouched) } else { Ok(epochs.into_values().collect()) }
}
