//! Any log, any loss and disorder on its way: everything passes once and in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chasqui_domain::{StateTrail, Verdict};
use chasqui_events::{
    Partition, Text,
    message::{MessageEvent, Posted},
    receipts::{Moved, ReceiptEvent},
    room::{MemberMuted, MemberUnmuted, Renamed},
};
use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_000_000_000;

fn user(n: u8) -> UserId {
    UserId::new(Timestamp(1), [n; 10])
}

fn room() -> RoomId {
    RoomId::new(Partition::from_low_bits(0), Timestamp(1), [9; 10])
}

/// What happens in the room, one step per fact.
#[derive(Clone, Debug)]
enum Step {
    /// A message, decided on the state `behind` state facts ago.
    Post {
        author: u8,
        behind: usize,
    },
    /// The same command as an earlier message of its author, stored again.
    Again {
        author: u8,
    },
    Join(u8),
    Leave(u8),
    Ban(u8),
    /// For ever, or until a moment that is over.
    Mute(u8, bool),
    Unmute(u8),
    Rename,
    Mark {
        user: u8,
        up: u64,
    },
    /// A fact of another room.
    Elsewhere,
}

fn any_step() -> impl Strategy<Value = Step> {
    let who = 0u8..4;
    prop_oneof![
        6 => (who.clone(), 0usize..3).prop_map(|(author, behind)| Step::Post { author, behind }),
        1 => who.clone().prop_map(|author| Step::Again { author }),
        1 => who.clone().prop_map(Step::Join),
        1 => who.clone().prop_map(Step::Leave),
        1 => who.clone().prop_map(Step::Ban),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, over)| Step::Mute(who, over)),
        1 => who.clone().prop_map(Step::Unmute),
        1 => Just(Step::Rename),
        2 => (who, 1u64..40).prop_map(|(user, up)| Step::Mark { user, up }),
        2 => Just(Step::Elsewhere),
    ]
}

/// What becomes of a fact on its way.
#[derive(Clone, Copy, Debug)]
struct Way {
    lost: bool,
    delay: usize,
    twice: bool,
}

fn any_way() -> impl Strategy<Value = Way> {
    (prop::bool::weighted(0.2), 0usize..4, prop::bool::weighted(0.1)).prop_map(|(lost, delay, twice)| Way {
        lost,
        delay,
        twice,
    })
}

/// The log of the room, and what of it stands.
#[derive(Default)]
struct Log {
    facts: Vec<Raw>,
    /// Messages that stand, and where their ids were stored first.
    valid: BTreeSet<Seq>,
    void: BTreeSet<Seq>,
    first: BTreeMap<CommandId, Seq>,
    members: BTreeSet<UserId>,
    heads: Heads,
    seq: Seq,
    states: Vec<Seq>,
    trail: Option<StateTrail>,
    sent: BTreeMap<u8, CommandId>,
}

impl Log {
    fn of(steps: &[Step]) -> Self {
        let mut log = Self { trail: Some(StateTrail::starting_after(0)), ..Self::default() };
        for n in 0..3 {
            log.step(&Step::Join(n));
        }
        for step in steps {
            log.step(step);
        }
        log
    }

    fn step(&mut self, step: &Step) {
        self.seq += 1;
        let seq = self.seq;
        match step {
            Step::Post { author, behind } => {
                let id = CommandId::new(Timestamp(NOW), [u8::try_from(seq % 250).unwrap(); 10]);
                self.sent.insert(*author, id);
                self.post(user(*author), id, *behind);
            }
            Step::Again { author } => {
                // An id from long ago, so that it must be looked up.
                let id = CommandId::new(Timestamp(NOW - 500_000), [*author; 10]);
                self.post(user(*author), id, 0);
            }
            Step::Join(n) => self.state(RoomEvent::MemberJoined(MemberJoined { user: user(*n) })),
            Step::Leave(n) => self.state(RoomEvent::MemberLeft(MemberLeft { user: user(*n) })),
            Step::Ban(n) => self.state(RoomEvent::MemberBanned(MemberBanned {
                user: user(*n),
                until: None,
                reason: None,
            })),
            Step::Mute(n, over) => self.state(RoomEvent::MemberMuted(MemberMuted {
                user: user(*n),
                until: over.then_some(Timestamp(1)),
                reason: None,
            })),
            Step::Unmute(n) => self.state(RoomEvent::MemberUnmuted(MemberUnmuted { user: user(*n) })),
            Step::Rename => self.state(RoomEvent::Renamed(Renamed { name: format!("{seq}") })),
            Step::Mark { user: n, up } => {
                let marks = vec![Mark { user: user(*n), delivered: *up, read: 0 }];
                let payload = envelope(0, user(*n), seq, ReceiptEvent::Moved(Moved { marks })).encode();
                self.store(Lane::Rcpt, &payload);
            }
            Step::Elsewhere => {}
        }
    }

