//! Acts: what was decided about accounts, and what operators did, one document per fact.

use bson::{Bson, Document, doc};
use chasqui_domain::audit::{ActorName, Entry};
use chasqui_events::{Envelope, Fact, Seq, UserId};
use chasqui_protocol::query::{Act, Operator};
use futures::TryStreamExt as _;

use super::Collection;
use crate::{
    ReadError, Store, Version,
    plan::{Write, Writes},
    stored::{self, Fields},
};

/// Plans the writes of a fact.
pub(crate) fn apply(seq: Seq, envelope: &Envelope<Fact>, writes: &mut Writes) {
    match &envelope.event {
        Fact::Account(event) => {
            let entry = Entry::told(seq, envelope.at, envelope.by, event);
            writes.push(Collection::Audit, stored::seq(seq), Write::Put(document(&entry)));
        }
        Fact::Identity(_) | Fact::Message(_) | Fact::Receipt(_) | Fact::Room(_) => {}
    }
}

fn document(entry: &Entry) -> Document {
    let mut document = doc! {
        "_id": stored::seq(entry.seq),
        "at": entry.at.millis(),
        "act": &entry.act,
        "about": entry.about.map_or(Bson::Null, stored::user),
        "details": &entry.details,
        "reason": entry.reason.clone(),
    };
    match &entry.actor {
        ActorName::User(user) => document.insert("by", stored::user(*user)),
        ActorName::Operator(operator) => {
            document.insert("operator", doc! { "user": &operator.user, "host": &operator.host })
        }
    };
    document
}

pub(crate) fn indexes() -> Vec<Document> {
    vec![doc! { "name": "about", "key": { "about": 1, "_id": 1 } }]
}

/// The queries.
pub(crate) struct Audit<'a> {
    pub(crate) store: &'a Store,
    pub(crate) version: Version,
}

impl Audit<'_> {
    /// At most `limit` acts after a place, in order.
    pub(crate) async fn page(
        &self,
        after: Seq,
        about: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<Act>, ReadError> {
        let mut filter = doc! { "_id": { "$gt": stored::seq(after) } };
        let mut order = doc! { "_id": 1 };
        if let Some(about) = about {
            filter.insert("about", stored::user(about));
            order = doc! { "about": 1, "_id": 1 };
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let collection = self.store.collection(&Collection::Audit.name(self.version));
        let found = collection.find(filter).sort(order).limit(limit).await?;
        let documents: Vec<Document> = found.try_collect().await?;
        documents.iter().map(read).collect()
    }
}

fn read(document: &Document) -> Result<Act, ReadError> {
    let fields = Fields::of(Collection::Audit.base(), document);
    let operator = match fields.optional("operator", Fields::inner)? {
        Some(operator) => Some(Operator {
            user: operator.text("user")?.to_owned(),
            host: operator.text("host")?.to_owned(),
        }),
        None => None,
    };
    Ok(Act {
        seq: fields.number("_id")?,
        at: chasqui_events::Timestamp(fields.signed("at")?),
        by: fields.optional("by", Fields::user)?,
        operator,
        act: fields.text("act")?.to_owned(),
        about: fields.optional("about", Fields::user)?,
        details: fields.text("details")?.to_owned(),
        reason: fields.optional("reason", Fields::text)?.map(str::to_owned),
    })
}
