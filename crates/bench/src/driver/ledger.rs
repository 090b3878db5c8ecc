//! What a run has seen so far: the checker, the receipts, the latencies, the mishaps.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chasqui_events::receipts::Mark;
use serde::{Serialize, Serializer};

use super::Load;
use crate::{
    checker::{Checker, Heard, Seq, Verdict},
    latency::{Latencies, Summary},
    plan::Plan,
    receipts::{Marks, Receipt},
    schedule::Schedule,
};

/// Different errors that are kept word for word.
const ERRORS: usize = 20;

/// See the module. Times are counted from the start of the schedule.
#[derive(Debug)]
pub struct Ledger {
    schedule: Schedule,
    warm_up: Duration,
    receipts: bool,
    checker: Checker,
    /// By seat, for the author's side.
    marks: Vec<Marks>,
    waiting: usize,
    receipts_came: u64,
    /// How many others than the author a message has to reach, and has reached, by message.
    reached: Vec<u32>,
    others: Vec<u32>,
    plan: Plan,
    latencies: ByKind,
    sent: usize,
    last_caught_up: Option<Instant>,
    reconnects: u64,
    resets: u64,
    errors: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct ByKind {
    late: Latencies,
    to_ack: Latencies,
    to_receive: Latencies,
    to_last: Latencies,
    to_delivered: Latencies,
    to_read: Latencies,
}

/// What a run has found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// What the checker says.
    pub verdict: Verdict,
    /// Receipts that came back to authors, both kinds together.
    pub receipts: u64,
    /// Receipts that did not.
    pub receipts_missing: u64,
    /// Messages that the driver could not even queue: the run is no measurement then.
    pub not_sent: u64,
    /// Connections made anew after one was lost or cut.
    pub reconnects: u64,
    /// Cursors that the server did not take.
    pub resets: u64,
    /// From the intended time to the moment that the driver handed the message to the socket: its own share.
    pub late: Summary,
    /// From the intended time to the answer.
    pub to_ack: Summary,
    /// From the intended time to each other member.
    pub to_receive: Summary,
    /// From the intended time to the last other member.
    pub to_last: Summary,
    /// From the intended time to the delivery receipt at the author.
    pub to_delivered: Summary,
    /// From the intended time to the read receipt at the author.
    pub to_read: Summary,
    /// From the last message sent until everything had come; seconds in JSON.
    #[serde(serialize_with = "seconds")]
    pub settled_after: Duration,
    /// From the first intended time until everything had come; seconds in JSON.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
}

impl Outcome {
    /// Nothing lost, doubled or out of order, every receipt there, everything sent.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.verdict.is_clean() && self.receipts_missing == 0 && self.not_sent == 0
    }
}

impl Ledger {
    pub(super) fn new(plan: Plan, load: &Load, members: &[usize]) -> Self {
        let count = load.schedule.count();
        let seats: usize = members.iter().sum();
        let others = members.iter().map(|&size| u32::try_from(size.saturating_sub(1)).unwrap_or(u32::MAX));
        Self {
            schedule: load.schedule,
            warm_up: load.warm_up,
            receipts: load.receipts,
            checker: Checker::new(plan, count, members),
            marks: vec![Marks::default(); seats],
            waiting: 0,
            receipts_came: 0,
            reached: vec![0; count as usize],
            others: others.collect(),
            plan,
            latencies: ByKind::default(),
            sent: 0,
            last_caught_up: None,
            reconnects: 0,
            resets: 0,
            errors: BTreeMap::new(),
        }
    }

    /// The schedule begins: what went wrong while people came in is forgotten.
    pub(super) fn begin(&mut self) {
        self.errors.clear();
        self.reconnects = 0;
        self.resets = 0;
    }

    pub(super) fn seat(&self, room: usize, member: usize) -> Option<usize> {
        self.checker.seat(room, member)
    }

    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    pub(super) fn on_sent(&mut self, n: u32, after: Seq, at: Duration) {
        self.sent += 1;
        self.checker.sent(n, after);
        self.record(n, at, |latencies| &mut latencies.late);
    }

