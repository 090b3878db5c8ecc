//! A room: the fold of its state lane, and the decisions that stand on it.

use std::collections::{BTreeMap, BTreeSet};

use chasqui_events::{
    CommandId, Seq, Timestamp, UserId,
    account::GlobalRole,
    room::{
        Created, Erased, FoundingMember, Kind, MemberBanned, MemberInvited, MemberJoined, MemberLeft,
        MemberMuted, MemberRemoved, MemberRoleChanged, MemberUnbanned, MemberUnmuted, Renamed, Role,
        RoomEvent, SlowModeChanged,
    },
};
use serde::{Deserialize, Serialize};

use crate::{Limits, Permission, Rejection, name, permission};

mod moderation;

pub use moderation::Term;

/// Who asks, as what, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who.
    pub user: UserId,
    /// Their global role.
    pub role: GlobalRole,
    /// When: the time of recording, also where something is brought in from elsewhere.
    pub at: Timestamp,
}

/// A member of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What they may do.
    pub role: Role,
}

/// The state of a room: the fold of its state lane from the first fact on.
///
/// `Room::default()` is a room before its creation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// What it is for; `None` before its creation.
    pub kind: Option<Kind>,
    /// Its name; empty for a direct conversation.
    pub name: String,
    /// Who is in it.
    pub members: BTreeMap<UserId, Member>,
    /// Who may enter it although it is private.
    pub invited: BTreeSet<UserId>,
    /// Who may not enter it, and until when; also those whose time is over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub banned: BTreeMap<UserId, Term>,
    /// Who may not post, and until when; also those whose time is over, and those who have left.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub muted: BTreeMap<UserId, Term>,
    /// It was erased for good.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// The time between two messages of one member, in seconds; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub slow_mode_s: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A command on a room's state lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomCommand {
    /// Open a public or private room, with the caller as owner.
    Create {
        /// Public or private.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Open the conversation of a pair.
    OpenDirect {
        /// The other side.
        with: UserId,
    },
    /// Give the room another name.
    Rename {
        /// The new name.
        name: String,
    },
    /// Become a member.
    Join,
    /// Stop being a member, or decline an invitation.
    Leave,
    /// Let somebody in.
    Invite {
        /// Who.
        user: UserId,
    },
    /// Put somebody out, or take an invitation back.
    Remove {
        /// Who.
        user: UserId,
        /// Why.
        reason: Option<String>,
    },
    /// Give somebody another role.
    ChangeRole {
        /// Who.
        user: UserId,
        /// The new role.
        role: Role,
    },
    /// Put somebody out, and keep them out.
    Ban {
        /// Who.
        user: UserId,
        /// Until when; `None` for until it is lifted.
        until: Option<Timestamp>,
        /// Why.
        reason: Option<String>,
    },
    /// Let somebody in again.
    Unban {
        /// Who.
        user: UserId,
    },
    /// Keep somebody from posting.
    Mute {
        /// Who.
        user: UserId,
        /// Until when; `None` for until it is lifted.
        until: Option<Timestamp>,
        /// Why.
        reason: Option<String>,
    },
    /// Let somebody post again.
    Unmute {
        /// Who.
        user: UserId,
    },
    /// Have members post less often, or as often as they like again.
    SetSlowMode {
        /// The time between two messages of one member, in seconds; 0 for none.
        seconds: u32,
    },
    /// Erase the room for good.
    Erase {
        /// Its name, to show that this one is meant.
        name: String,
        /// Why.
        reason: Option<String>,
    },
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This is to be recorded.
    Record(RoomEvent),
    /// It is so already; nothing is to be recorded, and the caller has what they asked for.
    AlreadySo,
}

