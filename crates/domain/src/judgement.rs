//! Log order is the judge.
//!
//! A message is appended without a condition, decided on a state that may have changed by the time it is stored.
//! It carries the state-lane sequence that it was decided on (its *basis*). It is **void** if, and only if, a
//! state fact between its basis and its own place forbids it. Every reader comes to the same verdict, because it
//! depends on the log alone: a mute that ends by itself is held against the time that the message was recorded with,
//! never against a reader's clock. Projector and edge both ask here.

use std::collections::VecDeque;

use chasqui_events::{Seq, Timestamp, UserId, room::RoomEvent};
use serde::{Deserialize, Serialize};

use crate::room::Term;

/// Why a message does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// Its author had left or been removed before it was stored.
    NotAMember,
    /// Its author had been banned before it was stored.
    Banned,
    /// Its author had been muted before it was stored, and was still when it was recorded.
    Muted,
    /// The room had been erased before it was stored.
    RoomErased,
    /// The same author had stored a message with this id in this room before.
    Repeated,
}

impl VoidReason {
    /// The reason on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAMember => "not-a-member",
            Self::Banned => "banned",
            Self::Muted => "muted",
            Self::RoomErased => "room-erased",
            Self::Repeated => "repeated",
        }
    }
}

/// What a state fact does to whether somebody may post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Move {
    In,
    Out(VoidReason),
    /// Until then; `None` for until it is taken back.
    Muted(Option<Timestamp>),
    Unmuted,
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
    moves: VecDeque<(Seq, UserId, Move)>,
    /// Where the room was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erased: Option<Seq>,
}

impl StateTrail {
    /// The most moves that a trail remembers.
    pub const CAPACITY: usize = 256;

    /// A trail that knows every state fact after `floor`, of which there are none yet.
    #[must_use]
    pub const fn starting_after(floor: Seq) -> Self {
        Self { floor, head: floor, moves: VecDeque::new(), erased: None }
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
        if matches!(event, RoomEvent::Erased(_)) {
            self.erased = Some(seq);
        }
        for (user, what) in posting_moves(event) {
            self.moves.push_back((seq, user, what));
        }
        while self.moves.len() > Self::CAPACITY
            && let Some((forgotten, ..)) = self.moves.pop_front()
        {
            self.floor = self.floor.max(forgotten);
        }
    }

    /// Whether a message by `author`, decided on `basis`, recorded `at` and stored at `seq`, stands. Ask when every
    /// state fact before `seq` has been noted.
    #[must_use]
    pub fn verdict(&self, author: UserId, basis: Seq, at: Timestamp, seq: Seq) -> Verdict {
        if basis >= self.head {
            return Verdict::Valid;
        }
        if self.erased.is_some_and(|place| place > basis && place < seq) {
            return Verdict::Void(VoidReason::RoomErased);
        }
        if basis < self.floor {
            return Verdict::Unknown;
        }
        let between =
            self.moves.iter().filter(|(place, user, _)| *place > basis && *place < seq && *user == author);
        ruling(between.map(|(.., what)| *what), at)
    }
}

/// The verdict from the state lane itself, for a basis from before every trail. `lane` holds the facts between
/// `basis` and `seq`, in order; others are passed over. Never [`Verdict::Unknown`].
pub fn verdict_from<'a>(
    lane: impl IntoIterator<Item = (Seq, &'a RoomEvent)>,
    author: UserId,
    basis: Seq,
    at: Timestamp,
    seq: Seq,
) -> Verdict {
    let mut erased = false;
    let between = lane.into_iter().filter(|(place, _)| *place > basis && *place < seq);
    let between = between.inspect(|(_, event)| erased |= matches!(event, RoomEvent::Erased(_)));
    let moves = between.flat_map(|(_, event)| posting_moves(event));
    let ruling = ruling(moves.filter(|(user, _)| *user == author).map(|(_, what)| what), at);
    if erased { Verdict::Void(VoidReason::RoomErased) } else { ruling }
}

/// What the moves of one author come to for a message that was recorded at a moment.
fn ruling(moves: impl Iterator<Item = Move>, at: Timestamp) -> Verdict {
    let (mut out, mut muted) = (None, None);
    for what in moves {
        match what {
            Move::In => out = None,
            Move::Out(reason) => out = Some(reason),
            Move::Muted(until) => muted = Some(Term { until }),
            Move::Unmuted => muted = None,
        }
    }
    match (out, muted) {
        (Some(reason), _) => Verdict::Void(reason),
        (None, Some(term)) if term.holds(at) => Verdict::Void(VoidReason::Muted),
        (None, Some(_) | None) => Verdict::Valid,
    }
}

/// Whether a state fact changes who may post; the others need not be kept to judge.
#[must_use]
pub fn moves_posting(event: &RoomEvent) -> bool {
    matches!(event, RoomEvent::Erased(_)) || !posting_moves(event).is_empty()
}

/// Whether a state fact takes from somebody that they may post.
#[must_use]
pub fn forbids_posting(event: &RoomEvent) -> bool {
    matches!(event, RoomEvent::Erased(_))
        || posting_moves(event).iter().any(|(_, what)| matches!(what, Move::Out(_) | Move::Muted(_)))
}

/// Who may post, or may not any more, after this fact.
fn posting_moves(event: &RoomEvent) -> Vec<(UserId, Move)> {
    let out = Move::Out(VoidReason::NotAMember);
    match event {
        RoomEvent::Created(created) => created.members.iter().map(|member| (member.user, Move::In)).collect(),
        RoomEvent::MemberJoined(joined) => vec![(joined.user, Move::In)],
        RoomEvent::MemberLeft(left) => vec![(left.user, out)],
        RoomEvent::MemberRemoved(removed) => vec![(removed.user, out)],
        RoomEvent::MemberBanned(banned) => vec![(banned.user, Move::Out(VoidReason::Banned))],
        RoomEvent::MemberMuted(muted) => vec![(muted.user, Move::Muted(muted.until))],
        RoomEvent::MemberUnmuted(unmuted) => vec![(unmuted.user, Move::Unmuted)],
        // Every role that there is may post.
        RoomEvent::Renamed(_)
        | RoomEvent::MemberInvited(_)
        | RoomEvent::MemberRoleChanged(_)
        | RoomEvent::MemberUnbanned(_)
        | RoomEvent::SlowModeChanged(_)
        | RoomEvent::Erased(_) => vec![],
    }
}

#[cfg(test)]
#[path = "judgement_tests.rs"]
mod tests;