    fn post(&mut self, author: UserId, id: CommandId, behind: usize) {
        let basis = self.states.iter().rev().nth(behind).copied().unwrap_or(0);
        let event = MessageEvent::Posted(Posted {
            body: Text::Plain("hola".to_owned()),
            size: 4,
            replies_to: vec![],
        });
        let payload = Envelope { id, ..envelope(basis, author, self.seq, event) }.encode();
        let seq = self.seq;
        let stands =
            self.trail.as_ref().unwrap().verdict(author, basis, Timestamp(NOW), seq) == Verdict::Valid;
        let first = *self.first.entry(id).or_insert_with(|| if stands { seq } else { 0 });
        if stands && (first == seq || first == 0) {
            self.first.insert(id, seq);
            self.valid.insert(seq);
        } else {
            self.void.insert(seq);
        }
        self.store(Lane::Msg, &payload);
    }

    fn state(&mut self, event: RoomEvent) {
        match &event {
            RoomEvent::MemberJoined(joined) => {
                self.members.insert(joined.user);
            }
            RoomEvent::MemberLeft(left) => {
                self.members.remove(&left.user);
            }
            RoomEvent::MemberBanned(banned) => {
                self.members.remove(&banned.user);
            }
            _ => {}
        }
        self.trail.as_mut().unwrap().note(self.seq, &event);
        self.states.push(self.seq);
        let payload = envelope(0, user(0), self.seq, event).encode();
        self.store(Lane::State, &payload);
    }

    fn store(&mut self, lane: Lane, payload: &[u8]) {
        let head = match lane {
            Lane::State => &mut self.heads.state,
            Lane::Msg => &mut self.heads.msg,
            Lane::Rcpt => &mut self.heads.rcpt,
        };
        let prev = Some(std::mem::replace(head, self.seq));
        self.facts.push(Raw::new(lane, self.seq, prev, payload, Timestamp(NOW)));
    }

    fn range(&self, lane: Lane, missing: Missing, upto: Seq) -> Vec<Raw> {
        let wanted =
            |raw: &&Raw| raw.lane == lane && raw.seq > missing.after && raw.seq <= missing.to.min(upto);
        self.facts.iter().filter(wanted).cloned().collect()
    }

    fn heads_at(&self, seq: Seq) -> Heads {
        let last = |lane| {
            let of_lane = self.facts.iter().filter(|raw| raw.lane == lane && raw.seq <= seq);
            of_lane.map(|raw| raw.seq).max().unwrap_or(0)
        };
        Heads { state: last(Lane::State), msg: last(Lane::Msg), rcpt: last(Lane::Rcpt), held_at: None }
    }
}

fn envelope<E>(basis: Seq, by: UserId, seq: Seq, event: E) -> Envelope<E> {
    let id = CommandId::new(Timestamp(NOW), [u8::try_from(seq % 250).unwrap(); 10]);
    Envelope { id, at: Timestamp(NOW), by, basis, import: None, event }
}

fn people(members: &BTreeSet<UserId>) -> People {
    People { members: members.clone(), invited: BTreeSet::new() }
}

/// What came out of the feed.
#[derive(Default)]
struct Seen {
    messages: Vec<Seq>,
    states: Vec<Seq>,
    in_order: Vec<Seq>,
    void: BTreeSet<CommandId>,
    retracted: Vec<CommandId>,
    marks: BTreeMap<UserId, Seq>,
    /// What is known of the marks of those who left is forgotten.
    left: BTreeSet<UserId>,
    asked: VecDeque<Out>,
}

impl Seen {
    fn take(&mut self, out: &mut Vec<Out>) {
        for out in out.drain(..) {
            match out {
                Out::Entry { item, late, author, .. } => {
                    if author.is_some() { &mut self.messages } else { &mut self.states }.push(item.seq);
                    if !late {
                        self.in_order.push(item.seq);
                    }
                    assert!(author.is_none() || !late, "a message never passes late");
                }
                Out::Void { id, pushed: false, .. } => {
                    self.void.insert(id);
                }
                Out::Void { id, pushed: true, .. } => self.retracted.push(id),
                Out::Receipts { marks, .. } => {
                    for mark in marks {
                        let before = self.marks.insert(mark.user, mark.delivered).unwrap_or(0);
                        assert!(mark.delivered > before, "only what rises is told");
                    }
                }
                Out::Leave { user } => {
                    self.left.insert(user);
                    self.marks.remove(&user);
                }
                Out::Enter { .. } | Out::Aside { .. } => {}
                asked @ (Out::Fill { .. } | Out::Judge { .. } | Out::Trail { .. } | Out::Rejudge { .. }) => {
                    self.asked.push_back(asked);
                }
                Out::Poison { .. } | Out::Reread { .. } => panic!("nothing is unreadable here"),
            }
        }
    }
}

