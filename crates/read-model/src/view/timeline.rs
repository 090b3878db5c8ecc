//! The timeline of a room: every message that stands and every change of the room, in log order.
//!
//! The projection numbers the entries of a room from 1 (`n`) and counts its messages (`m`, this entry included).
//! Both belong to this version of the views and never leave it. A page is a range of `n` that is known before it
//! is asked for, so that it is one exact index range on every server.

use std::collections::HashMap;

use bson::{Bson, Document, doc};
use chasqui_events::{
    CommandId, Fact, RoomId, Sealed, Seq, Text, Timestamp, UserId,
    message::MessageEvent,
    room::{MemberBanned, MemberMuted, RoomEvent},
};
use chasqui_protocol::{Happening, Item};
use futures::TryStreamExt as _;

use super::{Collection, Entry};
use crate::{
    ReadError, Store, StoredItem, Version, item,
    plan::{Write, Writes},
    stored::{self, Fields},
};

/// An entry with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) n: u64,
    pub(crate) m: u64,
    pub(crate) item: StoredItem,
}

/// The entry that a fact makes; `None` for facts that are no part of the timeline.
pub(crate) fn entry(fact: &Entry<'_>) -> Option<StoredItem> {
    let mut text = Text::EMPTY;
    let what = match &fact.envelope.event {
        Fact::Message(MessageEvent::Posted(posted)) => {
            text = posted.body.clone();
            Happening::Message {
                id: fact.id(),
                body: String::new(),
                erased: false,
                damaged: false,
                replies_to: posted.replies_to.clone(),
            }
        }
        Fact::Room(RoomEvent::Created(created)) => {
            Happening::Created { kind: created.kind, name: created.name.clone() }
        }
        Fact::Room(RoomEvent::Renamed(renamed)) => Happening::Renamed { name: renamed.name.clone() },
        Fact::Room(RoomEvent::MemberJoined(joined)) => Happening::Joined { user: joined.user },
        Fact::Room(RoomEvent::MemberLeft(left)) => Happening::Left { user: left.user },
        Fact::Room(RoomEvent::MemberInvited(invited)) => Happening::Invited { user: invited.user },
        Fact::Room(RoomEvent::MemberRemoved(removed)) => {
            Happening::Removed { user: removed.user, reason: removed.reason.clone() }
        }
        Fact::Room(RoomEvent::MemberRoleChanged(changed)) => {
            Happening::RoleChanged { user: changed.user, role: changed.role }
        }
        Fact::Room(RoomEvent::MemberBanned(banned)) => {
            let MemberBanned { user, until, reason } = banned.clone();
            Happening::Banned { user, until, reason }
        }
        Fact::Room(RoomEvent::MemberUnbanned(unbanned)) => Happening::Unbanned { user: unbanned.user },
        Fact::Room(RoomEvent::MemberMuted(muted)) => {
            let MemberMuted { user, until, reason } = muted.clone();
            Happening::Muted { user, until, reason }
        }
        Fact::Room(RoomEvent::MemberUnmuted(unmuted)) => Happening::Unmuted { user: unmuted.user },
        Fact::Room(RoomEvent::SlowModeChanged(changed)) => {
            Happening::SlowModeChanged { seconds: changed.seconds }
        }
        Fact::Room(RoomEvent::Erased(erased)) => Happening::Erased { reason: erased.reason.clone() },
        Fact::Receipt(_) | Fact::Identity(_) | Fact::Account(_) => return None,
    };
    let item = Item {
        room: fact.room,
        seq: fact.seq,
        at: fact.at(),
        by: fact.by(),
        imported_by: fact.envelope.import.map(|import| import.by),
        what,
    };
    Some(item::with_text(item, text))
}

/// Plans the entry's document.
pub(crate) fn write(item: &StoredItem, n: u64, m: u64, writes: &mut Writes) {
    let id = Bson::Int64(stored::place(item.room.partition(), item.seq));
    writes.push(Collection::Timeline, id, Write::Insert(document(item, n, m)));
}

fn document(stored: &StoredItem, n: u64, m: u64) -> Document {
    let StoredItem { item, sealed } = stored;
    let mut document = doc! {
        "_id": stored::place(item.room.partition(), item.seq),
        "room": stored::room(item.room),
        "n": stored::seq(n),
        "m": stored::seq(m),
        "at": item.at.millis(),
        "by": stored::user(item.by),
    };
    if let Some(importer) = item.imported_by {
        document.insert("importer", stored::user(importer));
    }
    add_happening(&item.what, sealed.as_ref(), &mut document);
    document
}

