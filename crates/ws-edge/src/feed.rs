//! One room as an edge follows it: a pure machine that lets the room's facts through once and in order.
//!
//! Facts come live (at most once, in any order at the worst) and from the log. Each names its predecessor on its
//! lane, so that a hole is seen, read from the log and only then passed. State and message lane make one timeline: as
//! long as anything of it is known to be missing, nothing of it passes. A message names the state it was decided on;
//! a state fact names no message, so the message lane is read up to each before it passes. A state fact whose loss
//! shows only after a message that was decided without it passes late, and says so; what passed since is judged again.
//! Receipts only raise watermarks
//! and wait for nothing.
//!
//! What is sealed comes opened ([`crate::unsealing`]); what could not be opened counts as lost, and is read again.
//!
//! Messages are judged here (`chasqui_domain::judgement`). What the machine cannot know it asks for as an [`Out`].

mod fact;
mod judging;
mod lane;
mod people;
mod receipts;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chasqui_bus::subject::Lane;
use chasqui_crypto::Opened;
use chasqui_domain::{VoidReason, judgement::forbids_posting};
use chasqui_events::{
    CommandId, Envelope, RoomId, Seq, Timestamp, UserId,
    receipts::Mark,
    room::{MemberBanned, MemberInvited, MemberJoined, MemberLeft, MemberRemoved, RoomEvent},
};
use chasqui_protocol::Item;

pub(crate) use self::{
    fact::{Raw, Said, message_item, state_item},
    lane::Missing,
    people::{Heads, People},
};
use self::{
    judging::{Judging, Ruling},
    lane::Track,
    receipts::Receipts,
};

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Out {
    /// Push an entry to everybody in the room. `author` for messages.
    Entry { item: Item, late: bool, author: Option<UserId>, time: Timestamp },
    /// A user is in the room from here on; comes before the entry that says so.
    Enter { user: UserId, from: Seq },
    /// A user is out of the room; comes after the entry that says so.
    Leave { user: UserId },
    /// Push the entry of `seq`, which was just pushed to the room, also to this user, who is not in it.
    Aside { user: UserId, item: Item },
    /// Push watermarks: to everybody, or to one member.
    Receipts { marks: Vec<Mark>, to: Option<UserId> },
    /// A message does not stand: tell its author, or everybody when it had been pushed already.
    Void { author: UserId, id: CommandId, reason: VoidReason, pushed: bool },
    /// Read a range of a lane; answered by [`Feed::filled`] or [`Feed::fill_failed`].
    Fill { lane: Lane, missing: Missing },
    /// Which place has this message of this author? Answered by [`Feed::judged`].
    Judge { seq: Seq, author: UserId, id: CommandId },
    /// Read the state lane in this range, to judge the message at `seq`; answered by [`Feed::trail_read`].
    Trail { seq: Seq, missing: Missing },
    /// Read the messages and the state facts in this range, which were passed without the first of them; answered by
    /// [`Feed::rejudge`].
    Rejudge { missing: Missing },
    /// A fact cannot be read by this program.
    Poison { lane: Lane, seq: Seq, reason: String },
    /// What could not be read has been applied by the projector; push its entries from the read model, late.
    Reread { seqs: Vec<Seq> },
}

#[derive(Debug)]
struct Waiting {
    lane: Lane,
    prev: Option<Seq>,
    said: Said,
    opened: Option<Opened>,
    time: Timestamp,
    bytes: usize,
}

/// A room as an edge follows it.
#[derive(Debug)]
pub(crate) struct Feed {
    room: RoomId,
    open: bool,
    state: Track,
    msg: Track,
    rcpt: Track,
    /// The highest place of the timeline that was let through.
    head: Seq,
    judging: Judging,
    people: People,
    /// The last state fact when the feed was opened: of what came before, nobody was told.
    began: Seq,
    large_room: usize,
    receipts: Receipts,
    waiting: BTreeMap<Seq, Waiting>,
    waiting_bytes: usize,
    /// Facts that could not be read, in order.
    poison: Vec<Seq>,
    rereading: bool,
}

/// The most facts that wait; more are read from the log when their turn comes.
const MOST_WAITING: usize = 1_024;
/// The most bytes that wait.
const MOST_WAITING_BYTES: usize = 1024 * 1024;
/// The most unreadable facts of a room that are remembered.
const MOST_POISON: usize = 64;

