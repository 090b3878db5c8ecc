//! How somebody stands to a room: now, and how it came to that.

use chasqui_events::{Seq, room::Role};
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
}

impl MemberStanding {
    pub(super) const ALL: [Self; 4] = [Self::Joined, Self::Invited, Self::Left, Self::Removed];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Invited => "invited",
            Self::Left => "left",
            Self::Removed => "removed",
        }
    }

    /// As clients see it; `None` for those who are gone.
    #[must_use]
    pub const fn present(self) -> Option<Standing> {
        match self {
            Self::Joined => Some(Standing::Joined),
            Self::Invited => Some(Standing::Invited),
            Self::Left | Self::Removed => None,
        }
    }
}

/// What state facts say of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberState {
    pub(crate) standing: MemberStanding,
    pub(crate) role: Role,
    pub(crate) since: Seq,
    pub(crate) until: Option<Seq>,
    pub(crate) earlier: Vec<(Seq, Seq)>,
}

/// So many former memberships are remembered.
const EARLIER: usize = 8;

impl MemberState {
    pub(super) const fn begin(standing: MemberStanding, role: Role, since: Seq) -> Self {
        Self { standing, role, since, until: None, earlier: vec![] }
    }

    /// The state after somebody begins to stand so, given what was before.
    pub(super) fn begun(before: Option<&Self>, standing: MemberStanding, role: Role, at: Seq) -> Self {
        let mut next = Self::begin(standing, role, at);
        if let Some(before) = before {
            next.earlier.clone_from(&before.earlier);
        }
        next
    }

    /// The state after somebody is gone.
    pub(super) fn ended(&self, standing: MemberStanding, at: Seq) -> Self {
        let mut next = Self { standing, until: Some(at), ..self.clone() };
        if self.standing == MemberStanding::Joined {
            next.earlier.push((self.since, at));
            if next.earlier.len() > EARLIER {
                next.earlier.remove(0);
            }
        }
        next
    }
}
