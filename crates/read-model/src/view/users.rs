//! Users and their names.
//!
//! Names are sealed. A name is found by its claim token, the keyed hash that its subject in the log ends with.
//!
//! A name belongs to whoever claimed it first in log order, by registering or by changing to it, and stays theirs when
//! they go by another one: so it still finds them. A profile may come before its registration (when that is parked), so
//! each fact sets only what it speaks of.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};
use chasqui_events::{
    Envelope, Fact, Text, UserId,
    account::{AccountEvent, Deactivated, Reactivated},
    identity::IdentityEvent,
};
use futures::TryStreamExt as _;

use super::Collection;
use crate::{
    ReadError, Store, Version,
    plan::{Write, Writes},
    stored::{self, Fields},
};

/// What the subject of a name's claim begins with, before the name's token.
const CLAIM: &str = "ident.name.";

/// A profile as the projections hold it: what is personal stays sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProfile {
    /// Who.
    pub user: UserId,
    /// The name, as typed at registration.
    pub name: Text,
    /// What to show; empty for the name itself.
    pub display_name: Text,
    /// They have deactivated their account.
    pub deactivated: bool,
    /// The account was erased.
    pub erased: bool,
}

/// The changes of a batch: one write per user, and one per name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    users: BTreeMap<UserId, Change>,
    names: Vec<(String, UserId)>,
}

#[derive(Clone, Debug, Default)]
struct Change {
    set: Document,
    first: Document,
}

/// Folds a fact into the planned changes.
///
/// `subject` is the one that it was recorded on.
pub(crate) fn apply(subject: &str, envelope: &Envelope<Fact>, changes: &mut Changes) {
    match &envelope.event {
        Fact::Identity(IdentityEvent::Registered(registered)) => {
            let change = changes.users.entry(registered.user).or_default();
            let at = envelope.at.millis();
            change.set.extend(doc! { "name": stored::text(&registered.name), "at": at });
            if !change.set.contains_key("display") {
                change.first.insert("display", stored::text(&registered.display_name));
            }
            changes.names.push((token(subject), registered.user));
        }
        Fact::Identity(IdentityEvent::ProfileChanged(profile)) => {
            let change = changes.users.entry(envelope.by).or_default();
            change.first.remove("display");
            change.set.insert("display", stored::text(&profile.display_name));
        }
        Fact::Identity(IdentityEvent::Renamed(renamed)) => {
            let change = changes.users.entry(renamed.user).or_default();
            // A field of its own, which goes before the first name whatever the order in which they are applied.
            change.set.insert("renamed", stored::text(&renamed.name));
            changes.names.push((token(subject), renamed.user));
        }
        Fact::Account(AccountEvent::Deactivated(Deactivated { user })) => {
            changes.users.entry(*user).or_default().set.insert("deactivated", true);
        }
        Fact::Account(AccountEvent::Reactivated(Reactivated { user })) => {
            changes.users.entry(*user).or_default().set.insert("deactivated", false);
        }
        Fact::Account(AccountEvent::Erased(erased)) => {
            let change = changes.users.entry(erased.user).or_default();
            // What was recorded before names were sealed goes here, too.
            change.set.extend(doc! { "erased": true, "name": "", "renamed": "", "display": "" });
        }
        Fact::Identity(
            IdentityEvent::CredentialChanged(_)
            | IdentityEvent::SessionOpened(_)
            | IdentityEvent::SessionRevoked(_)
            | IdentityEvent::DirectClaimed(_),
        )
        | Fact::Account(
            AccountEvent::RoleChanged(_)
            | AccountEvent::Suspended(_)
            | AccountEvent::Reinstated(_)
            | AccountEvent::SessionsEnded(_)
            | AccountEvent::ServiceCreated(_)
            | AccountEvent::TokenIssued(_)
            | AccountEvent::TokenRevoked(_)
            | AccountEvent::OperatorActed(_),
        )
        | Fact::Message(_)
        | Fact::Receipt(_)
        | Fact::Room(_) => {}
    }
}

/// The claim token of the name whose subject this is.
fn token(subject: &str) -> String {
    subject.strip_prefix(CLAIM).unwrap_or(subject).to_owned()
}

impl Changes {
    pub(crate) fn write(self, writes: &mut Writes) {
        for (user, Change { set, first }) in self.users {
            let write = Write::Change { set, raise: doc! {}, first, create: true };
            writes.push(Collection::Users, stored::user(user), write);
        }
        for (token, user) in self.names {
            let first = doc! { "user": stored::user(user) };
            let write = Write::Change { set: doc! {}, raise: doc! {}, first, create: true };
            writes.push(Collection::Names, Bson::String(token), write);
        }
    }
}

pub(crate) fn indexes() -> Vec<Document> {
    vec![]
}

/// The queries.
pub(crate) struct Users<'a> {
    pub(crate) store: &'a Store,
    pub(crate) version: Version,
}

impl Users<'_> {
    fn collection(&self, collection: Collection) -> mongodb::Collection<Document> {
        self.store.collection(&collection.name(self.version))
    }

    pub(crate) async fn profile(&self, user: UserId) -> Result<Option<StoredProfile>, ReadError> {
        Ok(self.profiles(&[user]).await?.pop())
    }

    /// The profiles of those among them who are registered, in any order.
    pub(crate) async fn profiles(&self, users: &[UserId]) -> Result<Vec<StoredProfile>, ReadError> {
        let ids: Vec<Bson> = users.iter().map(|user| stored::user(*user)).collect();
        let cursor = self.collection(Collection::Users).find(doc! { "_id": { "$in": ids } }).await?;
        let documents: Vec<Document> = cursor.try_collect().await?;
        documents.iter().filter_map(|document| read(document).transpose()).collect()
    }

    pub(crate) async fn by_name(&self, token: &str) -> Result<Option<StoredProfile>, ReadError> {
        let filter = doc! { "_id": token };
        match self.collection(Collection::Names).find_one(filter).await? {
            Some(found) => self.profile(Fields::of(Collection::Names.base(), &found).user("user")?).await,
            None => Ok(None),
        }
    }
}

/// `None` for a profile whose registration is not applied.
fn read(document: &Document) -> Result<Option<StoredProfile>, ReadError> {
    let fields = Fields::of(Collection::Users.base(), document);
    if !fields.has("name") {
        return Ok(None);
    }
    Ok(Some(StoredProfile {
        user: fields.user("_id")?,
        name: fields.perhaps_sealed(if fields.has("renamed") { "renamed" } else { "name" })?,
        display_name: fields.perhaps_sealed("display")?,
        deactivated: document.get_bool("deactivated").unwrap_or_default(),
        erased: fields.has("erased"),
    }))
}
