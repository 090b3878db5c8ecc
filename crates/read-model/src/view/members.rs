//! Members: who stands how to which room, and how far each has come.
//!
//! Marks only rise, and are written as such, so that they need not be read first. Everything else of a document
//! changes by state facts only, and is set as a whole.

mod changes;
mod state;

use std::collections::HashMap;

use bson::{Bson, Document, doc};
use chasqui_domain::room::Term;
use chasqui_events::{
    Fact, RoomId, Seq, Timestamp, UserId,
    receipts::{Mark, ReceiptEvent},
    room::{Role, RoomEvent},
};
use chasqui_protocol::query::Standing;
use futures::TryStreamExt as _;

use super::{Collection, Entry};
use crate::{
    ReadError, Store, Version,
    stored::{self, Fields},
};
pub(crate) use changes::{Changes, Raise};
pub use state::{Ban, MemberStanding, MemberState};

/// One person's relation to one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The room.
    pub room: RoomId,
    /// The person.
    pub user: UserId,
    /// How they stand to it now.
    pub standing: MemberStanding,
    /// Their role, also the last one of those who are gone.
    pub role: Role,
    /// The state fact that the present (or the last) membership or invitation began with.
    pub since: Seq,
    /// The state fact that ended it; `None` while they are joined or invited.
    pub until: Option<Seq>,
    /// Memberships before that, each from its first to its last state fact, oldest first, at most eight.
    pub earlier: Vec<(Seq, Seq)>,
    /// One of their devices has everything up to here.
    pub delivered: Seq,
    /// They have read everything up to here.
    pub read: Seq,
    /// The ban that they are under; it may have ended by itself.
    pub ban: Option<Ban>,
    /// For how long they may not post; it may have ended by itself.
    pub muted: Option<Term>,
}

/// Everybody in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomMembers {
    /// Joined and invited people, by id.
    pub members: Vec<(UserId, Standing, Role)>,
    /// The state lane has been applied up to here.
    pub state_seq: Seq,
}

/// Whose state a fact changes: what the fold must know before it.
pub(crate) fn touched(event: &RoomEvent) -> Vec<UserId> {
    match event {
        RoomEvent::Created(created) => created.members.iter().map(|member| member.user).collect(),
        RoomEvent::MemberJoined(joined) => vec![joined.user],
        RoomEvent::MemberLeft(left) => vec![left.user],
        RoomEvent::MemberInvited(invited) => vec![invited.user],
        RoomEvent::MemberRemoved(removed) => vec![removed.user],
        RoomEvent::MemberRoleChanged(changed) => vec![changed.user],
        RoomEvent::MemberBanned(banned) => vec![banned.user],
        RoomEvent::MemberUnbanned(unbanned) => vec![unbanned.user],
        RoomEvent::MemberMuted(muted) => vec![muted.user],
        RoomEvent::MemberUnmuted(unmuted) => vec![unmuted.user],
        RoomEvent::Renamed(_) | RoomEvent::SlowModeChanged(_) | RoomEvent::Erased(_) => vec![],
    }
}

/// What is known of a room's members: `Some(None)` for somebody who never had to do with it.
pub(crate) type Known = HashMap<UserId, Option<MemberState>>;

/// The room as members need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    /// Its members before the fact.
    pub(crate) members: u64,
    /// Its messages before the fact.
    pub(crate) messages: u64,
}

/// Folds a fact that stands into what is known and into the planned changes. `raises` are the marks of a receipt
/// fact. Gives by how many the members became more.
pub(crate) fn apply(
    fact: &Entry<'_>,
    beside: Beside,
    raises: &[Raise],
    known: &mut Known,
    changes: &mut Changes,
) -> i64 {
    match &fact.envelope.event {
        Fact::Room(event) => apply_state(fact, event, beside, known, changes),
        Fact::Receipt(ReceiptEvent::Moved(_)) => {
            for raise in raises {
                if !matches!(known.get(&raise.user), Some(None)) {
                    changes.raise(fact.room, *raise);
                }
            }
            0
        }
        Fact::Message(_) | Fact::Identity(_) | Fact::Account(_) => 0,
    }
}