/// Answers one question, or fails to.
fn answer(feed: &mut Feed, log: &Log, asked: &Out, fails: bool, short: bool, out: &mut Vec<Out>) {
    match asked {
        Out::Fill { lane, .. } if fails => feed.fill_failed(*lane),
        Out::Judge { .. } | Out::Trail { .. } if fails => feed.judge_failed(),
        Out::Fill { lane, missing } => {
            let mut facts = log.range(*lane, *missing, Seq::MAX);
            let mut reached = missing.to;
            if short && facts.len() > 1 {
                facts.truncate(1);
                reached = facts[0].seq;
            }
            feed.filled(*lane, &facts, reached, out);
        }
        Out::Judge { seq, id, .. } => feed.judged(*seq, log.first.get(id).copied(), out),
        Out::Trail { seq, missing } => {
            feed.trail_read(*seq, *missing, &log.range(Lane::State, *missing, Seq::MAX), out);
        }
        Out::Rejudge { missing } => {
            let messages = log.range(Lane::Msg, *missing, Seq::MAX);
            Feed::rejudge(missing.after, &messages, &log.range(Lane::State, *missing, Seq::MAX), out);
        }
        _ => {}
    }
}

/// The order in which what is not lost arrives.
fn arrivals(facts: &[Raw], ways: &[Way]) -> Vec<Raw> {
    let mut arriving: Vec<(usize, Raw)> = Vec::new();
    for (at, (raw, way)) in facts.iter().zip(ways.iter().cycle()).enumerate() {
        if !way.lost {
            arriving.push((at + way.delay, raw.clone()));
            if way.twice {
                arriving.push((at + way.delay + 2, raw.clone()));
            }
        }
    }
    arriving.sort_by_key(|(at, _)| *at);
    arriving.into_iter().map(|(_, raw)| raw).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn everything_passes_once_and_in_order(
        steps in prop::collection::vec(any_step(), 1..60),
        ways in prop::collection::vec(any_way(), 60),
        chances in prop::collection::vec((any::<bool>(), any::<bool>(), 0u8..6, any::<bool>()), 80),
        start in 0usize..30, opens_after in 0usize..10,
    ) {
        let log = Log::of(&steps);
        let start = log.facts.get(start).map_or(log.seq, |raw| raw.seq);
        let (mut feed, mut seen, mut out) = (Feed::new(room(), 100), Seen::default(), Vec::new());
        let missed: Vec<Raw> = log.facts.iter().filter(|raw| raw.seq > start).cloned().collect();
        let mut chance = chances.into_iter().cycle();
        let opening = log.heads_at(start);
        let members: BTreeSet<UserId> = {
            let taken = usize::try_from(start).unwrap().saturating_sub(3).min(steps.len());
            Log::of(&steps[..taken]).members
        };
        for (n, raw) in arrivals(&missed, &ways).into_iter().enumerate() {
            if n == opens_after {
                feed.open(opening, people(&members), &mut out);
            }
            feed.live(&raw, &mut out);
            seen.take(&mut out);
            let (fails, short, what, again) = chance.next().unwrap();
            if what < 3 && let Some(asked) = seen.asked.pop_front() {
                answer(&mut feed, &log, &asked, fails, short, &mut out);
                seen.take(&mut out);
            } else if what == 3 {
                feed.compare(log.heads_at(raw.seq.saturating_sub(3)), &mut out);
                seen.take(&mut out);
            }
            if again {
                feed.retry(&mut out);
                seen.take(&mut out);
            }
        }
        feed.open(opening, people(&members), &mut out);
        let mut verified = false;
        for _ in 0..10_000 {
            seen.take(&mut out);
            match seen.asked.pop_front() {
                Some(asked) => {
                    let (fails, short, ..) = chance.next().unwrap();
                    answer(&mut feed, &log, &asked, fails, short, &mut out);
                }
                None if verified => break,
                None => verified = feed.compare(log.heads, &mut out) && out.is_empty(),
            }
        }
        prop_assert!(verified, "the feed comes to rest: {:?} {:?}", feed, log.heads);

        let id_of = |seq: &Seq| {
            let raw = log.facts.iter().find(|raw| raw.seq == *seq).unwrap();
            let Said::Message(message) = &raw.said else { panic!("{seq} is a message") };
            message.id
        };
        prop_assert!(seen.in_order.is_sorted_by(|a, b| a < b), "{:?}", seen.in_order);
        prop_assert!(seen.messages.is_sorted_by(|a, b| a < b), "{:?}", seen.messages);
        let standing: Vec<Seq> =
            seen.messages.iter().filter(|seq| !seen.retracted.contains(&id_of(seq)) || log.valid.contains(seq)).copied().collect();
        let expected: Vec<Seq> = log.valid.iter().filter(|seq| **seq > start).copied().collect();
        prop_assert_eq!(standing, expected);
        let mut states = seen.states.clone();
        states.sort_unstable();
        let expected: Vec<Seq> = log.states.iter().filter(|seq| **seq > start).copied().collect();
        prop_assert_eq!(states, expected, "each change of the room once");
        for seq in log.void.iter().filter(|seq| **seq > start) {
            let id = id_of(seq);
            prop_assert!(seen.void.contains(&id) || seen.retracted.contains(&id), "the author of {seq} is told");
        }
        prop_assert_eq!(&feed.people.members, &log.members);
        prop_assert_eq!(feed.heads().timeline().max(start), log.heads.timeline().max(start));
        for (user, mark) in seen.marks.iter().filter(|(user, _)| !seen.left.contains(user)) {
            let told = log.facts.iter().filter(|raw| raw.lane == Lane::Rcpt && raw.seq > start).filter_map(|raw| {
                let Said::Receipts(envelope) = &raw.said else { panic!("{} is a receipt", raw.seq) };
                let ReceiptEvent::Moved(moved) = &envelope.event;
                moved.marks.iter().find(|mark| mark.user == *user)
            });
            prop_assert_eq!(Some(*mark), told.map(|mark| mark.delivered).max());
        }
    }
}

