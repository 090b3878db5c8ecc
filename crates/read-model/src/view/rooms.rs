//! Rooms: what they are, how far they have come, their last message.
//!
//! One document per room, written once per batch that touches the room. A member's own posts count as read;
//! to know them without a write per post, the document remembers the last message of each of its most recent
//! posters, and only who falls off that short list has it written to their own document.

use std::collections::HashMap;

use bson::{Bson, Document, doc};
use chasqui_domain::name;
use chasqui_events::{
    Fact, Partition, RoomId, Seq, Timestamp, UserId,
    message::MessageEvent,
    room::{Kind, RoomEvent},
};
use chasqui_protocol::query::PublicRoom;
use futures::TryStreamExt as _;

use super::{Collection, Entry};
use crate::{
    ReadError, Store, Version,
    plan::{Write, Writes},
    stored::{self, Fields},
};

/// The last fact of each lane of a room that was consumed: applied, void or held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomHeads {
    /// Of the state lane.
    pub state: Seq,
    /// Of the message lane.
    pub msg: Seq,
    /// Of the receipt lane.
    pub rcpt: Seq,
    /// A fact that cannot be read: nothing of the room is applied from here on. The log has it.
    pub held_at: Option<Seq>,
}

impl RoomHeads {
    /// The last fact of the room on any lane.
    #[must_use]
    pub fn max(&self) -> Seq {
        self.state.max(self.msg).max(self.rcpt)
    }
}

/// What a room is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo {
    /// The room.
    pub room: RoomId,
    /// Public, private or direct.
    pub kind: Kind,
    /// Its name; empty for a direct conversation, and when it was erased.
    pub name: String,
    /// The two sides of a direct conversation.
    pub pair: Option<[UserId; 2]>,
    /// It was erased.
    pub erased: bool,
    /// How many members it has.
    pub members: u64,
    /// How many messages it has.
    pub messages: u64,
    /// The last entry of its timeline.
    pub top: Seq,
    /// How far its lanes have been consumed.
    pub heads: RoomHeads,
}

/// A room's document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomDoc {
    pub(crate) room: RoomId,
    /// `None` until its creation is applied.
    pub(crate) kind: Option<Kind>,
    pub(crate) name: String,
    /// The time between two messages of one member, in seconds.
    pub(crate) slow_mode_s: u32,
    /// It was erased.
    pub(crate) erased: bool,
    /// The two sides of a direct conversation.
    pub(crate) pair: Option<[UserId; 2]>,
    pub(crate) members: u64,
    pub(crate) heads: RoomHeads,
    /// The last state fact that was applied.
    pub(crate) applied_state: Seq,
    /// The last entry of the timeline.
    pub(crate) top: Seq,
    pub(crate) n: u64,
    pub(crate) m: u64,
    pub(crate) last: Option<Last>,
    /// Who posted last, most recent at the end, with the message count at their last post.
    pub(crate) posters: Vec<(UserId, u64)>,
}

/// The last message of a room; what was said is in its timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) seq: Seq,
    pub(crate) at: Timestamp,
    pub(crate) by: UserId,
}

/// So many posters are remembered in a room's document.
const POSTERS: usize = 16;

impl RoomDoc {
    pub(crate) const fn new(room: RoomId) -> Self {
        Self {
            room,
            kind: None,
            name: String::new(),
            slow_mode_s: 0,
            erased: false,
            pair: None,
            members: 0,
            heads: RoomHeads { state: 0, msg: 0, rcpt: 0, held_at: None },
            applied_state: 0,
            top: 0,
            n: 0,
            m: 0,
            last: None,
            posters: vec![],
        }
    }

