//! Parked rooms: what could not be read, and what is held back because of it.
//!
//! Not a view of the log but the worker's own record. The facts that are held stay in the log; from `at` on they
//! are folded again by a program that can read them.

use std::fmt;

use bson::{Bson, Document, doc};
use chasqui_events::{RoomId, Seq, Timestamp};
use futures::TryStreamExt as _;

use super::Collection;
use crate::{
    ReadError, Store, Stream, Version,
    plan::{Write, Writes},
    stored::{self, Fields},
};

/// What is parked as one: facts of others flow on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregate {
    /// A room, all lanes.
    Room(RoomId),
    /// A subject of the stream `IDENT`.
    Subject(String),
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(room) => write!(f, "room {room}"),
            Self::Subject(subject) => write!(f, "subject {subject}"),
        }
    }
}

/// One parked room or subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// What is parked.
    pub aggregate: Aggregate,
    /// The first fact that is not applied: the one that cannot be read.
    pub at: Seq,
    /// Why it cannot be read.
    pub reason: String,
    /// When the fact was stored.
    pub since: Timestamp,
    /// How many facts after it are held.
    pub held: u64,
}

impl Parked {
    pub(crate) fn write(&self, stream: Stream, writes: &mut Writes) {
        let (kind, key) = match &self.aggregate {
            Aggregate::Room(room) => ("room", stored::room(*room)),
            Aggregate::Subject(subject) => ("subject", Bson::String(subject.clone())),
        };
        let document = doc! {
            "_id": id(&self.aggregate),
            "stream": stream.to_string(),
            kind: key,
            "at": stored::seq(self.at),
            "reason": &self.reason,
            "since": self.since.millis(),
            "held": stored::seq(self.held),
        };
        writes.push(Collection::Parked, id(&self.aggregate), Write::Put(document));
    }

    pub(crate) fn read(document: &Document) -> Result<Self, ReadError> {
        let fields = Fields::of(Collection::Parked.base(), document);
        let aggregate = if fields.has("room") {
            Aggregate::Room(fields.room("room")?)
        } else {
            Aggregate::Subject(fields.text("subject")?.to_owned())
        };
        Ok(Self {
            aggregate,
            at: fields.number("at")?,
            reason: fields.text("reason")?.to_owned(),
            since: fields.moment("since")?,
            held: fields.number("held")?,
        })
    }
}

/// Plans that the record goes.
pub(crate) fn remove(aggregate: &Aggregate, writes: &mut Writes) {
    writes.push(Collection::Parked, id(aggregate), Write::Remove);
}

fn id(aggregate: &Aggregate) -> Bson {
    match aggregate {
        Aggregate::Room(room) => stored::room(*room),
        Aggregate::Subject(subject) => Bson::String(subject.clone()),
    }
}

/// Everything of a stream that is parked.
pub async fn load(store: &Store, version: Version, stream: Stream) -> Result<Vec<Parked>, ReadError> {
    let collection = store.collection(&Collection::Parked.name(version));
    let cursor = collection.find(doc! { "stream": stream.to_string() }).await?;
    let documents: Vec<Document> = cursor.try_collect().await?;
    documents.iter().map(Parked::read).collect()
}