fn add_happening(what: &Happening, sealed: Option<&Sealed>, document: &mut Document) {
    match what {
        Happening::Message { id, body, replies_to, erased: _, damaged: _ } => {
            document.extend(doc! { "what": "message", "id": stored::command(*id) });
            match sealed {
                Some(sealed) => document.insert("sealed", stored::sealed(sealed)),
                None => document.insert("body", body),
            };
            if !replies_to.is_empty() {
                let replies: Vec<Bson> = replies_to.iter().map(|id| stored::command(*id)).collect();
                document.insert("replies", replies);
            }
        }
        Happening::Created { kind, name } => {
            document.extend(doc! { "what": "created", "kind": stored::kind_name(*kind), "name": name });
        }
        Happening::Renamed { name } => document.extend(doc! { "what": "renamed", "name": name }),
        Happening::Joined { user } => {
            document.extend(doc! { "what": "joined", "user": stored::user(*user) });
        }
        Happening::Left { user } => document.extend(doc! { "what": "left", "user": stored::user(*user) }),
        Happening::Invited { user } => {
            document.extend(doc! { "what": "invited", "user": stored::user(*user) });
        }
        Happening::Removed { user, reason } => {
            document.extend(doc! { "what": "removed", "user": stored::user(*user) });
            if let Some(reason) = reason {
                document.insert("reason", reason);
            }
        }
        Happening::RoleChanged { user, role } => {
            let role = stored::role_name(*role);
            document.extend(doc! { "what": "role_changed", "user": stored::user(*user), "role": role });
        }
        Happening::Banned { user, until, reason } => {
            document.extend(doc! { "what": "banned", "user": stored::user(*user) });
            add_term(*until, reason.as_deref(), document);
        }
        Happening::Unbanned { user } => {
            document.extend(doc! { "what": "unbanned", "user": stored::user(*user) });
        }
        Happening::Muted { user, until, reason } => {
            document.extend(doc! { "what": "muted", "user": stored::user(*user) });
            add_term(*until, reason.as_deref(), document);
        }
        Happening::Unmuted { user } => {
            document.extend(doc! { "what": "unmuted", "user": stored::user(*user) });
        }
        Happening::SlowModeChanged { seconds } => {
            document.extend(doc! { "what": "slow_mode_changed", "seconds": i64::from(*seconds) });
        }
        Happening::Erased { reason } => {
            document.insert("what", "erased");
            add_term(None, reason.as_deref(), document);
        }
    }
}

fn add_term(until: Option<Timestamp>, reason: Option<&str>, document: &mut Document) {
    if let Some(until) = until {
        document.insert("until", until.millis());
    }
    if let Some(reason) = reason {
        document.insert("reason", reason);
    }
}

pub(crate) fn read(document: &Document) -> Result<Numbered, ReadError> {
    let fields = Fields::of(Collection::Timeline.base(), document);
    let item = Item {
        room: fields.room("room")?,
        seq: stored::seq_of_place(fields.signed("_id")?),
        at: fields.moment("at")?,
        by: fields.user("by")?,
        imported_by: fields.optional("importer", Fields::user)?,
        what: read_happening(&fields)?,
    };
    let item = StoredItem { item, sealed: fields.optional("sealed", Fields::sealed)? };
    Ok(Numbered { n: fields.number("n")?, m: fields.number("m")?, item })
}

fn read_happening(fields: &Fields<'_>) -> Result<Happening, ReadError> {
    Ok(match fields.text("what")? {
        "message" => Happening::Message {
            id: fields.command("id")?,
            body: if fields.has("sealed") { String::new() } else { fields.text("body")?.to_owned() },
            erased: false,
            damaged: false,
            replies_to: fields.optional("replies", Fields::commands)?.unwrap_or_default(),
        },
        "created" => Happening::Created { kind: fields.kind("kind")?, name: fields.text("name")?.to_owned() },
        "renamed" => Happening::Renamed { name: fields.text("name")?.to_owned() },
        "joined" => Happening::Joined { user: fields.user("user")? },
        "left" => Happening::Left { user: fields.user("user")? },
        "invited" => Happening::Invited { user: fields.user("user")? },
        "removed" => Happening::Removed { user: fields.user("user")?, reason: reason(fields)? },
        "banned" => Happening::Banned {
            user: fields.user("user")?,
            until: fields.optional("until", Fields::moment)?,
            reason: reason(fields)?,
        },
        "unbanned" => Happening::Unbanned { user: fields.user("user")? },
        "muted" => Happening::Muted {
            user: fields.user("user")?,
            until: fields.optional("until", Fields::moment)?,
            reason: reason(fields)?,
        },
        "unmuted" => Happening::Unmuted { user: fields.user("user")? },
        "slow_mode_changed" => Happening::SlowModeChanged {
            seconds: u32::try_from(fields.number("seconds")?).map_err(|_| fields.wrong("seconds"))?,
        },
        "erased" => Happening::Erased { reason: reason(fields)? },
        "role_changed" => Happening::RoleChanged { user: fields.user("user")?, role: fields.role("role")? },
        _ => return Err(fields.wrong("what")),
    })
}