fn apply_state(
    fact: &Entry<'_>,
    event: &RoomEvent,
    beside: Beside,
    known: &mut Known,
    changes: &mut Changes,
) -> i64 {
    let seq = fact.seq;
    match event {
        RoomEvent::Created(created) => {
            let mut more = 0;
            for member in &created.members {
                let state = MemberState::begin(MemberStanding::Joined, member.role, seq);
                more += set(fact.room, member.user, state, known, changes);
            }
            more
        }
        RoomEvent::MemberJoined(joined) => {
            // As in the domain: whoever enters an empty room owns it.
            let role = if beside.members == 0 { Role::Owner } else { Role::Member };
            let before = known.get(&joined.user).and_then(Option::as_ref);
            let state = MemberState::begun(before, MemberStanding::Joined, role, seq);
            let more = set(fact.room, joined.user, state, known, changes);
            // What was said before one came is not unread.
            changes.see(fact.room, joined.user, beside.messages);
            more
        }
        RoomEvent::MemberInvited(invited) => {
            let before = known.get(&invited.user).and_then(Option::as_ref);
            let state = MemberState::begun(before, MemberStanding::Invited, Role::Member, seq);
            set(fact.room, invited.user, state, known, changes)
        }
        RoomEvent::MemberLeft(left) => end(fact.room, left.user, MemberStanding::Left, seq, known, changes),
        RoomEvent::MemberRemoved(removed) => {
            end(fact.room, removed.user, MemberStanding::Removed, seq, known, changes)
        }
        RoomEvent::MemberRoleChanged(event) => {
            alter(fact.room, event.user, known, changes, |state| state.role = event.role)
        }
        RoomEvent::MemberBanned(banned) => {
            let term = Term { until: banned.until };
            let ban = Ban { by: fact.by(), at: fact.at(), term, reason: banned.reason.clone() };
            let before = known.get(&banned.user).and_then(Option::as_ref);
            let state = MemberState::banned(before, ban, seq);
            set(fact.room, banned.user, state, known, changes)
        }
        RoomEvent::MemberUnbanned(unbanned) => alter(fact.room, unbanned.user, known, changes, |state| {
            if state.standing == MemberStanding::Banned {
                state.standing = MemberStanding::Removed;
                state.ban = None;
            }
        }),
        RoomEvent::MemberMuted(muted) => alter(fact.room, muted.user, known, changes, |state| {
            state.muted = Some(Term { until: muted.until });
        }),
        RoomEvent::MemberUnmuted(unmuted) => {
            alter(fact.room, unmuted.user, known, changes, |state| state.muted = None)
        }
        RoomEvent::Renamed(_) | RoomEvent::SlowModeChanged(_) | RoomEvent::Erased(_) => 0,
    }
}

/// Changes something about somebody who has, or had, to do with the room.
fn alter(
    room: RoomId,
    user: UserId,
    known: &mut Known,
    changes: &mut Changes,
    change: impl FnOnce(&mut MemberState),
) -> i64 {
    let Some(mut state) = known.get(&user).and_then(Option::as_ref).cloned() else { return 0 };
    change(&mut state);
    set(room, user, state, known, changes)
}

fn end(
    room: RoomId,
    user: UserId,
    standing: MemberStanding,
    at: Seq,
    known: &mut Known,
    changes: &mut Changes,
) -> i64 {
    match known.get(&user).and_then(Option::as_ref) {
        Some(before) if before.standing.present().is_some() => {
            let state = before.ended(standing, at);
            set(room, user, state, known, changes)
        }
        Some(_) | None => 0,
    }
}

fn set(room: RoomId, user: UserId, state: MemberState, known: &mut Known, changes: &mut Changes) -> i64 {
    let joined = |state: &MemberState| i64::from(state.standing == MemberStanding::Joined);
    let before = known.get(&user).and_then(Option::as_ref).map_or(0, joined);
    let after = joined(&state);
    if matches!(known.get(&user), Some(None)) {
        changes.forget_marks(room, user);
    }
    changes.set(room, user, state.clone());
    known.insert(user, Some(state));
    after - before
}

pub(crate) fn key(room: RoomId, user: UserId) -> Bson {
    stored::pair(room.as_uuid(), user.as_uuid())
}

fn state_fields(room: RoomId, user: UserId, state: &MemberState) -> Document {
    let earlier: Vec<Bson> = state
        .earlier
        .iter()
        .map(|(from, to)| Bson::Array(vec![stored::seq(*from), stored::seq(*to)]))
        .collect();
    doc! {
        "room": stored::room(room),
        "user": stored::user(user),
        "standing": state.standing.name(),
        "present": state.standing.present().is_some(),
        "role": stored::role_name(state.role),
        "since": stored::seq(state.since),
        "until": state.until.map_or(Bson::Null, stored::seq),
        "earlier": earlier,
        "banned": state.ban.is_some(),
        "ban": state.ban.as_ref().map_or(Bson::Null, |ban| Bson::Document(ban_fields(ban))),
        "muted": state.muted.map_or(Bson::Null, |term| Bson::Document(term_fields(term))),
    }
}

fn term_fields(term: Term) -> Document {
    doc! { "until": term.until.map_or(Bson::Null, |until| Bson::Int64(until.millis())) }
}

fn ban_fields(ban: &Ban) -> Document {
    let mut fields = term_fields(ban.term);
    fields.insert("by", stored::user(ban.by));
    fields.insert("at", ban.at.millis());
    fields.insert("reason", ban.reason.clone());
    fields
}

fn read_term(fields: &Fields<'_>) -> Result<Term, ReadError> {
    Ok(Term { until: fields.optional("until", Fields::signed)?.map(Timestamp) })
}

fn read_ban(fields: &Fields<'_>) -> Result<Ban, ReadError> {
    Ok(Ban {
        by: fields.user("by")?,
        at: Timestamp(fields.signed("at")?),
        term: read_term(fields)?,
        reason: fields.optional("reason", Fields::text)?.map(str::to_owned),
    })
}

