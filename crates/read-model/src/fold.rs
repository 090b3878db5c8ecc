//! Facts in, planned writes out: the fold of one stream. Pure; what it must know of the store it asks for.
//!
//! A batch goes like this: [`Fold::wants`] says what to load, [`Fold::admit`] takes it, [`Fold::step`] folds one
//! fact after the other into a [`Batch`], and [`Fold::finish`] makes a [`Plan`] of it. A step that needs something
//! else says so ([`Missing`]) and has changed nothing then. The fold runs ahead of the store: it keeps what is not
//! committed yet until [`Fold::committed`] says that it is.

mod batch;
mod fact;
mod fate;
mod heal;
mod notices;
mod room;
mod want;

use std::collections::{BTreeMap, HashMap, HashSet};

use chasqui_events::{CommandId, Envelope, Event as _, Fact, RoomId, Seq, UserId, message::MessageEvent};

pub use batch::Batch;
pub use fact::{Lane, LogFact, Source, Undecodable};
pub use want::{Loaded, Missing, Wants};

use crate::{
    Stream,
    plan::Plan,
    view::{
        Entry, audit, directs, members,
        parked::{Aggregate, Parked},
        rooms::RoomDoc,
        sessions, timeline, users,
    },
};
use fate::Fate;
use room::RoomRecord;

/// The fold of one stream, with the rooms that it has at hand.
#[derive(Debug)]
pub struct Fold {
    stream: Stream,
    /// At most so many rooms are kept, besides those that are not committed yet.
    capacity: usize,
    rooms: HashMap<RoomId, RoomRecord>,
    /// The rooms to look after at the next commit.
    touched: HashSet<RoomId>,
    parked: BTreeMap<Aggregate, Parked>,
    /// Messages that are folded, but not yet to be found in the store.
    uncommitted: HashMap<(RoomId, UserId, CommandId), Seq>,
    committed: Seq,
    /// Look up every id, also those that the broker should have kept single.
    suspicious: bool,
}

impl Fold {
    /// The fold of a stream that is committed up to `committed`, with what is parked there.
    #[must_use]
    pub fn new(stream: Stream, committed: Seq, parked: Vec<Parked>, capacity: usize) -> Self {
        let parked = parked.into_iter().map(|parked| (parked.aggregate.clone(), parked)).collect();
        Self {
            stream,
            capacity,
            rooms: HashMap::new(),
            touched: HashSet::new(),
            parked,
            uncommitted: HashMap::new(),
            committed,
            suspicious: false,
        }
    }

    /// From now on every message's id is looked up, and not only those that may be repeats: the store has
    /// refused a message as stored before.
    pub const fn suspect_repeats(&mut self) {
        self.suspicious = true;
    }

    /// What is parked.
    pub fn parked(&self) -> impl Iterator<Item = &Parked> {
        self.parked.values()
    }

    /// Folds one fact into the batch. Facts come in log order, each once.
    ///
    /// # Errors
    /// What must be [admitted](Fold::admit) before this fact can be folded; nothing has changed.
    pub fn step(&mut self, batch: &mut Batch, fact: &LogFact) -> Result<(), Missing> {
        match &fact.source {
            Source::Room(room, lane) => self.step_room(batch, fact, *room, *lane),
            Source::Identity(subject) => {
                self.step_identity(batch, fact, subject);
                Ok(())
            }
        }
    }

    /// Makes a plan of the batch.
    pub fn finish(&mut self, batch: Batch) -> Plan {
        batch.plan(self.stream, &self.rooms, &self.parked)
    }

    /// Everything up to here is committed; what is not needed any more may go.
    pub fn committed(&mut self, pos: Seq) {
        self.committed = self.committed.max(pos);
        self.uncommitted.retain(|_, seq| *seq > pos);
        let Self { rooms, touched, .. } = self;
        // A room that moved beyond is looked after again at the commit of that.
        touched.retain(|room| {
            let Some(record) = rooms.get_mut(room) else { return false };
            record.committed(pos);
            record.used > pos
        });
        if self.rooms.len() > self.capacity {
            self.evict();
        }
    }

    /// Forgets the rooms that moved longest ago, a quarter at a time.
    fn evict(&mut self) {
        let mut idle: Vec<(Seq, RoomId)> = self
            .rooms
            .iter()
            .filter(|(_, record)| record.used <= self.committed)
            .map(|(room, record)| (record.used, *room))
            .collect();
        idle.sort_unstable();
        let surplus = self.rooms.len() - self.capacity + self.capacity / 4;
        for (_, room) in idle.into_iter().take(surplus) {
            self.rooms.remove(&room);
        }
    }