    pub(super) fn on_accepted(&mut self, seat: usize, n: u32, seq: Seq, at: Duration) {
        if !self.checker.accepted(n, seq) {
            return;
        }
        self.record(n, at, |latencies| &mut latencies.to_ack);
        if self.receipts {
            self.move_marks(seat, at, |marks, told| marks.accepted(n, seq, told));
        }
    }

    pub(super) fn on_refused(&mut self, n: u32) {
        self.checker.refused(n);
    }

    pub(super) fn on_void(&mut self, n: u32) {
        self.checker.void(n);
    }

    pub(super) fn on_message(&mut self, seat: usize, own: bool, n: u32, seq: Seq, at: Duration) {
        if self.checker.heard(seat, n, seq) != Heard::First || own {
            return;
        }
        self.record(n, at, |latencies| &mut latencies.to_receive);
        let others = self.others.get(self.plan.room(n) as usize).copied().unwrap_or(0);
        if let Some(reached) = self.reached.get_mut(n as usize) {
            *reached += 1;
            if *reached == others {
                self.record(n, at, |latencies| &mut latencies.to_last);
            }
        }
    }

    pub(super) fn on_other_entry(&mut self, seat: usize, seq: Seq) {
        self.checker.heard_other(seat, seq);
    }

    /// Marks of somebody else in a room of two.
    pub(super) fn on_mark(&mut self, seat: usize, mark: Mark, at: Duration) {
        self.move_marks(seat, at, |marks, told| marks.moved(mark.delivered, mark.read, told));
    }

    pub(super) fn on_connected(&mut self, seats: impl Iterator<Item = usize>, again: bool) {
        self.reconnects += u64::from(again);
        seats.for_each(|seat| self.checker.reconnected(seat));
    }

    pub(super) fn on_caught_up(&mut self) {
        self.last_caught_up = Some(Instant::now());
    }

    pub(super) fn on_reset(&mut self) {
        self.resets += 1;
    }

    pub(super) fn on_error(&mut self, what: String) {
        if self.errors.len() < ERRORS || self.errors.contains_key(&what) {
            *self.errors.entry(what).or_default() += 1;
        } else {
            *self.errors.entry("others".to_owned()).or_default() += 1;
        }
    }

    pub(super) fn last_caught_up(&self) -> Option<Instant> {
        self.last_caught_up
    }

    pub(super) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.clone()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.checker.is_settled() && self.waiting == 0
    }

    pub(super) fn outcome(&self) -> Outcome {
        let latencies = &self.latencies;
        Outcome {
            verdict: self.checker.verdict(),
            receipts: self.receipts_came,
            receipts_missing: self.waiting as u64,
            not_sent: 0,
            reconnects: self.reconnects,
            resets: self.resets,
            late: latencies.late.summary(),
            to_ack: latencies.to_ack.summary(),
            to_receive: latencies.to_receive.summary(),
            to_last: latencies.to_last.summary(),
            to_delivered: latencies.to_delivered.summary(),
            to_read: latencies.to_read.summary(),
            settled_after: Duration::ZERO,
            took: Duration::ZERO,
            errors: self.errors.clone(),
        }
    }

    fn move_marks(
        &mut self,
        seat: usize,
        at: Duration,
        act: impl FnOnce(&mut Marks, &mut dyn FnMut(u32, Receipt)),
    ) {
        let Some(marks) = self.marks.get_mut(seat) else { return };
        let before = marks.waiting();
        let (schedule, warm_up) = (self.schedule, self.warm_up);
        let (latencies, came) = (&mut self.latencies, &mut self.receipts_came);
        act(marks, &mut |n, receipt| {
            *came += 1;
            let kind = match receipt {
                Receipt::Delivered => &mut latencies.to_delivered,
                Receipt::Read => &mut latencies.to_read,
            };
            count(kind, schedule, warm_up, n, at);
        });
        self.waiting = self.waiting + marks.waiting() - before;
    }

    fn record(&mut self, n: u32, at: Duration, kind: impl FnOnce(&mut ByKind) -> &mut Latencies) {
        count(kind(&mut self.latencies), self.schedule, self.warm_up, n, at);
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn count(latencies: &mut Latencies, schedule: Schedule, warm_up: Duration, n: u32, at: Duration) {
    let due = schedule.due(n);
    if due >= warm_up {
        latencies.record(at.saturating_sub(due));
    }
}
