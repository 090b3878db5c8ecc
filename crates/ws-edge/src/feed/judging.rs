//! Whether the message at the front of a feed stands, and what must be read to know.
//!
//! What was read is kept as a fact, and the ruling made of it anew at the moment at which the message passes: a state
//! fact may have come between the question and its answer.

use chasqui_domain::{
    StateTrail, Verdict, VoidReason,
    judgement::{moves_posting, verdict_from},
};
use chasqui_events::{
    Envelope, Seq, Timestamp, UserId,
    message::{MessageEvent, may_repeat},
    room::RoomEvent,
};

use super::{Missing, Out, Raw, Said};

/// What is known for judging the messages of a room.
#[derive(Debug)]
pub(super) struct Judging {
    trail: StateTrail,
    /// The message that an answer is awaited for.
    asked: Option<Seq>,
    /// A message that was judged by the lane itself, and what came of it.
    by_lane: Option<(Seq, Option<VoidReason>)>,
    /// A message that may be a repeat, and whether it is one.
    repeated: Option<(Seq, bool)>,
}

/// Whether a message stands.
#[derive(Debug)]
pub(super) enum Ruling {
    Stands,
    Void(VoidReason),
    /// It takes more than is known; the question is `None` when it was asked already.
    Ask(Option<Out>),
}

impl Judging {
    /// Knows every state fact after `floor`, of which there are none yet.
    pub(super) const fn starting_after(floor: Seq) -> Self {
        Self { trail: StateTrail::starting_after(floor), asked: None, by_lane: None, repeated: None }
    }

    /// A state fact was let through.
    pub(super) fn note(&mut self, seq: Seq, event: &RoomEvent) {
        self.trail.note(seq, event);
    }

    /// The ruling on the message at `seq`, before which nothing is known to be missing.
    ///
    /// Nothing is ruled out on what is known here alone: that its author came back may have been lost on its way, and
    /// nobody looks at a void message again. What stands wrongly is taken back when the leaving is found.
    pub(super) fn rule(&mut self, seq: Seq, message: &Envelope<MessageEvent>) -> Ruling {
        let against = match self.trail.verdict(message.by, message.basis, message.recorded_at(), seq) {
            Verdict::Valid => None,
            Verdict::Void(_) | Verdict::Unknown => match self.by_lane {
                Some((judged, against)) if judged == seq => against,
                _ => {
                    let missing = Missing { after: message.basis, to: seq.saturating_sub(1) };
                    return self.ask(seq, Out::Trail { seq, missing });
                }
            },
        };
        if let Some(reason) = against {
            return Ruling::Void(reason);
        }
        if !may_repeat(message.id, message.recorded_at()) {
            return Ruling::Stands;
        }
        match self.repeated {
            Some((judged, true)) if judged == seq => Ruling::Void(VoidReason::Repeated),
            Some((judged, false)) if judged == seq => Ruling::Stands,
            _ => self.ask(seq, Out::Judge { seq, author: message.by, id: message.id }),
        }
    }

    fn ask(&mut self, seq: Seq, question: Out) -> Ruling {
        let again = self.asked.replace(seq) == Some(seq);
        Ruling::Ask((!again).then_some(question))
    }

    /// No answer comes; the question is to be asked again.
    pub(super) fn failed(&mut self) {
        self.asked = None;
    }

    /// The message at `seq` is stored first at `first`. False when nobody asked.
    pub(super) fn stored_first(&mut self, seq: Seq, first: Option<Seq>) -> bool {
        let awaited = self.answered(seq);
        if awaited {
            self.repeated = Some((seq, first != Some(seq)));
        }
        awaited
    }

    /// All state facts between its basis and its place were read to judge the message at `seq`. False when nobody
    /// asked.
    pub(super) fn lane_read(
        &mut self,
        message: &Envelope<MessageEvent>,
        seq: Seq,
        missing: Missing,
        facts: &[Raw],
    ) -> bool {
        let awaited = self.answered(seq);
        if awaited {
            self.by_lane = Some((seq, by_lane(message.by, missing.after, message.recorded_at(), seq, facts)));
        }
        awaited
    }

    fn answered(&mut self, seq: Seq) -> bool {
        let awaited = self.asked == Some(seq);
        if awaited {
            self.asked = None;
        }
        awaited
    }
}

/// Judges a message by all state facts after its basis, however many.
pub(super) fn by_lane(
    author: UserId,
    basis: Seq,
    at: Timestamp,
    seq: Seq,
    facts: &[Raw],
) -> Option<VoidReason> {
    let read = facts.iter().filter_map(|raw| match &raw.said {
        Said::State(envelope) if moves_posting(&envelope.event) => Some((raw.seq, &envelope.event)),
        _ => None,
    });
    match verdict_from(read, author, basis, at, seq) {
        Verdict::Void(reason) => Some(reason),
        Verdict::Valid | Verdict::Unknown => None,
    }
}
