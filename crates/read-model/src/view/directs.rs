//! Directs: which room is the conversation of which pair.

use bson::{Bson, Document, doc};
use chasqui_events::{Envelope, Fact, RoomId, UserId, identity::IdentityEvent};

use super::Collection;
use crate::{
    ReadError, Store, Version,
    plan::{Write, Writes},
    stored::{self, Fields},
};

/// Plans the writes of a fact. The first claim of a pair in log order stands.
pub(crate) fn apply(envelope: &Envelope<Fact>, writes: &mut Writes) {
    match &envelope.event {
        Fact::Identity(IdentityEvent::DirectClaimed(claimed)) => {
            let [one, other] = claimed.pair;
            let first = doc! { "room": stored::room(claimed.room) };
            let write = Write::Change { set: doc! {}, raise: doc! {}, first, create: true };
            writes.push(Collection::Directs, key(one, other), write);
        }
        Fact::Identity(
            IdentityEvent::Registered(_)
            | IdentityEvent::ProfileChanged(_)
            | IdentityEvent::Renamed(_)
            | IdentityEvent::CredentialChanged(_)
            | IdentityEvent::SessionOpened(_)
            | IdentityEvent::SessionRevoked(_),
        )
        | Fact::Account(_)
        | Fact::Message(_)
        | Fact::Receipt(_)
        | Fact::Room(_) => {}
    }
}

fn key(one: UserId, other: UserId) -> Bson {
    stored::pair(one.min(other).as_uuid(), one.max(other).as_uuid())
}

pub(crate) fn indexes() -> Vec<Document> {
    vec![]
}

/// The queries.
pub(crate) struct Directs<'a> {
    pub(crate) store: &'a Store,
    pub(crate) version: Version,
}

impl Directs<'_> {
    pub(crate) async fn room(&self, one: UserId, other: UserId) -> Result<Option<RoomId>, ReadError> {
        let collection = self.store.collection(&Collection::Directs.name(self.version));
        let found: Option<Document> = collection.find_one(doc! { "_id": key(one, other) }).await?;
        found.map(|found| Fields::of(Collection::Directs.base(), &found).room("room")).transpose()
    }
}
