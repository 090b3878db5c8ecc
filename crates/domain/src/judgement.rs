//! Log order is the judge.
//!
//! A message is appended without a condition, decided on a state that may have changed by the time it is stored.
//! It carries the state-lane sequence that it was decided on (its *basis*). It is **void** if, and only if, a
//! state fact between its basis and its own place forbids it. Every reader comes to the same verdict, because it
//! depends on the log alone. Projector and edge both ask here.

use std::collections::VecDeque;

use chasqui_events::{Seq, UserId, room::RoomEvent};
use serde::{Deserialize, Serialize};

/// Why a message does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// Its author had left or been removed before it was stored.
    NotAMember,
    /// The same author had stored a message with this id in this room before.
    Repeated,
}

/// Whether a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stands.
    Valid,
    /// It does not.
    Void(VoidReason),
    /// The trail begins after the basis: read the state lane after the basis, then ask again.
    Unknown,
}

/// The recent state facts of one room, as far as they decide who may post.
///
/// Complete after [`StateTrail::floor`]; bounded, the oldest go first and raise the floor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTrail {
    floor: Seq,
    head: Seq,
    moves: VecDeque<(Seq, UserId, bool)>,
}

impl StateTrail {
    /// The most moves that a trail remembers.
    pub const CAPACITY: usize = 256;

    /// A trail that knows every state fact after `floor`, of which there are none yet.
    #[must_use]
    pub const fn starting_after(floor: Seq) -> Self {
        Self { floor, head: floor, moves: VecDeque::new() }
    }

    /// The trail is complete after this sequence.
    #[must_use]
    pub const fn floor(&self) -> Seq {
        self.floor
    }

    /// The last state fact that the trail has seen (or its floor).
    #[must_use]
    pub const fn head(&self) -> Seq {
        self.head
    }

    /// Notes a state fact at its sequence. Facts at or before the head are ignored.
    pub fn note(&mut self, seq: Seq, event: &RoomEvent) {
        if seq <= self.head {
            return;
        }
        self.head = seq;
        for (user, may_post) in posting_moves(event) {
            self.moves.push_back((seq, user, may_post));
        }
        while self.moves.len() > Self::CAPACITY
            && let Some((forgotten, ..)) = self.moves.pop_front()
        {
            self.floor = self.floor.max(forgotten);
        }
    }

    /// Whether a message by `author`, decided on `basis` and stored at `seq`, stands. Ask when every state fact
    /// before `seq` has been noted.
    #[must_use]
    pub fn verdict(&self, author: UserId, basis: Seq, seq: Seq) -> Verdict {
        if basis >= self.head {
            return Verdict::Valid;
        }
        if basis < self.floor {
            return Verdict::Unknown;
        }
        let last = self.moves.iter().rev().find(|(at, user, _)| *at > basis && *at < seq && *user == author);
        match last {
            Some((.., false)) => Verdict::Void(VoidReason::NotAMember),
            Some((.., true)) | None => Verdict::Valid,
        }
    }
}

/// The verdict from the state lane itself, for a basis from before every trail. `lane` holds the facts between
/// `basis` and `seq`, in order; others are passed over. Never [`Verdict::Unknown`].
pub fn verdict_from<'a>(
    lane: impl IntoIterator<Item = (Seq, &'a RoomEvent)>,
    author: UserId,
    basis: Seq,
    seq: Seq,
) -> Verdict {
    let between = lane.into_iter().filter(|(at, _)| *at > basis && *at < seq);
    let moves = between.flat_map(|(_, event)| posting_moves(event));
    match moves.filter(|(user, _)| *user == author).last() {
        Some((_, false)) => Verdict::Void(VoidReason::NotAMember),
        Some((_, true)) | None => Verdict::Valid,
    }
}

/// Whether a state fact changes who may post; the others need not be kept to judge.
#[must_use]
pub fn moves_posting(event: &RoomEvent) -> bool {
    !posting_moves(event).is_empty()
}

/// Who may post, or may not any more, after this fact.
fn posting_moves(event: &RoomEvent) -> Vec<(UserId, bool)> {
    match event {
        RoomEvent::Created(created) => created.members.iter().map(|member| (member.user, true)).collect(),
        RoomEvent::MemberJoined(joined) => vec![(joined.user, true)],
        RoomEvent::MemberLeft(left) => vec![(left.user, false)],
        RoomEvent::MemberRemoved(removed) => vec![(removed.user, false)],
        RoomEvent::Renamed(_) | RoomEvent::MemberInvited(_) | RoomEvent::MemberRoleChanged(_) => vec![],
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::{
        Timestamp,
        room::{MemberJoined, MemberLeft},
    };
    use proptest::prelude::*;

    use super::*;

    fn user(n: u8) -> UserId {
        UserId::new(Timestamp(1), [n; 10])
    }

    fn fact(n: u8, in_room: bool) -> RoomEvent {
        if in_room {
            RoomEvent::MemberJoined(MemberJoined { user: user(n) })
        } else {
            RoomEvent::MemberLeft(MemberLeft { user: user(n) })
        }
    }

    #[test]
    fn a_post_after_its_author_left_is_void() {
        let mut trail = StateTrail::starting_after(0);
        trail.note(1, &fact(1, true));
        trail.note(5, &fact(1, false));
        assert_eq!(trail.verdict(user(1), 1, 6), Verdict::Void(VoidReason::NotAMember));
        assert_eq!(trail.verdict(user(1), 1, 4), Verdict::Valid, "stored before the leaving");
        assert_eq!(trail.verdict(user(2), 1, 6), Verdict::Valid, "somebody else");
        trail.note(7, &fact(1, true));
        assert_eq!(trail.verdict(user(1), 1, 8), Verdict::Valid, "came back before it was stored");
    }

    proptest! {
        /// The bounded trail never contradicts the whole lane; at most it does not know.
        #[test]
        fn forgetting_is_never_wrong(
            moves in proptest::collection::vec((0u8..4, any::<bool>()), 1..600),
            author in 0u8..4, basis in 0u64..600, after in 1u64..600,
        ) {
            let mut trail = StateTrail::starting_after(0);
            for (seq, (who, in_room)) in (1u64..).zip(&moves) {
                trail.note(seq, &fact(*who, *in_room));
            }
            let seq = moves.len() as u64 + after;
            let truth = (1u64..).zip(&moves).filter(|(at, (who, _))| *at > basis && *who == author).last();
            let expected = match truth {
                Some((_, (_, false))) => Verdict::Void(VoidReason::NotAMember),
                _ => Verdict::Valid,
            };
            let verdict = trail.verdict(user(author), basis, seq);
            prop_assert!(verdict == expected || (verdict == Verdict::Unknown && basis < trail.floor()));

            let lane: Vec<_> = (1u64..).zip(&moves).map(|(at, (who, in_room))| (at, fact(*who, *in_room))).collect();
            let lane = lane.iter().map(|(at, event)| (*at, event));
            prop_assert_eq!(verdict_from(lane, user(author), basis, seq), expected);
        }
    }
}
