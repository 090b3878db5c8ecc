//! The views: one file each, with its document, its fold, its indexes and its queries.
//!
//! Every view names every event, so that adding one makes the compiler ask what it means there.

pub mod audit;
pub mod directs;
mod hash;
pub mod members;
pub mod parked;
pub mod rooms;
pub mod sessions;
pub mod timeline;
pub mod users;

use bson::{Document, doc};
use chasqui_events::{CommandId, Envelope, Fact, RoomId, Seq, Timestamp, UserId};

pub use hash::content_hash;

use crate::{CommitError, ReadError, Store, Version};

/// Where a view, or the bookkeeping beside it, is kept.
///
/// The order is the order of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// One document per stream: how far it has been projected.
    Checkpoints,
    /// [`timeline`].
    Timeline,
    /// [`rooms`].
    Rooms,
    /// [`members`].
    Members,
    /// [`users`].
    Users,
    /// Which user has a name; part of [`users`].
    Names,
    /// [`sessions`].
    Sessions,
    /// [`directs`].
    Directs,
    /// [`audit`].
    Audit,
    /// [`parked`].
    Parked,
}

impl Collection {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Checkpoints,
        Self::Timeline,
        Self::Rooms,
        Self::Members,
        Self::Users,
        Self::Names,
        Self::Sessions,
        Self::Directs,
        Self::Audit,
        Self::Parked,
    ];

    /// Those that hold what the log comes to, without the bookkeeping.
    pub const CONTENT: [Self; 8] = [
        Self::Timeline,
        Self::Rooms,
        Self::Members,
        Self::Users,
        Self::Names,
        Self::Sessions,
        Self::Directs,
        Self::Audit,
    ];

    /// The name without its version.
    #[must_use]
    pub const fn base(self) -> &'static str {
        match self {
            Self::Checkpoints => "checkpoints",
            Self::Timeline => "timeline",
            Self::Rooms => "rooms",
            Self::Members => "members",
            Self::Users => "users",
            Self::Names => "names",
            Self::Sessions => "sessions",
            Self::Directs => "directs",
            Self::Audit => "audit",
            Self::Parked => "parked",
        }
    }

    /// The name in the database.
    #[must_use]
    pub fn name(self, version: Version) -> String {
        format!("{version}_{}", self.base())
    }

    fn indexes(self) -> Vec<Document> {
        match self {
            Self::Timeline => timeline::indexes(),
            Self::Rooms => rooms::indexes(),
            Self::Members => members::indexes(),
            Self::Users | Self::Names => users::indexes(),
            Self::Sessions => sessions::indexes(),
            Self::Directs => directs::indexes(),
            Self::Audit => audit::indexes(),
            Self::Checkpoints | Self::Parked => vec![],
        }
    }
}

/// Makes the collections and indexes of a version where they are missing.
pub async fn prepare(store: &Store, version: Version) -> Result<(), CommitError> {
    let existing = store.database().list_collection_names().await.map_err(refused)?;
    for collection in Collection::ALL {
        let name = collection.name(version);
        if !existing.contains(&name) {
            match store.database().create_collection(&name).await {
                Err(error) if !is_exists(&error) => return Err(refused(error)),
                _ => {}
            }
        }
        let indexes = collection.indexes();
        if !indexes.is_empty() {
            let command = doc! { "createIndexes": &name, "indexes": indexes };
            store.database().run_command(command).await.map_err(refused)?;
        }
    }
    Ok(())
}

/// Removes everything of a version.
pub async fn drop_version(store: &Store, version: Version) -> Result<(), CommitError> {
    for collection in Collection::ALL {
        store.collection(&collection.name(version)).drop().await.map_err(refused)?;
    }
    Ok(())
}

/// How many documents a collection has, roughly: from its statistics.
pub async fn documents(store: &Store, version: Version, collection: Collection) -> Result<u64, ReadError> {
    Ok(store.collection(&collection.name(version)).estimated_document_count().await?)
}

fn refused(error: mongodb::error::Error) -> CommitError {
    ReadError::from(error).into()
}

fn is_exists(error: &mongodb::error::Error) -> bool {
    const NAMESPACE_EXISTS: i32 = 48;
    matches!(&*error.kind, mongodb::error::ErrorKind::Command(command) if command.code == NAMESPACE_EXISTS)
}

/// A fact that stands, as the views of rooms see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) room: RoomId,
    pub(crate) seq: Seq,
    pub(crate) envelope: &'a Envelope<Fact>,
}

impl Entry<'_> {
    pub(crate) const fn at(&self) -> Timestamp {
        self.envelope.at
    }

    pub(crate) const fn by(&self) -> UserId {
        self.envelope.by
    }

    pub(crate) const fn id(&self) -> CommandId {
        self.envelope.id
    }
}
