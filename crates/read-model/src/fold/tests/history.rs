//! Random but possible logs: state facts are decided by the domain, messages carry a basis on which their author
//! was a member.

use std::collections::BTreeMap;

use chasqui_domain::{Asker, Decision, Limits, Room, RoomCommand};
use chasqui_events::{
    CommandId, Envelope, Fact, Partition, RoomId, Seq, Text, Timestamp, UserId,
    account::GlobalRole,
    message::{MessageEvent, Posted},
    receipts::{Mark, Moved, ReceiptEvent},
    room::{Kind, Role},
};
use proptest::prelude::*;

use crate::fold::{Lane, LogFact, Source, Undecodable};

/// One step of a history. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(super) enum Op {
    State { room: u8, by: u8, what: u8, user: u8 },
    Post { room: u8, by: u8, basis: u8, late: Option<u8> },
    Receipt { room: u8, user: u8, delivered: u8, read: u8 },
    Poison { room: u8, dose: u8 },
}

impl Arbitrary for Op {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        prop_oneof![
            6 => any::<(u8, u8, u8, u8)>().prop_map(|(room, by, what, user)| Self::State { room, by, what, user }),
            8 => (any::<(u8, u8, u8)>(), proptest::option::weighted(0.3, any::<u8>()))
                .prop_map(|((room, by, basis), late)| Self::Post { room, by, basis, late }),
            4 => any::<(u8, u8, u8, u8)>()
                .prop_map(|(room, user, delivered, read)| Self::Receipt { room, user, delivered, read }),
            // Most histories have none.
            1 => any::<(u8, u8)>().prop_map(|(room, dose)| Self::Poison { room, dose }),
        ]
        .boxed()
    }
}

const ROOMS: u8 = 3;
const USERS: u8 = 5;
/// Now; ids made at 0 are late.
const NOW: Timestamp = Timestamp(1_000_000);

pub(super) fn room(n: u8) -> RoomId {
    RoomId::new(Partition::from_low_bits(3), Timestamp(1), [n % ROOMS; 10])
}

pub(super) fn user(n: u8) -> UserId {
    UserId::new(Timestamp(1), [n % USERS; 10])
}

pub(super) fn users() -> impl Iterator<Item = UserId> {
    (0..USERS).map(user)
}

pub(super) fn rooms() -> impl Iterator<Item = RoomId> {
    (0..ROOMS).map(room)
}

#[derive(Default)]
struct Writing {
    log: Vec<LogFact>,
    rooms: BTreeMap<RoomId, (Room, Vec<(Seq, Room)>)>,
    seq: Seq,
}

pub(super) fn log(ops: &[Op]) -> Vec<LogFact> {
    let mut writing = Writing::default();
    for op in ops {
        writing.take(op);
    }
    writing.log
}

/// The same log as a newer program reads it: what could not be read turns out to be a receipt of nobody.
pub(super) fn readable(log: &[LogFact]) -> Vec<LogFact> {
    let mut log = log.to_vec();
    for fact in log.iter_mut().filter(|fact| fact.body.is_err()) {
        fact.body = Ok(envelope(fact.seq, user(0), 0, nothing()));
    }
    log
}

fn envelope(seq: Seq, by: UserId, basis: Seq, event: Fact) -> Envelope<Fact> {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&seq.to_be_bytes());
    Envelope { id: CommandId::new(NOW, random), at: NOW, by, basis, import: None, event }
}

impl Writing {
    fn take(&mut self, op: &Op) {
        match *op {
            Op::State { room: r, by, what, user: u } => self.state(room(r), user(by), what, user(u)),
            Op::Post { room: r, by, basis, late } => self.post(room(r), user(by), basis, late),
            Op::Receipt { room: r, user: u, delivered, read } => {
                let scale = |n: u8| self.seq * Seq::from(n) / 250;
                let marks = vec![Mark { user: user(u), delivered: scale(delivered), read: scale(read) }];
                let event = Fact::Receipt(ReceiptEvent::Moved(Moved { marks }));
                self.push(room(r), Lane::Rcpt, |seq| envelope(seq, user(u), 0, event));
            }
            Op::Poison { room: r, dose } if dose < 64 => {
                self.push(room(r), Lane::Rcpt, |seq| envelope(seq, user(0), 0, nothing()));
                if let Some(last) = self.log.last_mut() {
                    last.body = Err(Undecodable("poison".to_owned()));
                }
            }
            Op::Poison { .. } => {}
        }
    }

    fn state(&mut self, room: RoomId, by: UserId, what: u8, user: UserId) {
        let (state, _) = self.rooms.entry(room).or_default();
        let command = match (state.kind, what % 12) {
            (None, _) => RoomCommand::Create { kind: Kind::Public, name: format!("room {what}") },
            (_, 0) => RoomCommand::Rename { name: format!("room {what}") },
            (_, 1 | 2) => RoomCommand::Join,
            (_, 3) => RoomCommand::Leave,
            (_, 4) => RoomCommand::Invite { user },
            (_, 5) => RoomCommand::Remove { user, reason: None },
            (_, 6) => RoomCommand::ChangeRole { user, role: Role::Owner },
            (_, 7) => RoomCommand::ChangeRole { user, role: Role::Moderator },
            (_, 8) => RoomCommand::Ban { user, until: None, reason: None },
            (_, 9) => RoomCommand::Unban { user },
            (_, 10) => RoomCommand::Mute { user, until: None, reason: None },
            (_, _) => RoomCommand::Unmute { user },
        };
        let asker = Asker { user: by, role: GlobalRole::User, at: Timestamp(1) };
        let Ok(Decision::Record(event)) = state.decide(asker, &command, &Limits::default()) else { return };
        let mut next = state.clone();
        next.apply(&event);
        let seq = self.push(room, Lane::State, |seq| envelope(seq, by, 0, Fact::Room(event)));
        if let Some((state, states)) = self.rooms.get_mut(&room) {
            *state = next.clone();
            states.push((seq, next));
        }
    }

    fn post(&mut self, room: RoomId, by: UserId, basis: u8, late: Option<u8>) {
        let Some((_, states)) = self.rooms.get(&room) else { return };
        let allowed: Vec<Seq> =
            states.iter().filter(|(_, state)| state.members.contains_key(&by)).map(|(seq, _)| *seq).collect();
        if allowed.is_empty() {
            return;
        }
        let basis = allowed[usize::from(basis) % allowed.len()];
        let body = format!("after {}", self.seq);
        let posted = Posted { size: body.len() as u64, body: Text::Plain(body), replies_to: vec![] };
        let event = Fact::Message(MessageEvent::Posted(posted));
        self.push(room, Lane::Msg, |seq| {
            let mut envelope = envelope(seq, by, basis, event);
            if let Some(late) = late {
                envelope.id = CommandId::new(Timestamp(0), [late % 4; 10]);
            }
            envelope
        });
    }

    fn push(&mut self, room: RoomId, lane: Lane, fact: impl FnOnce(Seq) -> Envelope<Fact>) -> Seq {
        self.seq += 1;
        let body = Ok(fact(self.seq));
        self.log.push(LogFact {
            seq: self.seq,
            source: Source::Room(room, lane),
            time: NOW,
            fingerprint: self.seq,
            body,
        });
        self.seq
    }
}

fn nothing() -> Fact {
    Fact::Receipt(ReceiptEvent::Moved(Moved { marks: vec![] }))
}