#[test]
fn what_waits_is_bounded_and_nothing_of_it_is_lost() {
    let log = Log::of(&vec![Step::Post { author: 0, behind: 0 }; MOST_WAITING * 3]);
    let (mut feed, mut seen, mut out) = (Feed::new(room(), 100), Seen::default(), Vec::new());
    feed.open(log.heads_at(3), people(&log.members), &mut out);
    for raw in log.facts.iter().skip(4) {
        feed.live(raw, &mut out);
        assert!(feed.waiting.len() <= MOST_WAITING + 1);
    }
    seen.take(&mut out);
    assert!(seen.messages.is_empty(), "the first one is missing");
    while let Some(asked) = seen.asked.pop_front() {
        answer(&mut feed, &log, &asked, false, false, &mut out);
        seen.take(&mut out);
    }
    assert_eq!(seen.messages.len(), MOST_WAITING * 3);
    assert!(seen.messages.is_sorted());
}

#[test]
fn a_large_room_tells_only_the_authors_that_somebody_has_read() {
    let mut log = Log::of(&[Step::Post { author: 0, behind: 0 }, Step::Post { author: 1, behind: 0 }]);
    log.step(&Step::Elsewhere);
    let mark = |n, read| Mark { user: user(n), delivered: read, read };
    let marks = vec![mark(2, 4)];
    let payload = envelope(0, user(2), 9, ReceiptEvent::Moved(Moved { marks })).encode();
    log.store(Lane::Rcpt, &payload);
    let (mut feed, mut out) = (Feed::new(room(), 2), Vec::new());
    feed.open(log.heads_at(3), people(&log.members), &mut out);
    for raw in log.facts.iter().skip(3) {
        feed.live(raw, &mut out);
    }
    let receipts: Vec<&Out> = out.iter().filter(|out| matches!(out, Out::Receipts { .. })).collect();
    let told = Out::Receipts { marks: vec![Mark { delivered: 0, ..mark(2, 4) }], to: Some(user(0)) };
    assert_eq!(receipts, vec![&told], "only the author of 4, and nothing of delivery");
    assert_eq!(feed.news(mark(2, 4)), None);
    assert_eq!(feed.news(Mark { read: 0, ..mark(1, 5) }), None, "no delivered marks in a large room");
}

