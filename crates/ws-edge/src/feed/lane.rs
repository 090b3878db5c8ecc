//! How complete an edge's knowledge of one lane of one room is.

use chasqui_events::Seq;

/// One lane of one room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Track {
    /// The last fact that was let through.
    pub(super) last: Seq,
    /// Everything of the lane up to here is at hand, let through or waiting.
    proven: Seq,
    /// The lane is known to reach at least this far.
    known: Seq,
    /// A read of what is missing is under way.
    filling: bool,
}

/// A range of a lane that must be read: after the first, up to and with the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) after: Seq,
    pub(crate) to: Seq,
}

impl Track {
    pub(super) const fn starting_at(last: Seq) -> Self {
        Self { last, proven: last, known: last, filling: false }
    }

    /// Whether a fact whose predecessor is `prev` follows on what is at hand.
    pub(super) fn follows(&self, prev: Seq) -> bool {
        prev <= self.proven
    }

    /// How far the lane is known to reach.
    pub(super) const fn known(&self) -> Seq {
        self.known
    }

    /// The lane reaches at least up to here.
    pub(super) fn know(&mut self, seq: Seq) {
        self.known = self.known.max(seq);
    }

    /// A fact is at hand that follows on what is at hand.
    pub(super) fn prove(&mut self, seq: Seq) {
        self.proven = self.proven.max(seq);
        self.know(seq);
    }

    pub(super) fn let_through(&mut self, seq: Seq) {
        self.last = self.last.max(seq);
        self.prove(seq);
    }

    /// Something of the lane is missing.
    pub(super) fn has_hole(&self) -> bool {
        self.known > self.proven
    }

    pub(super) fn is_proven(&self, seq: Seq) -> bool {
        seq <= self.proven
    }

    /// What to read now, unless a read is under way.
    pub(super) fn begin_fill(&mut self) -> Option<Missing> {
        if self.filling || !self.has_hole() {
            return None;
        }
        self.filling = true;
        Some(Missing { after: self.proven, to: self.known })
    }

    /// The read has ended, having brought everything up to `reached`.
    pub(super) fn filled(&mut self, reached: Seq) {
        self.filling = false;
        self.prove(reached);
    }

    pub(super) fn fill_failed(&mut self) {
        self.filling = false;
    }
}
