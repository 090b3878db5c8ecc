//! Sessions: which were opened, and which have been revoked since.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};
use chasqui_events::{Envelope, Fact, Seq, SessionId, identity::IdentityEvent};
use futures::TryStreamExt as _;

use super::Collection;
use crate::{
    ReadError, Store, Version,
    plan::{Write, Writes},
    stored::{self, Fields},
};

/// The changes of a batch: one write per session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(BTreeMap<SessionId, Document>);

/// Folds a fact into the planned changes.
pub(crate) fn apply(seq: Seq, envelope: &Envelope<Fact>, changes: &mut Changes) {
    match &envelope.event {
        Fact::Identity(IdentityEvent::SessionOpened(opened)) => {
            changes.0.entry(opened.session).or_default().extend(doc! {
                "user": stored::user(envelope.by),
                "device": stored::text(&opened.device),
                "opened_at": envelope.at.millis(),
            });
        }
        Fact::Identity(IdentityEvent::SessionRevoked(revoked)) => {
            changes.0.entry(revoked.session).or_default().extend(doc! {
                "user": stored::user(envelope.by),
                "revoked": stored::seq(seq),
                "revoked_at": envelope.at.millis(),
                "reason": revoked.reason.as_str(),
            });
        }
        Fact::Identity(
            IdentityEvent::Registered(_)
            | IdentityEvent::ProfileChanged(_)
            | IdentityEvent::Renamed(_)
            | IdentityEvent::CredentialChanged(_)
            | IdentityEvent::DirectClaimed(_),
        )
        | Fact::Account(_)
        | Fact::Message(_)
        | Fact::Receipt(_)
        | Fact::Room(_) => {}
    }
}

impl Changes {
    pub(crate) fn write(self, writes: &mut Writes) {
        for (session, set) in self.0 {
            let write = Write::Change { set, raise: doc! {}, first: doc! {}, create: true };
            writes.push(Collection::Sessions, stored::session(session), write);
        }
    }
}

pub(crate) fn indexes() -> Vec<Document> {
    vec![doc! { "name": "user", "key": { "user": 1 } }]
}

/// The queries.
pub(crate) struct Sessions<'a> {
    pub(crate) store: &'a Store,
    pub(crate) version: Version,
}

impl Sessions<'_> {
    /// Those among them that were revoked.
    pub(crate) async fn revoked(&self, sessions: &[SessionId]) -> Result<Vec<SessionId>, ReadError> {
        let ids: Vec<Bson> = sessions.iter().map(|session| stored::session(*session)).collect();
        let filter = doc! { "_id": { "$in": ids }, "revoked": { "$exists": true } };
        let collection = self.store.collection(&Collection::Sessions.name(self.version));
        let cursor = collection.find(filter).projection(doc! { "_id": 1 }).await?;
        let documents: Vec<Document> = cursor.try_collect().await?;
        documents
            .iter()
            .map(|document| Fields::of(Collection::Sessions.base(), document).session("_id"))
            .collect()
    }
}