    fn step_room(
        &mut self,
        batch: &mut Batch,
        fact: &LogFact,
        room: RoomId,
        lane: Lane,
    ) -> Result<(), Missing> {
        let record = self.rooms.get(&room).ok_or(Missing::Room(room))?;
        if record.doc.heads.held_at.is_some() {
            self.hold(batch, fact, room, lane);
            return Ok(());
        }
        let fate = self.fate(record, fact, room, lane)?;
        let raises = match &fate {
            Fate::Applies(Envelope { event: Fact::Receipt(event), .. }) => record.raises(room, event)?,
            Fate::Applies(_) | Fate::Void | Fate::Poison(_) => vec![],
        };
        let Some(record) = self.rooms.get_mut(&room) else { return Err(Missing::Room(room)) };
        record.consume(lane, fact.seq);
        self.touched.insert(room);
        batch.touch(room, record.doc.top);
        match fate {
            Fate::Void => batch.tally.void += 1,
            Fate::Poison(reason) => {
                record.doc.heads.held_at = Some(fact.seq);
                self.park(batch, Aggregate::Room(room), fact, reason);
            }
            Fate::Applies(envelope) => {
                let entry = Entry { room, seq: fact.seq, envelope };
                if let Fact::Message(MessageEvent::Posted(_)) = &envelope.event {
                    self.uncommitted.insert((room, envelope.by, envelope.id), fact.seq);
                }
                apply_to_room(record, batch, &entry, &raises);
                batch.tally.applied += 1;
            }
        }
        Ok(())
    }

    fn step_identity(&mut self, batch: &mut Batch, fact: &LogFact, subject: &str) {
        let aggregate = Aggregate::Subject(subject.to_owned());
        if let Some(parked) = self.parked.get_mut(&aggregate) {
            parked.held += 1;
            batch.tally.held += 1;
            batch.parked.insert(aggregate);
            return;
        }
        match &fact.body {
            Ok(envelope @ Envelope { event: Fact::Identity(event), .. }) => {
                users::apply(subject, envelope, &mut batch.users);
                sessions::apply(fact.seq, envelope, &mut batch.sessions);
                directs::apply(envelope, &mut batch.writes);
                notices::of_identity(batch, fact.seq, envelope.by, event);
                batch.tally.applied += 1;
            }
            Ok(envelope @ Envelope { event: Fact::Account(event), .. }) => {
                audit::apply(fact.seq, envelope, &mut batch.writes);
                users::apply(subject, envelope, &mut batch.users);
                notices::of_account(batch, fact.seq, event);
                batch.tally.applied += 1;
            }
            Ok(envelope) => {
                let reason = format!("{} on the stream IDENT", envelope.event.type_name());
                self.park(batch, aggregate, fact, reason);
            }
            Err(undecodable) => self.park(batch, aggregate, fact, undecodable.to_string()),
        }
    }

    fn park(&mut self, batch: &mut Batch, aggregate: Aggregate, fact: &LogFact, reason: String) {
        let parked = Parked { aggregate: aggregate.clone(), at: fact.seq, reason, since: fact.time, held: 0 };
        batch.poison.push(parked.clone());
        batch.tally.poison += 1;
        batch.parked.insert(aggregate.clone());
        self.parked.insert(aggregate, parked);
    }

    fn hold(&mut self, batch: &mut Batch, fact: &LogFact, room: RoomId, lane: Lane) {
        let aggregate = Aggregate::Room(room);
        if let Some(record) = self.rooms.get_mut(&room) {
            record.consume(lane, fact.seq);
            batch.touch(room, record.doc.top);
        }
        if let Some(parked) = self.parked.get_mut(&aggregate) {
            parked.held += 1;
        }
        batch.tally.held += 1;
        batch.parked.insert(aggregate);
    }
}

/// Folds a fact that stands into the views of rooms.
fn apply_to_room(record: &mut RoomRecord, batch: &mut Batch, entry: &Entry<'_>, raises: &[members::Raise]) {
    let beside = members::Beside { members: record.doc.members, messages: record.doc.m };
    let more = members::apply(entry, beside, raises, &mut record.known, &mut batch.members);
    if let Some((poster, m)) = record.doc.apply(entry, more) {
        batch.members.see(entry.room, poster, m);
    }
    if let Fact::Room(event) = &entry.envelope.event {
        record.trail.note(entry.seq, event);
        notices::of_room(batch, entry, event);
    }
    if let Some(item) = timeline::entry(entry) {
        let RoomDoc { n, m, .. } = record.doc;
        timeline::write(&item, n, m, &mut batch.writes);
        record.numbered(entry.seq, m);
        batch.add_item(item);
    }
}

#[cfg(test)]
mod tests;
