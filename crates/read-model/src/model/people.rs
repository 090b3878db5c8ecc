//! People and rooms.

use std::{collections::HashMap, ops::Deref};

use chasqui_events::{
    RoomId, Seq, SessionId, Text, UserId,
    receipts::Mark,
    room::{Kind, Role},
};
use chasqui_protocol::query::{Acts, Ban, Conversation, Muted, PublicRoom, Receipts, Standing};

use super::ReadModel;
use crate::{
    MemberStanding, Membership, ReadError, RoomInfo, RoomMembers, StoredItem, StoredProfile, Version,
    view::{
        members::{self, MemberDoc},
        rooms::{self, RoomDoc},
    },
};

/// One of somebody's rooms, with its last message as the projections hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConversation {
    /// The room; its `last` is not filled in.
    pub conversation: Conversation,
    /// The last message, when there is one and the caller may see it.
    pub last: Option<StoredItem>,
}

/// What is open about it.
impl Deref for StoredConversation {
    type Target = Conversation;

    fn deref(&self) -> &Conversation {
        &self.conversation
    }
}

/// One member of a room; what is personal stays sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    /// Who.
    pub user: UserId,
    /// Their name; empty when their registration is not projected.
    pub name: Text,
    /// In it or only invited.
    pub standing: Standing,
    /// Their role.
    pub role: Role,
    /// That they may not post.
    pub muted: Option<Muted>,
}

/// A page of who is banned from a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBans {
    /// By id: the ban without a name, and the name as the projections hold it.
    pub bans: Vec<(Ban, Text)>,
    /// There are more after the last one.
    pub more: bool,
}

/// A page of the members of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMembers {
    /// By id.
    pub members: Vec<StoredMember>,
    /// There are more after the last one.
    pub more: bool,
}

impl ReadModel {
    /// This user's relation to every room that they ever had to do with.
    pub async fn memberships(&self, user: UserId) -> Result<Vec<Membership>, ReadError> {
        let version = self.version().await;
        let found = self.members_view(version).of_user(user).await?;
        Ok(found.into_iter().map(|member| member.membership).collect())
    }

    /// This user's relation to this room; `None` when there never was one.
    pub async fn membership(&self, room: RoomId, user: UserId) -> Result<Option<Membership>, ReadError> {
        let version = self.version().await;
        Ok(self.members_view(version).one(room, user).await?.map(|member| member.membership))
    }

    /// Everybody in a room, and how far its state lane has been applied at least.
    pub async fn room_members(&self, room: RoomId) -> Result<RoomMembers, ReadError> {
        let version = self.version().await;
        // The room first: what is read after it is at least as new.
        let state_seq = self.rooms(version).by_id(room).await?.map_or(0, |doc| doc.applied_state);
        let found = self.members_view(version).of_room(room).await?;
        let member = |member: MemberDoc| {
            let Membership { user, standing, role, .. } = member.membership;
            standing.present().map(|standing| (user, standing, role))
        };
        Ok(RoomMembers { members: found.into_iter().filter_map(member).collect(), state_seq })
    }

    /// What a room is; `None` when there is none.
    pub async fn room(&self, room: RoomId) -> Result<Option<RoomInfo>, ReadError> {
        let version = self.version().await;
        Ok(self.rooms(version).by_id(room).await?.and_then(RoomDoc::info))
    }

    /// The room that a pair has claimed for its conversation. The room itself may not be projected yet.
    pub async fn direct(&self, one: UserId, other: UserId) -> Result<Option<RoomId>, ReadError> {
        let version = self.version().await;
        self.directs(version).room(one, other).await
    }

    /// Those among these sessions that were revoked.
    pub async fn revoked_sessions(&self, sessions: &[SessionId]) -> Result<Vec<SessionId>, ReadError> {
        if sessions.is_empty() {
            return Ok(vec![]);
        }
        let version = self.version().await;
        self.sessions(version).revoked(sessions).await
    }

    /// What was decided about accounts and what operators did, in order, after this place.
    pub async fn acts(&self, after: Seq, about: Option<UserId>, limit: usize) -> Result<Acts, ReadError> {
        let version = self.version().await;
        let mut acts = self.audit(version).page(after, about, limit.saturating_add(1)).await?;
        let more = acts.len() > limit;
        acts.truncate(limit);
        Ok(Acts { acts, more })
    }

    /// The rooms that a user is in or invited to, the most recently active first.
    pub async fn conversations(&self, user: UserId) -> Result<Vec<StoredConversation>, ReadError> {
        let version = self.version().await;
        let mine = self.members_view(version).of_user(user).await?;
        let mine: Vec<_> =
            mine.into_iter().filter(|member| member.membership.standing.present().is_some()).collect();
        if mine.is_empty() {
            return Ok(vec![]);
        }
        let ids: Vec<RoomId> = mine.iter().map(|member| member.membership.room).collect();
        let rooms = self.rooms(version).by_ids(&ids).await?;
        let mut found: Vec<_> = mine
            .into_iter()
            .filter_map(|member| {
                let room = rooms.get(&member.membership.room)?;
                Some((rooms::last_activity(room), conversation(room, &member)?, visible_last(room, &member)))
            })
            .collect();
        found.sort_by(|(a, one, _), (b, other, _)| b.cmp(a).then(one.room.cmp(&other.room)));
        let places: Vec<_> = found.iter().filter_map(|(.., last)| *last).collect();
        let mut messages = self.timeline(version).at_all(&places).await?;
        let with_last = |(_, conversation, last): (_, _, Option<(RoomId, Seq)>)| StoredConversation {
            conversation,
            last: last.and_then(|place| messages.remove(&place)),
        };
        Ok(found.into_iter().map(with_last).collect())
    }

