//! How somebody stands to a room: now, and how it came to that.

use chasqui_domain::room::Term;
use chasqui_events::{Seq, Timestamp, UserId, room::Role};
use chasqui_protocol::query::Standing;

/// How somebody stands to a room, also when they are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberStanding {
    /// A member.
    Joined,
    /// May join.
    Invited,
    /// Left, or declined the invitation.
    Left,
    /// Was put out, or the invitation was taken back.
    Removed,
    /// Was put out and is kept out; the ban may have ended by itself since.
    Banned,
}

impl MemberStanding {
    pub(super) const ALL: [Self; 5] = [Self::Joined, Self::Invited, Self::Left, Self::Removed, Self::Banned];

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Invited => "invited",
            Self::Left => "left",
            Self::Removed => "removed",
            Self::Banned => "banned",
        }
    }

    /// As clients see it; `None` for those who are gone.
    #[must_use]
    pub const fn present(self) -> Option<Standing> {
        match self {
            Self::Joined => Some(Standing::Joined),
            Self::Invited => Some(Standing::Invited),
            Self::Left | Self::Removed | Self::Banned => None,
        }
    }
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who banned.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// For how long.
    pub term: Term,
    /// Why.
    pub reason: Option<String>,
}

/// What state facts say of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberState {
    pub(crate) standing: MemberStanding,
    pub(crate) role: Role,
    pub(crate) since: Seq,
    pub(crate) until: Option<Seq>,
    pub(crate) earlier: Vec<(Seq, Seq)>,
    pub(crate) ban: Option<Ban>,
    /// Also of those who have left: it outlasts that.
    pub(crate) muted: Option<Term>,
}

/// So many former memberships are remembered.
const EARLIER: usize = 8;

impl MemberState {
    pub(super) const fn begin(standing: MemberStanding, role: Role, since: Seq) -> Self {
        Self { standing, role, since, until: None, earlier: vec![], ban: None, muted: None }
    }

    /// The state after somebody begins to stand so, given what was before.
    pub(super) fn begun(before: Option<&Self>, standing: MemberStanding, role: Role, at: Seq) -> Self {
        let mut next = Self::begin(standing, role, at);
        if let Some(before) = before {
            next.earlier.clone_from(&before.earlier);
            next.muted = before.muted;
        }
        next
    }

    /// The state after somebody is gone.
    pub(super) fn ended(&self, standing: MemberStanding, at: Seq) -> Self {
        let mut next = Self { standing, until: Some(at), ban: None, ..self.clone() };
        if self.standing == MemberStanding::Joined {
            next.earlier.push((self.since, at));
            if next.earlier.len() > EARLIER {
                next.earlier.remove(0);
            }
        }
        next
    }

    /// The state after a ban, given what was before: of somebody who had nothing to do with the room, too.
    pub(super) fn banned(before: Option<&Self>, ban: Ban, at: Seq) -> Self {
        let state = match before {
            Some(before) if before.standing.present().is_some() => before.ended(MemberStanding::Banned, at),
            Some(before) => Self { standing: MemberStanding::Banned, ..before.clone() },
            None => Self::begin(MemberStanding::Banned, Role::Guest, at),
        };
        Self { ban: Some(ban), ..state }
    }
}