impl Room {
    /// Folds one fact. `seq`s must rise; facts of a room that does not exist are impossible by construction.
    pub fn apply(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::Created(Created { kind, name, members }) => {
                self.kind = Some(*kind);
                self.name.clone_from(name);
                self.members = members.iter().map(|m| (m.user, Member { role: m.role })).collect();
            }
            RoomEvent::Renamed(Renamed { name }) => self.name.clone_from(name),
            RoomEvent::MemberJoined(MemberJoined { user }) => {
                self.invited.remove(user);
                // Whoever enters an empty room owns it: a room with members is never without an owner.
                let role = if self.members.is_empty() { Role::Owner } else { Role::Member };
                self.members.entry(*user).or_insert(Member { role });
            }
            RoomEvent::MemberInvited(MemberInvited { user }) => {
                self.invited.insert(*user);
            }
            RoomEvent::MemberLeft(MemberLeft { user })
            | RoomEvent::MemberRemoved(MemberRemoved { user, .. }) => {
                self.members.remove(user);
                self.invited.remove(user);
            }
            RoomEvent::MemberRoleChanged(MemberRoleChanged { user, role }) => {
                if let Some(member) = self.members.get_mut(user) {
                    member.role = *role;
                }
            }
            RoomEvent::MemberBanned(MemberBanned { user, until, .. }) => {
                self.members.remove(user);
                self.invited.remove(user);
                self.banned.insert(*user, Term { until: *until });
            }
            RoomEvent::MemberUnbanned(MemberUnbanned { user }) => {
                self.banned.remove(user);
            }
            RoomEvent::MemberMuted(MemberMuted { user, until, .. }) => {
                self.muted.insert(*user, Term { until: *until });
            }
            RoomEvent::MemberUnmuted(MemberUnmuted { user }) => {
                self.muted.remove(user);
            }
            RoomEvent::SlowModeChanged(SlowModeChanged { seconds }) => self.slow_mode_s = *seconds,
            RoomEvent::Erased(_) => {
                self.erased = true;
                self.name.clear();
                self.invited.clear();
            }
        }
    }

    /// Decides a command.
    ///
    /// # Errors
    /// The reason why it cannot be; nothing is to be recorded then.
    pub fn decide(
        &self,
        asker: Asker,
        command: &RoomCommand,
        limits: &Limits,
    ) -> Result<Decision, Rejection> {
        let caller = asker.user;
        if !matches!(command, RoomCommand::Leave | RoomCommand::Erase { .. }) {
            self.not_erased(asker)?;
        }
        match command {
            RoomCommand::Create { kind, name } => self.decide_create(caller, *kind, name, limits),
            RoomCommand::OpenDirect { with } => self.decide_open_direct(caller, *with),
            RoomCommand::Rename { name } => self.decide_rename(asker, name, limits),
            RoomCommand::Join => self.decide_join(asker, limits),
            RoomCommand::Leave => self.decide_leave(caller),
            RoomCommand::Invite { user } => self.decide_invite(asker, *user, limits),
            RoomCommand::Remove { user, reason } => self.decide_remove(asker, *user, reason.as_deref()),
            RoomCommand::ChangeRole { user, role } => self.decide_change_role(asker, *user, *role),
            RoomCommand::Ban { user, until, reason } => {
                self.decide_ban(asker, *user, *until, reason.as_deref(), limits)
            }
            RoomCommand::Unban { user } => self.decide_unban(asker, *user),
            RoomCommand::Mute { user, until, reason } => {
                self.decide_mute(asker, *user, *until, reason.as_deref())
            }
            RoomCommand::Unmute { user } => self.decide_unmute(asker, *user),
            RoomCommand::SetSlowMode { seconds } => self.decide_slow_mode(asker, *seconds),
            RoomCommand::Erase { name, reason } => self.decide_erase(asker, name, reason.as_deref()),
        }
    }

    /// Decides whether `asker` may post this. Whoever appends it seals the body; the message is not folded here.
    ///
    /// # Errors
    /// The reason why not.
    pub fn decide_post(
        &self,
        asker: Asker,
        body: &str,
        replies_to: &[CommandId],
        limits: &Limits,
    ) -> Result<(), Rejection> {
        Permission::Post.demand(self.member(asker.user)?.role)?;
        self.not_erased(asker)?;
        if let Some(Term { until }) = self.mute(asker.user, asker.at) {
            return Err(Rejection::Muted { until });
        }
        name::size("a message", "bytes", body.len(), 1, limits.body_bytes)?;
        name::size("the list of answered messages", "entries", replies_to.len(), 0, limits.replies)
    }

    /// The caller as a member.
    ///
    /// # Errors
    /// [`Rejection::RoomNotFound`] when there is no room or it is private and not the caller's business,
    /// [`Rejection::NotAMember`] otherwise.
    pub fn member(&self, caller: UserId) -> Result<&Member, Rejection> {
        let kind = self.kind.ok_or(Rejection::RoomNotFound)?;
        match (self.members.get(&caller), kind) {
            (Some(member), _) => Ok(member),
            (None, Kind::Public) => Err(Rejection::NotAMember),
            (None, Kind::Private | Kind::Direct) if self.invited.contains(&caller) => {
                Err(Rejection::NotAMember)
            }
            (None, Kind::Private | Kind::Direct) => Err(Rejection::RoomNotFound),
        }
    }

    /// The role with which somebody acts: a member's, or in a public room the one that their global role gives.
    ///
    /// # Errors
    /// As [`Room::member`].
    pub fn standing_of(&self, asker: Asker) -> Result<Role, Rejection> {
        let outside =
            if self.kind == Some(Kind::Public) { permission::role_outside(asker.role) } else { None };
        match (self.member(asker.user), outside) {
            (Ok(member), outside) => Ok(outside.map_or(member.role, |role| role.max(member.role))),
            (Err(_), Some(role)) => Ok(role),
            (Err(rejection), None) => Err(rejection),
        }
    }

    fn decide_create(
        &self,
        caller: UserId,
        kind: Kind,
        name: &str,
        limits: &Limits,
    ) -> Result<Decision, Rejection> {
        if kind == Kind::Direct {
            return Err(Rejection::NotInDirect { what: "name; open it with the other user instead" });
        }
        name::check_room_name(name, limits)?;
        if self.kind.is_some() {
            return Ok(Decision::AlreadySo);
        }
        let members = vec![FoundingMember { user: caller, role: Role::Owner }];
        Ok(Decision::Record(RoomEvent::Created(Created { kind, name: name.trim().to_owned(), members })))
    }

    fn decide_open_direct(&self, caller: UserId, with: UserId) -> Result<Decision, Rejection> {
        if caller == with {
            return Err(Rejection::DirectWithSelf);
        }
        if self.kind.is_some() {
            return Ok(Decision::AlreadySo);
        }
        let pair = if caller < with { [caller, with] } else { [with, caller] };
        let members = pair.map(|user| FoundingMember { user, role: Role::Member }).to_vec();
        Ok(Decision::Record(RoomEvent::Created(Created { kind: Kind::Direct, name: String::new(), members })))
    }

    fn decide_rename(&self, asker: Asker, name: &str, limits: &Limits) -> Result<Decision, Rejection> {
        let role = self.standing_of(asker)?;
        self.not_direct("name")?;
        Permission::Rename.demand(role)?;
        name::check_room_name(name, limits)?;
        let name = name.trim();
        if self.name == name {
            return Ok(Decision::AlreadySo);
        }
        Ok(Decision::Record(RoomEvent::Renamed(Renamed { name: name.to_owned() })))
    }

    fn decide_join(&self, asker: Asker, limits: &Limits) -> Result<Decision, Rejection> {
        let caller = asker.user;
        let kind = self.kind.ok_or(Rejection::RoomNotFound)?;
        if self.members.contains_key(&caller) {
            return Ok(Decision::AlreadySo);
        }
        if self.is_banned(caller, asker.at) {
            return Err(Rejection::Banned);
        }
        let invited = self.invited.contains(&caller);
        match kind {
            Kind::Private if !invited => return Err(Rejection::InvitationNeeded),
            Kind::Direct => return Err(Rejection::RoomNotFound),
            Kind::Public | Kind::Private => {}
        }
        if !invited {
            self.has_place(limits)?;
        }
        Ok(Decision::Record(RoomEvent::MemberJoined(MemberJoined { user: caller })))
    }

    fn decide_leave(&self, caller: UserId) -> Result<Decision, Rejection> {
        self.kind.ok_or(Rejection::RoomNotFound)?;
        if !self.members.contains_key(&caller) && !self.invited.contains(&caller) {
            return Ok(Decision::AlreadySo);
        }
        self.not_direct("leaving")?;
        if !self.erased {
            self.not_the_last_owner(caller)?;
        }
        Ok(Decision::Record(RoomEvent::MemberLeft(MemberLeft { user: caller })))
    }

    fn decide_invite(&self, asker: Asker, user: UserId, limits: &Limits) -> Result<Decision, Rejection> {
        let role = self.member(asker.user)?.role;
        self.not_direct("invitations")?;
        Permission::Invite.demand(role)?;
        if self.is_banned(user, asker.at) {
            return Err(Rejection::TargetBanned);
        }
        if self.members.contains_key(&user) || self.invited.contains(&user) {
            return Ok(Decision::AlreadySo);
        }
        self.has_place(limits)?;
        Ok(Decision::Record(RoomEvent::MemberInvited(MemberInvited { user })))
    }

    fn decide_remove(&self, asker: Asker, user: UserId, reason: Option<&str>) -> Result<Decision, Rejection> {
        let role = self.standing_of(asker)?;
        self.not_direct("removal")?;
        Permission::Remove.demand(role)?;
        name::reason(reason)?;
        match self.members.get(&user) {
            Some(target) if user != asker.user && target.role >= role && role != Role::Owner => {
                return Err(Rejection::RoleTooLow { needed: Role::Owner });
            }
            Some(_) => self.not_the_last_owner(user)?,
            None if self.invited.contains(&user) => {}
            None => return Ok(Decision::AlreadySo),
        }
        Ok(Decision::Record(RoomEvent::MemberRemoved(MemberRemoved {
            user,
            reason: reason.map(str::to_owned),
        })))
    }

    fn decide_change_role(&self, asker: Asker, user: UserId, role: Role) -> Result<Decision, Rejection> {
        let own = self.standing_of(asker)?;
        self.not_direct("roles")?;
        Permission::ChangeRole.demand(own)?;
        let target = self.members.get(&user).ok_or(Rejection::TargetNotAMember)?;
        if target.role == role {
            return Ok(Decision::AlreadySo);
        }
        self.another_owner_than(user)?;
        Ok(Decision::Record(RoomEvent::MemberRoleChanged(MemberRoleChanged { user, role })))
    }

    /// An owner says why if they like; an admin who is none has to. Whoever wants it repeats the room's name.
    fn decide_erase(&self, asker: Asker, name: &str, reason: Option<&str>) -> Result<Decision, Rejection> {
        self.kind.ok_or(Rejection::RoomNotFound)?;
        let owns = self.members.get(&asker.user).is_some_and(|member| member.role == Role::Owner);
        // Also in a private room, which admins do not enter: somebody has to be able to.
        let role = if asker.role == GlobalRole::Admin { Role::Owner } else { self.standing_of(asker)? };
        self.not_direct("erasure; erase its sides' accounts")?;
        Permission::EraseRoom.demand(role)?;
        name::reason(if owns { reason } else { reason.or(Some("")) })?;
        if self.erased {
            return Ok(Decision::AlreadySo);
        }
        if name.trim() != self.name {
            return Err(Rejection::AnotherName);
        }
        Ok(Decision::Record(RoomEvent::Erased(Erased { reason: reason.map(str::to_owned) })))
    }

    /// The room is not erased; whoever may not know of it is told what they are always told.
    fn not_erased(&self, asker: Asker) -> Result<(), Rejection> {
        match (self.erased, self.standing_of(asker)) {
            (false, _) => Ok(()),
            (true, Err(Rejection::RoomNotFound)) => Err(Rejection::RoomNotFound),
            (true, _) => Err(Rejection::RoomErased),
        }
    }

    fn not_direct(&self, what: &'static str) -> Result<(), Rejection> {
        if self.kind == Some(Kind::Direct) { Err(Rejection::NotInDirect { what }) } else { Ok(()) }
    }

    fn has_place(&self, limits: &Limits) -> Result<(), Rejection> {
        if self.members.len() + self.invited.len() < limits.room_members {
            Ok(())
        } else {
            Err(Rejection::RoomFull { most: limits.room_members })
        }
    }

    /// `user` may go: somebody else owns the room, or nobody else is in it.
    fn not_the_last_owner(&self, user: UserId) -> Result<(), Rejection> {
        if self.members.len() > 1 { self.another_owner_than(user) } else { Ok(()) }
    }

    /// `user` may be no owner: they are none, or there is another.
    fn another_owner_than(&self, user: UserId) -> Result<(), Rejection> {
        let owns = |member: &Member| member.role == Role::Owner;
        let another = self.members.iter().any(|(other, member)| *other != user && owns(member));
        if self.members.get(&user).is_some_and(owns) && !another { Err(Rejection::LastOwner) } else { Ok(()) }
    }
}

/// A room as the command side keeps it: its state, and how far on its lane that reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionedRoom {
    /// The state.
    pub room: Room,
    /// The stream sequence of the last fact folded into it; 0 before creation.
    pub seq: Seq,
    /// How many facts were folded into it: the aggregate's sequence.
    pub count: u64,
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
