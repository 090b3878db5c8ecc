//! What an operator does with versions of the views: list, rebuild, switch, drop.

use std::{collections::BTreeMap, time::Duration};

use chasqui_bus::{ApiError, Bus, Log, consumer::PartitionConsumer};
use chasqui_events::Seq;
use chasqui_read_model::{
    Checkpoint, CommitError, ReadError, Store, Stream, Version,
    hot::Hot,
    version::Pointer,
    view::{self, Collection, parked},
};

pub use chasqui_read_model::view::content_hash;

use crate::worker::consumer_name;

/// An operation on versions was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// There is no such version.
    #[error("there is no version {0} of the views; `list` shows which there are")]
    NoSuchVersion(Version),
    /// The version is the one that is read.
    #[error("{0} is the version that is read; switch to another one first")]
    IsActive(Version),
    /// The version is not as far as the one that is read.
    #[error(
        "{version} is {behind} facts behind the version that is read, on stream {stream}; wait, or force the switch"
    )]
    Behind {
        /// The version to switch to.
        version: Version,
        /// The first stream on which it is behind.
        stream: Stream,
        /// By how many facts.
        behind: u64,
    },
    /// Somebody else changed the versions meanwhile.
    #[error("somebody else changed the versions meanwhile; look at the list and try again")]
    Changed,
    /// The store does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] CommitError),
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] ApiError),
}

/// A version of the views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionReport {
    /// Which.
    pub version: Version,
    /// It is the one that is read.
    pub active: bool,
    /// How far it is, by stream.
    pub streams: Vec<StreamReport>,
    /// How many documents it has, roughly, by collection.
    pub documents: Vec<(&'static str, u64)>,
}

/// One stream of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// Which.
    pub stream: Stream,
    /// The checkpoint.
    pub position: Seq,
    /// The last fact in the log.
    pub head: Seq,
    /// Rooms and subjects that are parked.
    pub parked: Vec<parked::Parked>,
}

impl StreamReport {
    /// How many facts are not projected yet.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        self.head.saturating_sub(self.position)
    }
}

/// Every version with its progress. `log` may be of any role that may ask for the state of streams.
pub async fn list(store: &Store, log: &Log, partitions: u16) -> Result<Vec<VersionReport>, AdminError> {
    let Some(pointer) = Pointer::load(store).await? else { return Ok(vec![]) };
    let mut heads = BTreeMap::new();
    for stream in Stream::all(partitions) {
        heads.insert(stream, log.head(&stream.to_string()).await?.last_seq);
    }
    let mut reports = vec![];
    for version in &pointer.versions {
        reports.push(report(store, *version, *version == pointer.active, &heads).await?);
    }
    Ok(reports)
}

async fn report(
    store: &Store,
    version: Version,
    active: bool,
    heads: &BTreeMap<Stream, Seq>,
) -> Result<VersionReport, AdminError> {
    let mut streams = vec![];
    for (stream, head) in heads {
        let checkpoint = Checkpoint::load(store, version, *stream).await?.unwrap_or_default();
        let parked = parked::load(store, version, *stream).await?;
        streams.push(StreamReport { stream: *stream, position: checkpoint.pos, head: *head, parked });
    }
    let mut documents = vec![];
    for collection in Collection::CONTENT {
        documents.push((collection.base(), view::documents(store, version, collection).await?));
    }
    Ok(VersionReport { version, active, streams, documents })
}

/// Begins to fold the whole log into a new version beside the others. The running projectors take it up within
/// their `versions_poll_ms`.
pub async fn rebuild(store: &Store) -> Result<Version, AdminError> {
    let pointer = Pointer::load_or_begin(store).await?;
    let version = pointer.versions.iter().max().copied().unwrap_or(Version::FIRST).next();
    let mut next = pointer.clone();
    next.versions.push(version);
    replace(store, &pointer, &next).await?;
    Ok(version)
}

/// Makes a version the one that is read; readers follow within a second. Refuses while it is behind the one that
/// is read now, unless `force`d: then answers may go back in time.
pub async fn switch(store: &Store, to: Version, force: bool) -> Result<(), AdminError> {
    let pointer = Pointer::load(store).await?.ok_or(AdminError::NoSuchVersion(to))?;
    if !pointer.versions.contains(&to) {
        return Err(AdminError::NoSuchVersion(to));
    }
    if !force {
        for (stream, checkpoint) in Checkpoint::load_all(store, pointer.active).await? {
            let position = Checkpoint::load(store, to, stream).await?.map_or(0, |checkpoint| checkpoint.pos);
            if position < checkpoint.pos {
                let behind = checkpoint.pos - position;
                return Err(AdminError::Behind { version: to, stream, behind });
            }
        }
    }
    replace(store, &pointer, &Pointer { active: to, ..pointer.clone() }).await
}

/// Removes a version that is not read, with all that it holds. `bus` may be of the role `admin` or `projector`.
pub async fn drop(store: &Store, hot: &Hot, bus: &Bus, version: Version) -> Result<(), AdminError> {
    let pointer = Pointer::load(store).await?.ok_or(AdminError::NoSuchVersion(version))?;
    if pointer.active == version {
        return Err(AdminError::IsActive(version));
    }
    if !pointer.versions.contains(&version) {
        return Err(AdminError::NoSuchVersion(version));
    }
    let mut next = pointer.clone();
    next.versions.retain(|other| *other != version);
    replace(store, &pointer, &next).await?;
    // Somebody may have switched away from it just now; by then every reader has noticed.
    tokio::time::sleep(READERS_FOLLOW).await;
    let streams: Vec<Stream> =
        Checkpoint::load_all(store, version).await?.into_iter().map(|(stream, _)| stream).collect();
    // The checkpoints go first: without them no worker can write.
    view::drop_version(store, version).await?;
    for stream in streams {
        PartitionConsumer::delete(bus, &stream.to_string(), &consumer_name(version)).await?;
        if let Err(error) = hot.forget(version, stream).await {
            tracing::debug!(%error, "the hot set of the dropped version stays until it expires");
        }
    }
    Ok(())
}

/// Longer than any reader uses an old pointer.
const READERS_FOLLOW: Duration = Duration::from_secs(4);

async fn replace(store: &Store, pointer: &Pointer, next: &Pointer) -> Result<(), AdminError> {
    if pointer.replace(store, next).await? { Ok(()) } else { Err(AdminError::Changed) }
}
