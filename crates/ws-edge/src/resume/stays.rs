//! Which parts of a room's timeline somebody missed: from when they came to when they went, as far as it lies after
//! their cursor. Pure.

use chasqui_events::{Seq, UserId, room::RoomEvent};
use chasqui_read_model::{MemberStanding, Membership};

/// Where a client's cursor stands in the partition of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The client has everything up to here.
    pub(super) floor: Seq,
    /// It was told of all its memberships up to here.
    pub(super) known: Seq,
}

/// A part of a room's timeline that was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stay {
    /// Say first that the room was entered, and where.
    pub(crate) announce: Option<Seq>,
    /// What comes after this place was missed.
    pub(crate) after: Seq,
    /// Up to here; `None` when the stay goes on.
    pub(crate) until: Option<Seq>,
}

/// As many former stays as the read model remembers: with so many there may have been more.
const REMEMBERED: usize = 8;

/// The stays that were missed, oldest first. `None` when there may have been more than is known.
pub(super) fn missed(membership: &Membership, place: Place) -> Option<Vec<Stay>> {
    let oldest = membership.earlier.first();
    if membership.earlier.len() >= REMEMBERED && oldest.is_some_and(|(_, end)| *end > place.floor) {
        return None;
    }
    let former = membership.earlier.iter().filter(|(_, end)| *end > place.floor);
    let former = former.map(|(begin, end)| stay(place, *begin, Some(*end)));
    let present =
        (membership.standing == MemberStanding::Joined).then(|| stay(place, membership.since, None));
    Some(former.chain(present).collect())
}

fn stay(place: Place, begin: Seq, until: Option<Seq>) -> Stay {
    let unheard = begin > place.floor.min(place.known);
    let before = begin.saturating_sub(1);
    // Whoever was never told that they came has nothing of the stay, wherever the cursor stands.
    let after = if begin > place.known { before } else { place.floor.max(before) };
    Stay { announce: unheard.then_some(begin), after, until }
}

/// The stays of a user that began in a part of a room's state lane, oldest first: from where to where, `None` for the
/// one that goes on. Of one that began before, nothing is said.
pub(super) fn in_lane<'a>(
    lane: impl IntoIterator<Item = (Seq, &'a RoomEvent)>,
    user: UserId,
) -> Vec<(Seq, Option<Seq>)> {
    let mut stays: Vec<(Seq, Option<Seq>)> = Vec::new();
    for (seq, event) in lane {
        let is_in = stays.last().is_some_and(|(_, end)| end.is_none());
        let (enters, leaves) = match event {
            RoomEvent::Created(created) => (created.members.iter().any(|member| member.user == user), false),
            RoomEvent::MemberJoined(joined) => (joined.user == user, false),
            RoomEvent::MemberLeft(left) => (false, left.user == user),
            RoomEvent::MemberRemoved(removed) => (false, removed.user == user),
            RoomEvent::MemberBanned(banned) => (false, banned.user == user),
            RoomEvent::MemberInvited(_)
            | RoomEvent::MemberRoleChanged(_)
            | RoomEvent::Renamed(_)
            | RoomEvent::MemberUnbanned(_)
            | RoomEvent::MemberMuted(_)
            | RoomEvent::MemberUnmuted(_)
            | RoomEvent::SlowModeChanged(_)
            | RoomEvent::Erased(_) => (false, false),
        };
        if enters && !is_in {
            stays.push((seq, None));
        } else if leaves && let Some((_, end @ None)) = stays.last_mut() {
            *end = Some(seq);
        }
    }
    stays
}

