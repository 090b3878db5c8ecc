//! The port to where wrapped keys are kept.

use std::fmt;

use async_trait::async_trait;
use chasqui_events::{Seq, Timestamp};

use crate::{KeyRecord, Owner, OwnerKind};

/// A record, with what a later write of it must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The record.
    pub record: KeyRecord,
    /// Its revision.
    pub revision: Seq,
}

/// The store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The record exists, or has another revision than the named one.
    #[error("the keys were changed by somebody else")]
    Conflict,
    /// No answer, or none that can be understood. Trying again may help.
    #[error("the keys cannot be read or written now: {0}")]
    Unavailable(String),
}

/// Where wrapped keys are kept, with compare-and-set.
#[async_trait]
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// The record of an owner.
    async fn get(&self, owner: Owner) -> Result<Option<StoredRecord>, StoreError>;

    /// Writes the record of an owner, which must not exist (`None`) or must have this revision.
    async fn put(&self, owner: Owner, record: &KeyRecord, expected: Option<Seq>) -> Result<(), StoreError>;

    /// Overwrites what is stored of the owner's keys on the medium, then leaves a tombstone. May be repeated.
    async fn destroy(&self, owner: Owner, at: Timestamp) -> Result<(), StoreError>;

    /// Everybody who has or had keys.
    async fn owners(&self, kind: OwnerKind) -> Result<Vec<Owner>, StoreError>;
}