    /// One of them; `None` when the user is neither in the room nor invited.
    pub async fn conversation(
        &self,
        user: UserId,
        room: RoomId,
    ) -> Result<Option<StoredConversation>, ReadError> {
        let version = self.version().await;
        let Some(member) = self.members_view(version).one(room, user).await? else { return Ok(None) };
        let Some(doc) = self.rooms(version).by_id(room).await? else { return Ok(None) };
        let Some(conversation) = conversation(&doc, &member) else { return Ok(None) };
        let last = match visible_last(&doc, &member) {
            Some((room, seq)) => self.timeline(version).at(room, seq).await?.map(|entry| entry.item),
            None => None,
        };
        Ok(Some(StoredConversation { conversation, last }))
    }

    /// Who is in a room or invited, by id, after this one.
    pub async fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<StoredMembers, ReadError> {
        let version = self.version().await;
        let mut found = self.members_view(version).page(room, after, limit.saturating_add(1)).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let ids: Vec<UserId> = found.iter().map(|member| member.membership.user).collect();
        let mut names = self.names(version, &ids).await?;
        let member = |member: MemberDoc| {
            let Membership { user, standing, role, muted, .. } = member.membership;
            let name = names.remove(&user).unwrap_or_default();
            let muted = muted.map(|term| Muted { until: term.until });
            standing.present().map(|standing| StoredMember { user, name, standing, role, muted })
        };
        Ok(StoredMembers { members: found.into_iter().filter_map(member).collect(), more })
    }

    /// Who is banned from a room, by id, after this one.
    pub async fn bans(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<StoredBans, ReadError> {
        let version = self.version().await;
        let mut found = self.members_view(version).banned(room, after, limit.saturating_add(1)).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let ids: Vec<UserId> = found.iter().map(|member| member.membership.user).collect();
        let mut names = self.names(version, &ids).await?;
        let ban = |member: MemberDoc| {
            let Membership { user, ban, .. } = member.membership;
            let name = names.remove(&user).unwrap_or_default();
            let ban = ban?;
            let (by, at, until) = (ban.by, ban.at, ban.term.until);
            Some((Ban { user, name: String::new(), by, at, until, reason: ban.reason }, name))
        };
        Ok(StoredBans { bans: found.into_iter().filter_map(ban).collect(), more })
    }

    async fn names(&self, version: Version, users: &[UserId]) -> Result<HashMap<UserId, Text>, ReadError> {
        let profiles = self.users(version).profiles(users).await?;
        Ok(profiles.into_iter().map(|profile| (profile.user, profile.name)).collect())
    }

    /// Whose marks reach a message, and all marks of the room. Its author is in neither list.
    pub async fn receipts(&self, room: RoomId, seq: Seq) -> Result<Receipts, ReadError> {
        let marks = self.marks(room).await?;
        let version = self.version().await;
        let author = self.timeline(version).at(room, seq).await?.map(|entry| entry.item.by);
        let reach = |mark: fn(&Mark) -> Seq| {
            let reached = marks.iter().filter(|m| mark(m) >= seq && Some(m.user) != author);
            reached.map(|mark| mark.user).collect()
        };
        Ok(Receipts { delivered: reach(|mark| mark.delivered), read: reach(|mark| mark.read), marks })
    }

    /// The marks of everybody who is in a room, by id.
    pub async fn marks(&self, room: RoomId) -> Result<Vec<Mark>, ReadError> {
        let version = self.version().await;
        let members = self.members_view(version).of_room(room).await?;
        let joined = members.iter().filter(|member| member.membership.standing == MemberStanding::Joined);
        Ok(joined.map(|member| members::mark(&member.membership)).collect())
    }

    /// Who somebody is.
    pub async fn profile(&self, user: UserId) -> Result<Option<StoredProfile>, ReadError> {
        let version = self.version().await;
        self.users(version).profile(user).await
    }

    /// Who has the name with this claim token.
    pub async fn user_by_name(&self, token: &str) -> Result<Option<StoredProfile>, ReadError> {
        let version = self.version().await;
        self.users(version).by_name(token).await
    }

    /// The public rooms whose names begin so, in any case and form; at most 100, by name.
    pub async fn public_rooms(&self, prefix: &str) -> Result<Vec<PublicRoom>, ReadError> {
        let version = self.version().await;
        self.rooms(version).public(prefix).await
    }
}

/// A room as one of its people sees it. Who is only invited sees neither messages nor their number.
fn conversation(room: &RoomDoc, member: &MemberDoc) -> Option<Conversation> {
    let Membership { user, standing, role, read, .. } = member.membership;
    let joined = standing == MemberStanding::Joined;
    let other = |pair: [UserId; 2]| pair.into_iter().find(|one| *one != user);
    Some(Conversation {
        room: room.room,
        kind: room.kind?,
        name: room.name.clone(),
        slow_mode_s: Some(room.slow_mode_s).filter(|seconds| *seconds > 0),
        erased: room.erased,
        peer: if room.kind == Some(Kind::Direct) { room.pair.and_then(other) } else { None },
        standing: standing.present()?,
        role: if joined { role } else { Role::Member },
        members: room.members,
        unread: if joined && !room.erased { room.unread(user, member.seen) } else { 0 },
        read,
        head: room.top,
        last: None,
    })
}

/// Where the last message is, for whom it is to see.
fn visible_last(room: &RoomDoc, member: &MemberDoc) -> Option<(RoomId, Seq)> {
    let joined = member.membership.standing == MemberStanding::Joined;
    room.last.filter(|_| joined).map(|last| (room.room, last.seq))
}
