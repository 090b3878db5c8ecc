//! What a caller may see of a room.
//!
//! A public room is open to everyone who is logged in and not banned from it. A private room or a direct conversation is seen by its
//! members only, from where they came in; for everybody else there is no such room.

use chasqui_auth::refusal;
use chasqui_domain::Rejection;
use chasqui_events::{RoomId, Seq, Timestamp, UserId, room::Kind};
use chasqui_protocol::Problem;
use chasqui_read_model::{MemberStanding, Membership, RoomInfo, Visible};
use chasqui_runtime::clock::now_ms;

use crate::reader::{Reader, not_read};

/// A room as a caller may see it.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) room: RoomInfo,
    /// How the caller stands to it; `None` for somebody who never was in it.
    pub(crate) standing: Option<MemberStanding>,
    pub(crate) visible: Visible,
}

impl Access {
    /// Whether an entry of the room's timeline may be seen.
    pub(crate) fn shows(&self, seq: Seq) -> bool {
        seq >= self.visible.from && self.visible.until.is_none_or(|until| seq <= until)
    }

    /// Refuses whoever is not in the room now.
    pub(crate) fn members_only(&self) -> Result<(), Problem> {
        if self.standing == Some(MemberStanding::Joined) {
            Ok(())
        } else {
            Err(refusal::rejected(&Rejection::NotAMember))
        }
    }
}

impl Reader {
    /// What `caller` may see of a room.
    pub(crate) async fn access(&self, caller: UserId, room: RoomId) -> Result<Access, Problem> {
        let model = self.model();
        let (info, membership) = futures::try_join!(model.room(room), model.membership(room, caller))
            .map_err(|error| not_read(&error))?;
        let info = info.ok_or_else(no_such_room)?;
        judge(info, membership.as_ref(), Timestamp(now_ms()))
    }
}

fn judge(room: RoomInfo, membership: Option<&Membership>, now: Timestamp) -> Result<Access, Problem> {
    let ban = membership.and_then(|membership| membership.ban.as_ref());
    if room.kind == Kind::Public && ban.is_some_and(|ban| ban.term.holds(now)) {
        return Err(refusal::rejected(&Rejection::Banned));
    }
    let standing = membership.map(|membership| membership.standing);
    let visible = match (room.kind, membership.map(|membership| (membership.standing, membership.since))) {
        (Kind::Public, _) => Visible::ALL,
        (Kind::Private | Kind::Direct, Some((MemberStanding::Joined, since))) => {
            Visible { from: since, until: None }
        }
        (Kind::Private | Kind::Direct, Some((MemberStanding::Invited, _))) => {
            return Err(refusal::rejected(&Rejection::NotAMember));
        }
        (
            Kind::Private | Kind::Direct,
            Some((MemberStanding::Left | MemberStanding::Removed | MemberStanding::Banned, _)) | None,
        ) => return Err(no_such_room()),
    };
    Ok(Access { room, standing, visible })
}

pub(crate) fn no_such_room() -> Problem {
    refusal::rejected(&Rejection::RoomNotFound)
}

#[cfg(test)]
mod tests;