/// A stored member: the state, the marks, and how many messages they have seen.
#[derive(Clone, Debug)]
pub(crate) struct MemberDoc {
    pub(crate) membership: Membership,
    pub(crate) seen: u64,
}

impl MemberDoc {
    pub(crate) fn read(document: &Document) -> Result<Self, ReadError> {
        let fields = Fields::of(Collection::Members.base(), document);
        let name = fields.text("standing")?;
        let standing = MemberStanding::ALL.into_iter().find(|standing| standing.name() == name);
        let membership = Membership {
            room: fields.room("room")?,
            user: fields.user("user")?,
            standing: standing.ok_or_else(|| fields.wrong("standing"))?,
            role: fields.role("role")?,
            since: fields.number("since")?,
            until: fields.optional("until", Fields::number)?,
            earlier: fields.ranges("earlier")?,
            delivered: fields.number("delivered")?,
            read: fields.number("read")?,
            ban: fields.optional("ban", Fields::inner)?.as_ref().map(read_ban).transpose()?,
            muted: fields.optional("muted", Fields::inner)?.as_ref().map(read_term).transpose()?,
        };
        Ok(Self { membership, seen: fields.number("seen")? })
    }

    pub(crate) fn state(self) -> MemberState {
        let Membership { standing, role, since, until, earlier, ban, muted, .. } = self.membership;
        MemberState { standing, role, since, until, earlier, ban, muted }
    }
}

pub(crate) fn indexes() -> Vec<Document> {
    vec![
        doc! { "name": "user", "key": { "user": 1 } },
        doc! { "name": "room_present_user", "key": { "room": 1, "present": 1, "user": 1 } },
        doc! { "name": "room_banned_user", "key": { "room": 1, "banned": 1, "user": 1 } },
    ]
}

/// The queries.
pub(crate) struct Members<'a> {
    pub(crate) store: &'a Store,
    pub(crate) version: Version,
}

impl Members<'_> {
    fn collection(&self) -> mongodb::Collection<Document> {
        self.store.collection(&Collection::Members.name(self.version))
    }

    async fn matching(&self, filter: Document) -> Result<Vec<MemberDoc>, ReadError> {
        let documents: Vec<Document> = self.collection().find(filter).await?.try_collect().await?;
        documents.iter().map(MemberDoc::read).collect()
    }

    /// Everybody's relation to every room that this user ever had to do with.
    pub(crate) async fn of_user(&self, user: UserId) -> Result<Vec<MemberDoc>, ReadError> {
        self.matching(doc! { "user": stored::user(user) }).await
    }

    pub(crate) async fn one(&self, room: RoomId, user: UserId) -> Result<Option<MemberDoc>, ReadError> {
        let found = self.collection().find_one(doc! { "_id": key(room, user) }).await?;
        found.as_ref().map(MemberDoc::read).transpose()
    }

    /// Joined and invited people of a room, by id.
    pub(crate) async fn of_room(&self, room: RoomId) -> Result<Vec<MemberDoc>, ReadError> {
        let mut members = self.matching(doc! { "room": stored::room(room), "present": true }).await?;
        members.sort_unstable_by_key(|member| member.membership.user);
        Ok(members)
    }

    /// At most `limit` of them, after this one.
    pub(crate) async fn page(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<MemberDoc>, ReadError> {
        self.page_of("present", room, after, limit).await
    }

    /// At most `limit` of those who are banned, after this one, by id.
    pub(crate) async fn banned(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<MemberDoc>, ReadError> {
        self.page_of("banned", room, after, limit).await
    }

    async fn page_of(
        &self,
        which: &'static str,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<MemberDoc>, ReadError> {
        let mut filter = doc! { "room": stored::room(room), which: true };
        if let Some(after) = after {
            filter.insert("user", doc! { "$gt": stored::user(after) });
        }
        let order = doc! { "room": 1, which: 1, "user": 1 };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let documents: Vec<Document> =
            self.collection().find(filter).sort(order).limit(limit).await?.try_collect().await?;
        documents.iter().map(MemberDoc::read).collect()
    }

    /// What state facts said of these, for the fold: `None` for those without a document.
    pub(crate) async fn states(
        &self,
        keys: &[(RoomId, UserId)],
    ) -> Result<HashMap<(RoomId, UserId), Option<MemberState>>, ReadError> {
        let ids: Vec<Bson> = keys.iter().map(|(room, user)| key(*room, *user)).collect();
        let mut states: HashMap<_, _> = keys.iter().map(|key| (*key, None)).collect();
        for member in self.matching(doc! { "_id": { "$in": ids } }).await? {
            let key = (member.membership.room, member.membership.user);
            states.insert(key, Some(member.state()));
        }
        Ok(states)
    }
}

/// A member's marks, as clients see them.
pub(crate) const fn mark(member: &Membership) -> Mark {
    Mark { user: member.user, delivered: member.delivered, read: member.read }
}
