//! Writing the views: one worker per stream and version, one transaction per batch.
//!
//! The first write of a transaction is the checkpoint, conditional on the worker's fencing epoch and on the
//! position that it began from. So a batch is there as a whole or not at all, twice the same batch is once, and a
//! worker that was replaced while it slept cannot write.

mod claim;
mod classify;
mod transaction;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::atomic::{AtomicI64, Ordering},
};

use bson::doc;
use chasqui_events::{Seq, Timestamp};
use mongodb::ClientSession;
use tokio::{sync::Mutex, try_join};

use crate::{
    Checkpoint, CommitError, ReadError, Store, Stream, Version,
    fold::{Loaded, Wants},
    plan::Plan,
    stored,
    view::{
        Collection,
        members::Members,
        parked::{self, Parked},
        rooms::Rooms,
        timeline::Timeline,
    },
};

/// A stream could not be claimed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The views were folded from another log: the stream was created anew since.
    #[error(
        "the log is not the one that was folded: that was created at {known}, this one at {found} (nanoseconds since \
         the Unix epoch). Restore the log, or drop the views and fold them anew"
    )]
    AnotherLog {
        /// When the stream that was folded was created.
        known: i64,
        /// When this one was.
        found: i64,
    },
    /// The claim that was to be renewed is not the last one any more.
    #[error("another worker has claimed the stream")]
    Fenced,
    /// The store does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Writes the projections of one stream in one version, as the owner of a claim.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    version: Version,
    stream: Stream,
    epoch: u64,
    beats: AtomicI64,
    /// The one session of all transactions of this claim. Whoever claims next ends it.
    session: Mutex<ClientSession>,
}

impl Writer {
    /// Claims a stream: from now on every other worker's writes to it fail. `incarnation` is when the stream was
    /// created. Gives where to go on from.
    ///
    /// With `renew`, the epoch of an own earlier claim, only if nobody else has claimed the stream since.
    pub async fn claim(
        store: &Store,
        version: Version,
        stream: Stream,
        incarnation: i64,
        now: Timestamp,
        renew: Option<u64>,
    ) -> Result<(Self, Checkpoint), ClaimError> {
        let now = u64::try_from(now.millis()).unwrap_or(0);
        let session = store.client().start_session().await.map_err(ReadError::from)?;
        let claim = claim::Claim { store, version, stream, incarnation, now, session: session.id() };
        loop {
            let known = claim.known().await?;
            if renew.is_some_and(|mine| known.as_ref().is_none_or(|known| known.checkpoint.epoch != mine)) {
                return Err(ClaimError::Fenced);
            }
            if let Some(claimed) = claim.after(known).await? {
                let (store, epoch) = (store.clone(), claimed.epoch);
                let (beats, session) = (AtomicI64::default(), Mutex::new(session));
                return Ok((Self { store, version, stream, epoch, beats, session }, claimed));
            }
        }
    }

    /// The fencing epoch of this claim.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What is parked of this stream.
    pub async fn parked(&self) -> Result<Vec<Parked>, ReadError> {
        parked::load(&self.store, self.version, self.stream).await
    }

    /// Loads what the fold wants to know, one query per kind.
    pub async fn load(&self, wants: &Wants) -> Result<Loaded, ReadError> {
        let (rooms, members, counts, ids) =
            try_join!(self.rooms(wants), self.members(wants), self.counts(wants), self.ids(wants))?;
        Ok(Loaded {
            rooms: rooms.rooms,
            members: members.members,
            counts: counts.counts,
            ids: ids.ids,
            ..Loaded::default()
        })
    }

    async fn rooms(&self, wants: &Wants) -> Result<Loaded, ReadError> {
        let mut loaded = Loaded::default();
        if !wants.rooms.is_empty() {
            let rooms = Rooms { store: &self.store, version: self.version };
            let mut found = rooms.by_ids(&wants.rooms).await?;
            loaded.rooms = wants.rooms.iter().map(|room| (*room, found.remove(room))).collect();
        }
        Ok(loaded)
    }

    async fn members(&self, wants: &Wants) -> Result<Loaded, ReadError> {
        let mut loaded = Loaded::default();
        if !wants.members.is_empty() {
            let members = Members { store: &self.store, version: self.version };
            loaded.members = members.states(&wants.members).await?;
        }
        Ok(loaded)
    }

    async fn counts(&self, wants: &Wants) -> Result<Loaded, ReadError> {
        let mut loaded = Loaded::default();
        if wants.counts.is_empty() {
            return Ok(loaded);
        }
        let timeline = Timeline { store: &self.store, version: self.version };
        for (room, seq, m) in timeline.counts_at(&wants.counts).await? {
            loaded.counts.insert((room, seq), m);
        }
        // The rest are places between entries.
        for (room, seq) in &wants.counts {
            if let Entry::Vacant(vacant) = loaded.counts.entry((*room, *seq)) {
                let rooms = Rooms { store: &self.store, version: self.version };
                let newest = rooms.by_id(*room).await?.map_or(0, |room| room.n);
                let (_, m) = timeline.numbers_at(*room, *seq, newest).await?;
                vacant.insert(m);
            }
        }
        Ok(loaded)
    }

    async fn ids(&self, wants: &Wants) -> Result<Loaded, ReadError> {
        let mut loaded = Loaded::default();
        let timeline = Timeline { store: &self.store, version: self.version };
        for (room, wanted) in &wants.ids {
            let ids: Vec<_> = wanted.iter().map(|(_, id)| *id).collect();
            let found: HashMap<_, _> = timeline
                .places_of(*room, &ids)
                .await?
                .into_iter()
                .map(|(user, id, seq)| ((user, id), seq))
                .collect();
            for (user, id) in wanted {
                loaded.ids.insert((*room, *user, *id), found.get(&(*user, *id)).copied());
            }
        }
        Ok(loaded)
    }

    /// Writes a batch and moves the checkpoint from `prev` to `to`, both or neither.
    pub async fn commit(&self, plan: &Plan, prev: Seq, to: &Checkpoint) -> Result<(), CommitError> {
        transaction::commit(self, plan, prev, to).await
    }

    /// Says that this worker is there, when there is nothing else to write.
    pub async fn beat(&self) -> Result<(), CommitError> {
        let beat = self.beats.fetch_add(1, Ordering::Relaxed);
        let result = self
            .checkpoints()
            .update_one(self.mine(), doc! { "$set": { "beat": beat } })
            .await
            .map_err(|error| classify::error(&error))?;
        if result.matched_count == 1 { Ok(()) } else { Err(CommitError::Fenced) }
    }

    fn mine(&self) -> bson::Document {
        doc! { "_id": self.stream.to_string(), "epoch": stored::seq(self.epoch) }
    }

    fn checkpoints(&self) -> mongodb::Collection<bson::Document> {
        self.store.collection(&Collection::Checkpoints.name(self.version))
    }
}

/// Whether the owner of a stream shows signs of life: two different values mean that it does.
pub async fn signs_of_life(
    store: &Store,
    version: Version,
    stream: Stream,
) -> Result<Option<(Checkpoint, i64)>, ReadError> {
    let collection = store.collection(&Collection::Checkpoints.name(version));
    let found = collection.find_one(doc! { "_id": stream.to_string() }).await?;
    found.map(|found| Ok((Checkpoint::read(&found)?, claim::beat(&found)?))).transpose()
}