fn reason(fields: &Fields<'_>) -> Result<Option<String>, ReadError> {
    fields.optional("reason", |fields, name| fields.text(name).map(str::to_owned))
}

pub(crate) fn indexes() -> Vec<Document> {
    vec![
        doc! { "name": "room_n", "key": { "room": 1, "n": 1 }, "unique": true },
        // The room and the id lead, so that the ids of a batch are looked up together, whoever wrote them.
        doc! {
            "name": "room_id_by", "key": { "room": 1, "id": 1, "by": 1 }, "unique": true,
            "partialFilterExpression": { "id": { "$exists": true } },
        },
    ]
}

/// The queries.
pub(crate) struct Timeline<'a> {
    pub(crate) store: &'a Store,
    pub(crate) version: Version,
}

impl Timeline<'_> {
    fn collection(&self) -> mongodb::Collection<Document> {
        self.store.collection(&Collection::Timeline.name(self.version))
    }

    /// The entries `first..=last` of a room, by ordinal.
    pub(crate) async fn range(
        &self,
        room: RoomId,
        first: u64,
        last: u64,
    ) -> Result<Vec<Numbered>, ReadError> {
        if first > last {
            return Ok(vec![]);
        }
        let range = doc! { "$gte": stored::seq(first), "$lte": stored::seq(last) };
        let filter = doc! { "room": stored::room(room), "n": range };
        let cursor = self.collection().find(filter).sort(doc! { "n": 1 }).await?;
        let documents: Vec<Document> = cursor.try_collect().await?;
        documents.iter().map(read).collect()
    }

    /// The messages of an author among the entries `first..=last` of a room, by ordinal.
    pub(crate) async fn range_by(
        &self,
        room: RoomId,
        author: UserId,
        first: u64,
        last: u64,
    ) -> Result<Vec<StoredItem>, ReadError> {
        let range = doc! { "$gte": stored::seq(first), "$lte": stored::seq(last) };
        let filter = doc! {
            "room": stored::room(room), "n": range, "by": stored::user(author), "what": "message",
        };
        let cursor = self.collection().find(filter).sort(doc! { "room": 1, "n": 1 }).await?;
        let documents: Vec<Document> = cursor.try_collect().await?;
        documents.iter().map(|document| read(document).map(|entry| entry.item)).collect()
    }

    /// The entry at exactly this place.
    pub(crate) async fn at(&self, room: RoomId, seq: Seq) -> Result<Option<Numbered>, ReadError> {
        let id = stored::place(room.partition(), seq);
        let found = self.collection().find_one(doc! { "_id": id }).await?;
        let found = found.as_ref().map(read).transpose()?;
        Ok(found.filter(|entry| entry.item.room == room))
    }

    /// The entries at exactly these places, by place; of those that are entries of their rooms.
    pub(crate) async fn at_all(
        &self,
        places: &[(RoomId, Seq)],
    ) -> Result<HashMap<(RoomId, Seq), StoredItem>, ReadError> {
        if places.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<Bson> =
            places.iter().map(|(room, seq)| Bson::Int64(stored::place(room.partition(), *seq))).collect();
        let cursor = self.collection().find(doc! { "_id": { "$in": ids } }).await?;
        let documents: Vec<Document> = cursor.try_collect().await?;
        let entry = |document: &Document| {
            let Numbered { item, .. } = read(document)?;
            Ok(((item.room, item.seq), item))
        };
        documents.iter().map(entry).collect()
    }

    /// The numbers of the last entry at or before a place, `(0, 0)` for none. `newest` is the room's last ordinal.
    pub(crate) async fn numbers_at(
        &self,
        room: RoomId,
        seq: Seq,
        newest: u64,
    ) -> Result<(u64, u64), ReadError> {
        if let Some(entry) = self.at(room, seq).await? {
            return Ok((entry.n, entry.m));
        }
        // No entry there: bisect the ordinals, each step one exact point of the index.
        let (mut low, mut found, mut high) = (0, (0, 0), newest);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.range(room, middle, middle).await?.first() {
                Some(entry) if entry.item.seq <= seq => (low, found) = (middle, (entry.n, entry.m)),
                Some(_) => high = middle - 1,
                None => return Err(ReadError::Corrupt(format!("timeline: {room} has no entry {middle}"))),
            }
        }
        Ok(found)
    }

    /// One message.
    pub(crate) async fn message(
        &self,
        room: RoomId,
        author: UserId,
        id: CommandId,
    ) -> Result<Option<StoredItem>, ReadError> {
        let filter =
            doc! { "room": stored::room(room), "id": stored::command(id), "by": stored::user(author) };
        let found = self.collection().find_one(filter).await?;
        Ok(found.as_ref().map(read).transpose()?.map(|entry| entry.item))
    }

    /// Where messages with these ids are, whoever wrote them.
    pub(crate) async fn places_of(
        &self,
        room: RoomId,
        ids: &[CommandId],
    ) -> Result<Vec<(UserId, CommandId, Seq)>, ReadError> {
        let ids: Vec<Bson> = ids.iter().map(|id| stored::command(*id)).collect();
        let filter = doc! { "room": stored::room(room), "id": { "$in": ids } };
        let only = doc! { "_id": 1, "id": 1, "by": 1 };
        let cursor = self.collection().find(filter).projection(only).await?;
        let documents: Vec<Document> = cursor.try_collect().await?;
        documents
            .iter()
            .map(|document| {
                let fields = Fields::of(Collection::Timeline.base(), document);
                let seq = stored::seq_of_place(fields.signed("_id")?);
                Ok((fields.user("by")?, fields.command("id")?, seq))
            })
            .collect()
    }

    /// The message counts at exactly these places, of those that are entries of their rooms.
    pub(crate) async fn counts_at(
        &self,
        places: &[(RoomId, Seq)],
    ) -> Result<Vec<(RoomId, Seq, u64)>, ReadError> {
        let ids: Vec<Bson> =
            places.iter().map(|(room, seq)| Bson::Int64(stored::place(room.partition(), *seq))).collect();
        let only = doc! { "_id": 1, "room": 1, "m": 1 };
        let cursor = self.collection().find(doc! { "_id": { "$in": ids } }).projection(only).await?;
        let documents: Vec<Document> = cursor.try_collect().await?;
        documents
            .iter()
            .map(|document| {
                let fields = Fields::of(Collection::Timeline.base(), document);
                Ok((fields.room("room")?, stored::seq_of_place(fields.signed("_id")?), fields.number("m")?))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::{
        Partition, Timestamp,
        room::{Kind, Role},
    };

    use super::*;

    #[test]
    fn an_entry_of_every_kind_reads_back() {
        let room = RoomId::new(Partition::from_low_bits(2), Timestamp(5), [1; 10]);
        let user = UserId::new(Timestamp(6), [2; 10]);
        let id = CommandId::new(Timestamp(7), [3; 10]);
        let message = |body: &str, replies_to| Happening::Message {
            id,
            body: body.to_owned(),
            erased: false,
            damaged: false,
            replies_to,
        };
        let happenings = [
            message("ñan", vec![]),
            message("", vec![id]),
            Happening::Created { kind: Kind::Public, name: "Plaza".to_owned() },
            Happening::Renamed { name: "Plaza Mayor".to_owned() },
            Happening::Joined { user },
            Happening::Left { user },
            Happening::Invited { user },
            Happening::Removed { user, reason: None },
            Happening::Removed { user, reason: Some("spam".to_owned()) },
            Happening::RoleChanged { user, role: Role::Moderator },
            Happening::Banned { user, until: Some(Timestamp(9)), reason: Some("spam".to_owned()) },
            Happening::Banned { user, until: None, reason: None },
            Happening::Unbanned { user },
            Happening::Muted { user, until: Some(Timestamp(9)), reason: None },
            Happening::Unmuted { user },
            Happening::SlowModeChanged { seconds: 30 },
            Happening::Erased { reason: Some("asked for".to_owned()) },
        ];
        for (imported_by, what) in [None, Some(user)].into_iter().cycle().zip(happenings) {
            let item = Item { room, seq: 9, at: Timestamp(8), by: user, imported_by, what };
            let item = StoredItem::open(item);
            let entry = read(&document(&item, 4, 3)).unwrap();
            assert_eq!(entry, Numbered { n: 4, m: 3, item });
        }
        let what = message("", vec![]);
        let item = Item { room, seq: 9, at: Timestamp(8), by: user, imported_by: None, what };
        let item = item::with_text(item, Text::Sealed(Sealed::new(vec![1, 2, 3])));
        let document = document(&item, 4, 3);
        assert!(!document.contains_key("body"));
        assert_eq!(read(&document).unwrap(), Numbered { n: 4, m: 3, item });
    }
}
