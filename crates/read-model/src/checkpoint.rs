//! How far a stream has been projected.

use bson::{Document, doc};
use chasqui_events::Seq;
use futures::TryStreamExt as _;

use crate::{
    ReadError, Store, Stream, Version,
    stored::{self, Fields},
    view::Collection,
};

/// The truth about a projection's progress; it lies in the same transaction as the documents that it speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Everything up to this sequence has been consumed: applied, void, or held with its parked room.
    pub pos: Seq,
    /// The fencing epoch of the worker that owns the stream. It rises with every claim, and begins at the time
    /// (milliseconds since the Unix epoch), so that it rises over a dropped database, too.
    pub epoch: u64,
    /// When the stream was created (nanoseconds since the Unix epoch): tells a recreated log.
    pub incarnation: i64,
    /// The fingerprint of the fact at `pos`, 0 for none: tells a log that was cut off and grew again.
    pub fingerprint: u64,
}

impl Checkpoint {
    /// Reads a stream's checkpoint; `None` before its first claim.
    pub async fn load(store: &Store, version: Version, stream: Stream) -> Result<Option<Self>, ReadError> {
        let collection = store.collection(&Collection::Checkpoints.name(version));
        let found = collection.find_one(doc! { "_id": stream.to_string() }).await?;
        found.as_ref().map(Self::read).transpose()
    }

    /// Reads the checkpoints of all streams.
    pub async fn load_all(store: &Store, version: Version) -> Result<Vec<(Stream, Self)>, ReadError> {
        let collection = store.collection(&Collection::Checkpoints.name(version));
        let documents: Vec<Document> = collection.find(doc! {}).await?.try_collect().await?;
        documents
            .iter()
            .map(|document| {
                let fields = Fields::of("checkpoints", document);
                let stream = fields.text("_id")?.parse().map_err(|_| fields.wrong("_id"))?;
                Ok((stream, Self::read(document)?))
            })
            .collect()
    }

    pub(crate) fn read(document: &Document) -> Result<Self, ReadError> {
        let fields = Fields::of("checkpoints", document);
        Ok(Self {
            pos: fields.number("pos")?,
            epoch: fields.number("epoch")?,
            incarnation: fields.signed("incarnation")?,
            fingerprint: fields.signed("fingerprint")?.cast_unsigned(),
        })
    }

    pub(crate) fn fields(&self) -> Document {
        doc! {
            "pos": stored::seq(self.pos),
            "epoch": stored::seq(self.epoch),
            "incarnation": self.incarnation,
            "fingerprint": self.fingerprint.cast_signed(),
        }
    }
}