impl Feed {
    /// A feed that takes facts but lets none through before [`Feed::open`].
    pub(crate) fn new(room: RoomId, large_room: usize) -> Self {
        Self {
            room,
            open: false,
            state: Track::default(),
            msg: Track::default(),
            rcpt: Track::default(),
            head: 0,
            judging: Judging::starting_after(0),
            people: People::default(),
            began: 0,
            large_room,
            receipts: Receipts::default(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            poison: Vec::new(),
            rereading: false,
        }
    }

    /// Where the feed begins: the heads at a place after which nothing can have been missed, and who is in the room
    /// then or later.
    pub(crate) fn open(&mut self, heads: Heads, people: People, out: &mut Vec<Out>) {
        if self.open {
            return;
        }
        self.open = true;
        for (track, last) in
            [(&mut self.state, heads.state), (&mut self.msg, heads.msg), (&mut self.rcpt, heads.rcpt)]
        {
            let mut started = Track::starting_at(last);
            // What was seen while opening and has not been kept must be read.
            started.know(track.known());
            *track = started;
        }
        self.head = heads.timeline();
        self.judging = Judging::starting_after(heads.state);
        self.began = heads.state;
        self.people = people;
        self.advance(out);
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }

    /// The last state fact of which the feed told nobody: it was opened behind it.
    pub(crate) const fn began(&self) -> Seq {
        self.began
    }

    /// Whether the feed tells, or has told, whom a state fact at this place concerns.
    pub(crate) const fn tells_of(&self, seq: Seq) -> bool {
        self.open && seq > self.began
    }

    pub(crate) fn is_member(&self, user: UserId) -> bool {
        self.people.members.contains(&user)
    }

    /// More members than a room may have whose receipts are for everybody.
    pub(crate) fn is_large(&self) -> bool {
        self.people.members.len() > self.large_room
    }

    /// The highest place of the timeline that was let through.
    pub(crate) const fn head(&self) -> Seq {
        self.head
    }

    pub(crate) const fn heads(&self) -> Heads {
        Heads { state: self.state.last, msg: self.msg.last, rcpt: self.rcpt.last, held_at: None }
    }

    /// What of a mark by a member here is news for the log.
    pub(crate) fn news(&self, mark: Mark) -> Option<Mark> {
        self.receipts.news(mark, self.is_large())
    }

    /// A fact has come live.
    pub(crate) fn live(&mut self, raw: &Raw, out: &mut Vec<Out>) {
        if raw.lane == Lane::Rcpt {
            self.receipt(raw, out);
        } else {
            self.take(raw, out);
        }
        if self.open {
            self.advance(out);
        }
    }

    /// What was asked for with [`Out::Fill`]: everything of the lane after where the feed was, up to `reached`.
    pub(crate) fn filled(&mut self, lane: Lane, facts: &[Raw], reached: Seq, out: &mut Vec<Out>) {
        for raw in facts {
            let raw = Raw { prev: None, ..raw.clone() };
            if lane == Lane::Rcpt {
                self.receipt(&raw, out);
            } else if raw.seq > self.track(lane).last {
                self.wait(&raw);
            }
        }
        self.track(lane).filled(reached);
        if lane == Lane::Rcpt {
            let reached = reached.max(self.receipts.seen());
            if !self.rcpt.has_hole() {
                self.rcpt.let_through(reached);
            }
        }
        self.advance(out);
    }

    /// The read could not be done; [`Feed::retry`] asks for it again.
    pub(crate) fn fill_failed(&mut self, lane: Lane) {
        self.track(lane).fill_failed();
    }

    /// A judgement could not be had; [`Feed::retry`] asks for it again.
    pub(crate) fn judge_failed(&mut self) {
        self.judging.failed();
    }

    /// Asks again for what failed.
    pub(crate) fn retry(&mut self, out: &mut Vec<Out>) {
        if self.open {
            self.advance(out);
        }
    }

    /// The room's heads as the projector has them. True when everything up to them was let through.
    pub(crate) fn compare(&mut self, heads: Heads, out: &mut Vec<Out>) -> bool {
        if !self.open {
            return false;
        }
        self.state.know(heads.state);
        self.msg.know(heads.msg);
        self.rcpt.know(heads.rcpt);
        if self.poison.first().is_some_and(|first| heads.timeline() >= *first)
            && heads.held_at.is_none()
            && !std::mem::replace(&mut self.rereading, true)
        {
            out.push(Out::Reread { seqs: self.poison.clone() });
        }
        self.advance(out);
        let through =
            self.state.last >= heads.state && self.msg.last >= heads.msg && self.rcpt.last >= heads.rcpt;
        through && heads.held_at.is_none() && self.poison.is_empty()
    }

    /// Entries asked for with [`Out::Reread`] were pushed, or could not be had and are asked for again.
    pub(crate) fn reread(&mut self, pushed: &[Seq]) {
        self.rereading = false;
        self.poison.retain(|seq| !pushed.contains(seq));
    }

    /// The message asked about with [`Out::Judge`] is stored first at `first` (`None`: nowhere, it is void).
    pub(crate) fn judged(&mut self, seq: Seq, first: Option<Seq>, out: &mut Vec<Out>) {
        if self.judging.stored_first(seq, first) {
            self.advance(out);
        }
    }

    /// The state facts of the range asked for with [`Out::Trail`].
    pub(crate) fn trail_read(&mut self, seq: Seq, missing: Missing, facts: &[Raw], out: &mut Vec<Out>) {
        let Some(Waiting { said: Said::Message(message), .. }) = self.waiting.get(&seq) else { return };
        if self.judging.lane_read(message, seq, missing, facts) {
            self.advance(out);
        }
    }

    /// The messages of a part of the range asked for with [`Out::Rejudge`], and the state facts after `after`: messages
    /// that do not stand are taken back.
    pub(crate) fn rejudge(after: Seq, messages: &[Raw], states: &[Raw], out: &mut Vec<Out>) {
        for raw in messages {
            let Said::Message(message) = &raw.said else { continue };
            let (author, basis) = (message.by, message.basis.max(after));
            if let Some(reason) = judging::by_lane(author, basis, message.recorded_at(), raw.seq, states) {
                out.push(Out::Void { author, id: message.id, reason, pushed: true });
            }
        }
    }

    fn track(&mut self, lane: Lane) -> &mut Track {
        match lane {
            Lane::State => &mut self.state,
            Lane::Msg => &mut self.msg,
            Lane::Rcpt => &mut self.rcpt,
        }
    }

    const fn last_of(&self, lane: Lane) -> Seq {
        match lane {
            Lane::State => self.state.last,
            Lane::Msg => self.msg.last,
            Lane::Rcpt => self.rcpt.last,
        }
    }

    fn take(&mut self, raw: &Raw, out: &mut Vec<Out>) {
        let full = self.waiting.len() >= MOST_WAITING || self.waiting_bytes >= MOST_WAITING_BYTES;
        let track = self.track(raw.lane);
        if raw.seq <= track.last {
            return;
        }
        // What could not be opened now is read again from the log.
        if full || raw.is_shut() {
            return track.know(raw.seq);
        }
        track.know(raw.prev.unwrap_or(0));
        if let Some(Waiting { said: Said::Poison(reason), .. }) = self.wait(raw) {
            let reason = reason.clone();
            out.push(Out::Poison { lane: raw.lane, seq: raw.seq, reason });
        }
    }

    fn wait(&mut self, raw: &Raw) -> Option<&Waiting> {
        if self.waiting.contains_key(&raw.seq) {
            return None;
        }
        if raw.lane == Lane::State {
            self.msg.know(raw.seq);
        }
        let Raw { lane, prev, bytes, time, .. } = *raw;
        self.waiting_bytes += bytes;
        let (said, opened) = (raw.said.clone(), raw.opened.clone());
        let waiting = Waiting { lane, prev, said, opened, time, bytes };
        Some(self.waiting.entry(raw.seq).or_insert(waiting))
    }

    /// Lets through what may pass, and asks for what is missing.
    fn advance(&mut self, out: &mut Vec<Out>) {
        self.prove_waiting();
        while let Some((&seq, front)) = self.waiting.first_key_value() {
            if seq <= self.last_of(front.lane) {
                self.drop_front();
                continue;
            }
            if self.state.has_hole() || self.msg.has_hole() {
                break;
            }
            let reason = match &front.said {
                Said::Message(message) => match self.judging.rule(seq, message) {
                    Ruling::Stands => None,
                    Ruling::Void(reason) => Some(reason),
                    Ruling::Ask(question) => {
                        out.extend(question);
                        break;
                    }
                },
                Said::State(_) | Said::Receipts(_) | Said::Poison(_) => None,
            };
            let Some(front) = self.drop_front() else { break };
            self.pass(seq, front, reason, out);
        }
        for lane in Lane::ALL {
            if let Some(missing) = self.track(lane).begin_fill() {
                out.push(Out::Fill { lane, missing });
            }
        }
    }

    /// Extends what is proven over the waiting facts that follow on each other.
    fn prove_waiting(&mut self) {
        let (mut state, mut msg) = (self.state, self.msg);
        for (&seq, waiting) in &self.waiting {
            let track = match waiting.lane {
                Lane::State => &mut state,
                Lane::Msg => &mut msg,
                Lane::Rcpt => continue,
            };
            if waiting.prev.is_some_and(|prev| track.follows(prev)) {
                track.prove(seq);
            }
            if let Said::Message(message) = &waiting.said {
                state.know(message.basis);
            }
        }
        (self.state, self.msg) = (state, msg);
    }

    fn drop_front(&mut self) -> Option<Waiting> {
        let (_, front) = self.waiting.pop_first()?;
        self.waiting_bytes -= front.bytes;
        Some(front)
    }

    /// Lets a fact through; a message for which there is a reason against it does not stand.
    fn pass(&mut self, seq: Seq, front: Waiting, reason: Option<VoidReason>, out: &mut Vec<Out>) {
        let late = seq < self.head;
        self.track(front.lane).let_through(seq);
        self.head = self.head.max(seq);
        match front.said {
            Said::State(envelope) => self.pass_state(seq, &envelope, late, front.time, out),
            Said::Message(envelope) => {
                if let Some(reason) = reason {
                    let (author, id) = (envelope.by, envelope.id);
                    out.push(Out::Void { author, id, reason, pushed: false });
                } else {
                    let item = message_item(self.room, seq, envelope, front.opened);
                    self.pass_message(item, late, front.time, out);
                }
            }
            Said::Receipts(_) => {}
            Said::Poison(_) => {
                if self.poison.len() < MOST_POISON {
                    self.poison.push(seq);
                }
            }
        }
    }

    fn pass_message(&mut self, item: Item, late: bool, time: Timestamp, out: &mut Vec<Out>) {
        let author = item.by;
        if self.is_large() {
            self.receipts.note_author(item.seq, author);
        }
        out.push(Out::Entry { item, late, author: Some(author), time });
    }

    fn pass_state(
        &mut self,
        seq: Seq,
        envelope: &Envelope<RoomEvent>,
        late: bool,
        time: Timestamp,
        out: &mut Vec<Out>,
    ) {
        self.judging.note(seq, &envelope.event);
        let item = state_item(self.room, seq, envelope);
        let entry = |item| Out::Entry { item, late, author: None, time };
        let was_member = |user: &UserId| self.people.members.contains(user);
        match &envelope.event {
            RoomEvent::Created(created) => {
                out.extend(created.members.iter().map(|member| Out::Enter { user: member.user, from: seq }));
                out.push(entry(item));
            }
            RoomEvent::MemberJoined(MemberJoined { user }) => {
                out.extend([Out::Enter { user: *user, from: seq }, entry(item)]);
            }
            RoomEvent::MemberInvited(MemberInvited { user }) => {
                out.extend([entry(item.clone()), Out::Aside { user: *user, item }]);
            }
            RoomEvent::MemberLeft(MemberLeft { user })
            | RoomEvent::MemberRemoved(MemberRemoved { user, .. })
            | RoomEvent::MemberBanned(MemberBanned { user, .. }) => {
                if was_member(user) {
                    self.receipts.forget(*user);
                    out.extend([entry(item), Out::Leave { user: *user }]);
                } else if self.people.invited.contains(user) {
                    out.extend([entry(item.clone()), Out::Aside { user: *user, item }]);
                } else {
                    out.push(entry(item));
                }
            }
            RoomEvent::Renamed(_)
            | RoomEvent::MemberRoleChanged(_)
            | RoomEvent::MemberUnbanned(_)
            | RoomEvent::MemberMuted(_)
            | RoomEvent::MemberUnmuted(_)
            | RoomEvent::SlowModeChanged(_)
            | RoomEvent::Erased(_) => out.push(entry(item)),
        }
        if late && forbids_posting(&envelope.event) {
            let missing = Missing { after: seq.saturating_sub(1), to: self.msg.last };
            out.push(Out::Rejudge { missing });
        }
        self.people.apply(&envelope.event);
    }

    fn receipt(&mut self, raw: &Raw, out: &mut Vec<Out>) {
        let seq = raw.seq;
        if !self.open {
            // Read and told once the feed is open.
            return self.rcpt.know(seq);
        }
        if let Some(prev) = raw.prev {
            if self.rcpt.is_proven(seq) {
                return;
            }
            if self.rcpt.follows(prev) {
                self.rcpt.let_through(seq);
            } else {
                self.rcpt.know(prev);
            }
        }
        match &raw.said {
            Said::Receipts(envelope) => {
                let large = self.is_large();
                self.receipts.pass(seq, envelope.event.clone(), large, out);
            }
            Said::Poison(reason) => {
                out.push(Out::Poison { lane: Lane::Rcpt, seq, reason: reason.clone() });
            }
            Said::State(_) | Said::Message(_) => {}
        }
    }
}