/// An invitation, or its end, that the client may not have been told.
pub(super) fn aside(membership: &Membership, place: Place) -> Option<Seq> {
    let told = place.floor.min(place.known);
    match membership.standing {
        MemberStanding::Invited => (membership.since > told).then_some(membership.since),
        MemberStanding::Left | MemberStanding::Removed | MemberStanding::Banned => {
            let until = membership.until.filter(|until| *until > told)?;
            let of_a_stay = membership.earlier.iter().any(|(_, end)| *end == until);
            (!of_a_stay).then_some(until)
        }
        MemberStanding::Joined => None,
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::{
        Partition, RoomId, Timestamp, UserId,
        room::{MemberJoined, MemberLeft, Role},
    };
    use pretty_assertions::assert_eq;

    use super::*;

    fn membership(
        standing: MemberStanding,
        since: Seq,
        until: Option<Seq>,
        earlier: &[(Seq, Seq)],
    ) -> Membership {
        Membership {
            room: RoomId::new(Partition::from_low_bits(0), Timestamp(1), [1; 10]),
            user: UserId::new(Timestamp(1), [1; 10]),
            standing,
            role: Role::Member,
            since,
            until,
            earlier: earlier.to_vec(),
            delivered: 0,
            read: 0,
            ban: None,
            muted: None,
        }
    }

    const fn at(floor: Seq, known: Seq) -> Place {
        Place { floor, known }
    }

    const fn stays(announce: Option<Seq>, after: Seq, until: Option<Seq>) -> Stay {
        Stay { announce, after, until }
    }

    #[test]
    fn a_member_of_old_misses_what_came_after_the_cursor() {
        let member = membership(MemberStanding::Joined, 5, None, &[]);
        assert_eq!(missed(&member, at(20, 20)), Some(vec![stays(None, 20, None)]));
    }

    #[test]
    fn a_room_joined_since_comes_from_the_join() {
        let member = membership(MemberStanding::Joined, 30, None, &[]);
        assert_eq!(missed(&member, at(20, 20)), Some(vec![stays(Some(30), 29, None)]));
        assert_eq!(
            missed(&member, at(40, 20)),
            Some(vec![stays(Some(30), 29, None)]),
            "also when the cursor is beyond the join but nobody had told of it"
        );
        assert_eq!(missed(&member, at(40, 35)), Some(vec![stays(None, 40, None)]));
    }

    #[test]
    fn who_left_gets_everything_up_to_the_leaving() {
        let left = membership(MemberStanding::Left, 5, Some(30), &[(5, 30)]);
        assert_eq!(missed(&left, at(20, 20)), Some(vec![stays(None, 20, Some(30))]));
        assert_eq!(missed(&left, at(30, 30)), Some(vec![]));
        assert_eq!(aside(&left, at(20, 20)), None);
    }

    #[test]
    fn a_time_outside_is_left_out() {
        let back = membership(MemberStanding::Joined, 50, None, &[(5, 30), (35, 40)]);
        let expected =
            vec![stays(None, 20, Some(30)), stays(Some(35), 34, Some(40)), stays(Some(50), 49, None)];
        assert_eq!(missed(&back, at(20, 20)), Some(expected));
    }

    #[test]
    fn an_invitation_shows_nothing_of_the_room_but_itself() {
        let invited = membership(MemberStanding::Invited, 30, None, &[]);
        assert_eq!(missed(&invited, at(20, 20)), Some(vec![]));
        assert_eq!(aside(&invited, at(20, 20)), Some(30));
        assert_eq!(aside(&invited, at(40, 40)), None);
        let withdrawn = membership(MemberStanding::Removed, 30, Some(35), &[]);
        assert_eq!((missed(&withdrawn, at(20, 20)), aside(&withdrawn, at(20, 20))), (Some(vec![]), Some(35)));
    }

    #[test]
    fn stays_are_read_from_the_lane() {
        let (me, other) = (UserId::new(Timestamp(1), [1; 10]), UserId::new(Timestamp(1), [2; 10]));
        let joined = |user| RoomEvent::MemberJoined(MemberJoined { user });
        let left = |user| RoomEvent::MemberLeft(MemberLeft { user });
        let lane = [
            (3, left(me)),
            (5, joined(me)),
            (6, joined(other)),
            (7, left(other)),
            (8, left(me)),
            (9, left(me)),
            (12, joined(me)),
        ];
        let of =
            |lane: &[(Seq, RoomEvent)], user| in_lane(lane.iter().map(|(seq, event)| (*seq, event)), user);
        assert_eq!(of(&lane, me), [(5, Some(8)), (12, None)]);
        assert_eq!(of(&lane, other), [(6, Some(7))]);
        assert_eq!(of(&lane[..1], me), []);
    }

    #[test]
    fn more_comings_and_goings_than_are_remembered_are_no_guess() {
        let many: Vec<(Seq, Seq)> = (0..8).map(|n| (100 + n * 10, 105 + n * 10)).collect();
        let restless = membership(MemberStanding::Joined, 200, None, &many);
        assert_eq!(missed(&restless, at(20, 20)), None);
        assert!(missed(&restless, at(150, 150)).is_some());
    }
}
