//! Entries of timelines as the projections hold them: what is sealed stays sealed.

use std::ops::Deref;

use chasqui_events::{Sealed, Seq, Text};
use chasqui_protocol::{Happening, Item};
use serde::{Deserialize, Serialize};

/// An entry of a timeline. Whoever has the keys opens it; everybody else reads what stands outside the seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredItem {
    /// The entry; the body of a sealed message is empty in it.
    pub item: Item,
    /// What was said, when the entry is a message that is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
}

/// A page of a room's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHistory {
    /// In log order.
    pub items: Vec<StoredItem>,
    /// There are older ones before the first.
    pub older: bool,
    /// There are newer ones after the last.
    pub newer: bool,
    /// Nothing of the room is applied from here on.
    pub held_at: Option<Seq>,
}

impl StoredItem {
    /// An entry with nothing sealed.
    #[must_use]
    pub const fn open(item: Item) -> Self {
        Self { item, sealed: None }
    }
}

/// What stands outside the seal.
impl Deref for StoredItem {
    type Target = Item;

    fn deref(&self) -> &Item {
        &self.item
    }
}

/// A message with a text as a fact holds it.
pub(crate) fn with_text(mut item: Item, text: Text) -> StoredItem {
    match text {
        Text::Sealed(sealed) => StoredItem { item, sealed: Some(sealed) },
        Text::Plain(text) => {
            if let Happening::Message { body, .. } = &mut item.what {
                *body = text;
            }
            StoredItem::open(item)
        }
    }
}