#[test]
fn what_cannot_be_read_keeps_the_room_back_until_the_projector_has_it() {
    let mut log = Log::of(&[Step::Post { author: 0, behind: 0 }]);
    log.seq += 1;
    log.store(Lane::Msg, b"{}");
    log.step(&Step::Post { author: 0, behind: 0 });
    let (mut feed, mut out) = (Feed::new(room(), 100), Vec::new());
    feed.open(log.heads_at(3), people(&log.members), &mut out);
    for raw in log.facts.iter().skip(3) {
        feed.live(raw, &mut out);
    }
    let entries = out.iter().filter(|out| matches!(out, Out::Entry { .. })).count();
    assert_eq!(entries, 2, "the others pass: {out:?}");
    out.clear();
    let held = Heads { held_at: Some(5), ..log.heads_at(4) };
    assert!(!feed.compare(held, &mut out), "not verified while it is held");
    assert!(!feed.compare(log.heads, &mut out));
    assert_eq!(out, vec![Out::Reread { seqs: vec![5] }]);
    feed.reread(&[5]);
    assert!(feed.compare(log.heads, &mut out));
}

/// A feed that has been opened behind the first `taken` facts of the log, and is given the others but `lost`.
fn fed(log: &Log, taken: usize, lost: &[usize]) -> (Feed, Seen, Vec<Out>) {
    let (mut feed, mut seen, mut out) = (Feed::new(room(), 100), Seen::default(), Vec::new());
    let members = Log::of(&[]).members;
    feed.open(log.heads_at(log.facts[taken - 1].seq), people(&members), &mut out);
    for (at, raw) in log.facts.iter().enumerate().skip(taken) {
        if !lost.contains(&at) {
            feed.live(raw, &mut out);
            seen.take(&mut out);
        }
    }
    (feed, seen, out)
}

fn answer_all(feed: &mut Feed, log: &Log, seen: &mut Seen, out: &mut Vec<Out>) {
    while let Some(asked) = seen.asked.pop_front() {
        answer(feed, log, &asked, false, false, out);
        seen.take(out);
    }
}

#[test]
fn a_message_is_taken_back_when_a_leaving_is_found_late() {
    let log = Log::of(&[Step::Leave(2), Step::Post { author: 2, behind: 1 }]);
    let (mut feed, mut seen, mut out) = fed(&log, 3, &[3]);
    answer_all(&mut feed, &log, &mut seen, &mut out);
    assert_eq!(seen.messages, [5], "nobody here knows better yet");
    feed.compare(log.heads, &mut out);
    seen.take(&mut out);
    answer_all(&mut feed, &log, &mut seen, &mut out);
    assert_eq!((seen.messages.as_slice(), seen.retracted.len()), (&[5][..], 1));
}

/// The state that the message was decided on is from before the feed: it is judged by the lane, up to its own place.
#[test]
fn a_message_from_before_the_feed_is_judged_by_what_was_lost_too() {
    let log = Log::of(&[Step::Leave(2), Step::Post { author: 2, behind: 2 }]);
    let (mut feed, mut seen, mut out) = fed(&log, 3, &[3]);
    answer_all(&mut feed, &log, &mut seen, &mut out);
    assert_eq!((seen.messages.len(), seen.void.len()), (0, 1));
}

#[test]
fn a_message_is_not_void_because_a_return_was_lost() {
    let log = Log::of(&[Step::Leave(2), Step::Join(2), Step::Post { author: 2, behind: 2 }]);
    let (mut feed, mut seen, mut out) = fed(&log, 3, &[4]);
    answer_all(&mut feed, &log, &mut seen, &mut out);
    assert_eq!((seen.messages.as_slice(), seen.void.len()), (&[6][..], 0));
}

/// The leaving comes between the question about a message and its answer.
#[test]
fn an_answer_is_weighed_with_what_came_meanwhile() {
    for again in [false, true] {
        let mut log = Log::of(&[Step::Leave(2)]);
        log.seq += 1;
        let id = CommandId::new(Timestamp(NOW - if again { 500_000 } else { 0 }), [7; 10]);
        log.post(user(2), id, 2);
        let (mut feed, mut seen, mut out) = fed(&log, 3, &[3]);
        // What is asked about the message waits, while the leaving is found.
        let questions = std::mem::take(&mut seen.asked);
        feed.compare(log.heads, &mut out);
        seen.take(&mut out);
        answer_all(&mut feed, &log, &mut seen, &mut out);
        seen.asked = questions;
        answer_all(&mut feed, &log, &mut seen, &mut out);
        let standing = seen.messages.len() - seen.retracted.len();
        assert_eq!((standing, seen.void.len() + seen.retracted.len()), (0, 1), "again: {again}");
    }
}