    /// Folds a fact that stands. `members` is by how many the members became more. Returns the poster who is
    /// forgotten here, with the message count at their last post.
    pub(crate) fn apply(&mut self, fact: &Entry<'_>, members: i64) -> Option<(UserId, u64)> {
        self.members = self.members.saturating_add_signed(members);
        match &fact.envelope.event {
            Fact::Room(event) => {
                self.applied_state = fact.seq;
                self.number(fact.seq);
                self.apply_state(event);
                None
            }
            Fact::Message(MessageEvent::Posted(_)) => {
                self.m += 1;
                self.number(fact.seq);
                self.last = Some(Last { seq: fact.seq, at: fact.at(), by: fact.by() });
                self.note_poster(fact.by())
            }
            Fact::Receipt(_) | Fact::Identity(_) | Fact::Account(_) => None,
        }
    }

    fn apply_state(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::Created(created) => {
                self.kind = Some(created.kind);
                self.name.clone_from(&created.name);
                if let (Kind::Direct, [one, other]) = (created.kind, created.members.as_slice()) {
                    self.pair = Some([one.user, other.user]);
                }
            }
            RoomEvent::Renamed(renamed) => self.name.clone_from(&renamed.name),
            RoomEvent::SlowModeChanged(changed) => self.slow_mode_s = changed.seconds,
            RoomEvent::Erased(_) => {
                self.erased = true;
                self.name.clear();
            }
            RoomEvent::MemberJoined(_)
            | RoomEvent::MemberLeft(_)
            | RoomEvent::MemberInvited(_)
            | RoomEvent::MemberRemoved(_)
            | RoomEvent::MemberRoleChanged(_)
            | RoomEvent::MemberBanned(_)
            | RoomEvent::MemberUnbanned(_)
            | RoomEvent::MemberMuted(_)
            | RoomEvent::MemberUnmuted(_) => {}
        }
    }

    fn number(&mut self, seq: Seq) {
        self.n += 1;
        self.top = seq;
    }

    fn note_poster(&mut self, author: UserId) -> Option<(UserId, u64)> {
        self.posters.retain(|(user, _)| *user != author);
        self.posters.push((author, self.m));
        if self.posters.len() > POSTERS { Some(self.posters.remove(0)) } else { None }
    }

    /// How many messages a member has not seen. `seen` is their own document's count.
    pub(crate) fn unread(&self, user: UserId, seen: u64) -> u64 {
        let posted = self.posters.iter().find(|(poster, _)| *poster == user).map_or(0, |(_, m)| *m);
        self.m.saturating_sub(seen.max(posted))
    }

    pub(crate) fn write(&self, writes: &mut Writes) {
        writes.push(Collection::Rooms, stored::room(self.room), Write::Put(self.document()));
    }

    fn document(&self) -> Document {
        let mut document = doc! {
            "_id": stored::room(self.room),
            "p": i32::from(self.room.partition().number()),
            "name": &self.name,
            "folded": name::folded(&self.name),
            "members": stored::seq(self.members),
            "heads": {
                "state": stored::seq(self.heads.state),
                "msg": stored::seq(self.heads.msg),
                "rcpt": stored::seq(self.heads.rcpt),
            },
            "head": stored::seq(self.heads.max()),
            "state": stored::seq(self.applied_state),
            "top": stored::seq(self.top),
            "n": stored::seq(self.n),
            "m": stored::seq(self.m),
        };
        if let Some(kind) = self.kind {
            document.insert("kind", stored::kind_name(kind));
        }
        if self.slow_mode_s > 0 {
            document.insert("slow", i64::from(self.slow_mode_s));
        }
        if self.erased {
            document.insert("erased", true);
        }
        if let Some([one, other]) = self.pair {
            document.insert("pair", vec![stored::user(one), stored::user(other)]);
        }
        if let Some(held_at) = self.heads.held_at {
            document.insert("held_at", stored::seq(held_at));
        }
        if let Some(last) = &self.last {
            let (seq, by) = (stored::seq(last.seq), stored::user(last.by));
            document.insert("last", doc! { "seq": seq, "at": last.at.millis(), "by": by });
        }
        let poster = |(user, m): &(UserId, u64)| doc! { "user": stored::user(*user), "m": stored::seq(*m) };
        document.insert("posters", self.posters.iter().map(poster).collect::<Vec<_>>());
        document
    }

    pub(crate) fn read(document: &Document) -> Result<Self, ReadError> {
        let fields = Fields::of(Collection::Rooms.base(), document);
        let poster = |fields: Fields<'_>| Ok::<_, ReadError>((fields.user("user")?, fields.number("m")?));
        Ok(Self {
            room: fields.room("_id")?,
            kind: fields.optional("kind", Fields::kind)?,
            name: fields.text("name")?.to_owned(),
            slow_mode_s: fields.optional("slow", read_seconds)?.unwrap_or_default(),
            erased: fields.has("erased"),
            pair: fields.optional("pair", Fields::pair)?,
            members: fields.number("members")?,
            heads: read_heads(&fields)?,
            applied_state: fields.number("state")?,
            top: fields.number("top")?,
            n: fields.number("n")?,
            m: fields.number("m")?,
            last: fields.optional("last", read_last)?,
            posters: fields.list("posters")?.into_iter().map(poster).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn info(self) -> Option<RoomInfo> {
        Some(RoomInfo {
            room: self.room,
            kind: self.kind?,
            name: self.name,
            pair: self.pair,
            erased: self.erased,
            members: self.members,
            messages: self.m,
            top: self.top,
            heads: self.heads,
        })
    }
}

fn read_heads(fields: &Fields<'_>) -> Result<RoomHeads, ReadError> {
    let heads = fields.inner("heads")?;
    Ok(RoomHeads {
        state: heads.number("state")?,
        msg: heads.number("msg")?,
        rcpt: heads.number("rcpt")?,
        held_at: fields.optional("held_at", Fields::number)?,
    })
}

fn read_seconds(fields: &Fields<'_>, name: &str) -> Result<u32, ReadError> {
    u32::try_from(fields.number(name)?).map_err(|_| fields.wrong(name))
}

fn read_last(fields: &Fields<'_>, name: &str) -> Result<Last, ReadError> {
    let last = fields.inner(name)?;
    Ok(Last { seq: last.number("seq")?, at: last.moment("at")?, by: last.user("by")? })
}

pub(crate) fn indexes() -> Vec<Document> {
    vec![
        doc! { "name": "p_head", "key": { "p": 1, "head": 1 } },
        doc! { "name": "kind_folded", "key": { "kind": 1, "folded": 1 } },
    ]
}

/// The queries.
pub(crate) struct Rooms<'a> {
    pub(crate) store: &'a Store,
    pub(crate) version: Version,
}

/// The most rooms that a search by name gives.
const PUBLIC_ROOMS: i64 = 100;

impl Rooms<'_> {
    fn collection(&self) -> mongodb::Collection<Document> {
        self.store.collection(&Collection::Rooms.name(self.version))
    }

    pub(crate) async fn by_ids(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, RoomDoc>, ReadError> {
        if let [room] = rooms {
            let found = self.collection().find_one(doc! { "_id": stored::room(*room) }).await?;
            return found.iter().map(|document| Ok((*room, RoomDoc::read(document)?))).collect();
        }
        let ids: Vec<Bson> = rooms.iter().map(|room| stored::room(*room)).collect();
        let cursor = self.collection().find(doc! { "_id": { "$in": ids } }).await?;
        let documents: Vec<Document> = cursor.try_collect().await?;
        documents.iter().map(|document| RoomDoc::read(document).map(|room| (room.room, room))).collect()
    }

    pub(crate) async fn by_id(&self, room: RoomId) -> Result<Option<RoomDoc>, ReadError> {
        Ok(self.by_ids(&[room]).await?.remove(&room))
    }

    /// The heads of these rooms.
    pub(crate) async fn heads(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, RoomHeads>, ReadError> {
        let ids: Vec<Bson> = rooms.iter().map(|room| stored::room(*room)).collect();
        self.heads_where(doc! { "_id": { "$in": ids } }).await
    }

    /// The rooms of a partition with a fact after this one.
    pub(crate) async fn moved_since(
        &self,
        partition: Partition,
        after: Seq,
    ) -> Result<HashMap<RoomId, RoomHeads>, ReadError> {
        let p = i32::from(partition.number());
        self.heads_where(doc! { "p": p, "head": { "$gt": stored::seq(after) } }).await
    }

    async fn heads_where(&self, filter: Document) -> Result<HashMap<RoomId, RoomHeads>, ReadError> {
        let only = doc! { "heads": 1, "held_at": 1 };
        let documents: Vec<Document> =
            self.collection().find(filter).projection(only).await?.try_collect().await?;
        documents
            .iter()
            .map(|document| {
                let fields = Fields::of(Collection::Rooms.base(), document);
                Ok((fields.room("_id")?, read_heads(&fields)?))
            })
            .collect()
    }

    /// The public rooms whose folded names begin so, by name.
    pub(crate) async fn public(&self, prefix: &str) -> Result<Vec<PublicRoom>, ReadError> {
        let folded = name::folded(prefix);
        let mut filter = doc! { "kind": stored::kind_name(Kind::Public), "erased": { "$exists": false } };
        if !folded.is_empty() {
            // Everything from the prefix on, up to the prefix and the last character there is.
            let end = format!("{folded}{}", char::MAX);
            filter.insert("folded", doc! { "$gte": folded, "$lt": end });
        }
        let order = doc! { "kind": 1, "folded": 1 };
        let collection = self.collection();
        let cursor = collection.find(filter).sort(order).limit(PUBLIC_ROOMS).await?;
        let documents: Vec<Document> = cursor.try_collect().await?;
        documents
            .iter()
            .map(|document| {
                let room = RoomDoc::read(document)?;
                Ok(PublicRoom { room: room.room, name: room.name, members: room.members })
            })
            .collect()
    }
}

/// When something last happened in a room, for sorting.
pub(crate) fn last_activity(room: &RoomDoc) -> Timestamp {
    room.last.as_ref().map_or_else(|| room.room.timestamp(), |last| last.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u8) -> UserId {
        UserId::new(Timestamp(1), [n; 10])
    }

    fn room() -> RoomDoc {
        let id = RoomId::new(Partition::from_low_bits(2), Timestamp(5), [1; 10]);
        RoomDoc {
            kind: Some(Kind::Direct),
            name: "Ünique".to_owned(),
            slow_mode_s: 30,
            pair: Some([user(1), user(2)]),
            members: 2,
            erased: true,
            heads: RoomHeads { state: 1, msg: 5, rcpt: 4, held_at: Some(6) },
            applied_state: 1,
            top: 5,
            n: 3,
            m: 2,
            last: Some(Last { seq: 5, at: Timestamp(9), by: user(1) }),
            posters: vec![(user(1), 2)],
            ..RoomDoc::new(id)
        }
    }

    #[test]
    fn a_document_reads_back() {
        assert_eq!(RoomDoc::read(&room().document()).unwrap(), room());
        let empty = RoomDoc::new(room().room);
        assert_eq!(RoomDoc::read(&empty.document()).unwrap(), empty);
    }

    #[test]
    fn ones_own_posts_are_read_also_when_many_others_post() {
        let mut room = RoomDoc::new(room().room);
        let mut written = HashMap::new();
        for n in 0..40u8 {
            room.m += 1;
            written.extend(room.note_poster(user(n)));
        }
        for n in 0..40u8 {
            let seen = written.get(&user(n)).copied().unwrap_or(0);
            assert_eq!(room.unread(user(n), seen), 39 - u64::from(n));
        }
        assert_eq!(room.posters.len(), POSTERS);
    }
}
