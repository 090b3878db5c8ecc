//! What a batch comes to: the writes of every view, what to tell Redis, whom to notify.

use std::collections::BTreeMap;

use bson::{Bson, Document};
use chasqui_events::{RoomId, Seq, UserId};

use crate::{Notice, RoomHeads, StoredItem, view::Collection};

/// One write of one document. Values are set, never incremented, so that a write may be done twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A document that must be new, `_id` included.
    Insert(Document),
    /// A whole document, made or replaced, `_id` included.
    Put(Document),
    /// Some fields of a document.
    Change {
        /// Fields to set.
        set: Document,
        /// Fields that take the greater of the old and this value.
        raise: Document,
        /// Fields to set only when this makes the document.
        first: Document,
        /// Whether to make the document when it is not there; otherwise nothing is done.
        create: bool,
    },
    /// No document any more.
    Remove,
}

/// The writes of a batch, by collection, in the order in which they must be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes(BTreeMap<Collection, Vec<(Bson, Write)>>);

impl Writes {
    /// Plans a write of the document with this `_id`.
    pub fn push(&mut self, collection: Collection, id: Bson, write: Write) {
        self.0.entry(collection).or_default().push((id, write));
    }

    /// All writes by collection.
    pub fn iter(&self) -> impl Iterator<Item = (Collection, &[(Bson, Write)])> {
        self.0.iter().map(|(collection, writes)| (*collection, writes.as_slice()))
    }

    /// How many documents are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a batch did to one room, for the hot set.
#[derive(Clone, Debug, PartialEq)]
pub struct HotRoom {
    /// The room.
    pub room: RoomId,
    /// The heads of its lanes.
    pub heads: RoomHeads,
    /// The timeline entry before the first of `items`, 0 for none.
    pub prev: Seq,
    /// The new timeline entries, in order.
    pub items: Vec<StoredItem>,
}

/// How the facts of a batch fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Applied to the views.
    pub applied: usize,
    /// Void: they do not stand.
    pub void: usize,
    /// Not readable: each parks its room.
    pub poison: usize,
    /// Held back, because their room is parked.
    pub held: usize,
}

/// A folded batch, ready to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The documents.
    pub writes: Writes,
    /// The rooms that moved.
    pub hot: Vec<HotRoom>,
    /// Whom to tell what, after the commit.
    pub notices: Vec<(UserId, Notice)>,
    /// How the facts fared.
    pub tally: Tally,
}
