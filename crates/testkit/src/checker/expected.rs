//! What the log comes to, folded here once more and independently of the projector: slowly, one fact at a time, with
//! the whole membership of every room at hand.

use std::collections::{HashMap, HashSet};

use chasqui_bus::Log;
use chasqui_crypto::{Keyring, Opened, Place};
use chasqui_events::{
    CommandId, Event as _, Fact, RoomId, Seq, Text, Timestamp, UserId,
    message::{MessageEvent, Posted},
    receipts::{Mark, ReceiptEvent},
    room::RoomEvent,
};
use chasqui_read_model::Stream;
use futures::future::join_all;

use crate::{Message, Stack};

/// One entry of a timeline: a message, or a change of the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: Seq,
    pub(super) message: Option<Message>,
}

/// What the facts of a room come to.
#[derive(Debug, Default)]
pub(super) struct ExpectedRoom {
    pub(super) entries: Vec<Entry>,
    /// Author and id of messages whose author was not a member any more, or muted; or whose room was erased.
    pub(super) void: HashSet<(UserId, CommandId)>,
    /// Places of messages that had been stored before.
    pub(super) repeated: HashSet<Seq>,
    /// From and to, both included; `None` for members of today.
    memberships: HashMap<UserId, Vec<(Seq, Option<Seq>)>>,
    /// Places at which somebody who was not in the room was invited, or their invitation ended.
    asides: HashMap<UserId, HashSet<Seq>>,
    marks: HashMap<UserId, Mark>,
    ids: HashSet<(UserId, CommandId)>,
    /// Who may not post, and until when.
    mutes: HashMap<UserId, Option<Timestamp>>,
    erased: bool,
}

impl ExpectedRoom {
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.entries.iter().filter_map(|entry| entry.message.as_ref())
    }

    pub(super) fn members_now(&self) -> usize {
        self.memberships.keys().filter(|user| self.is_member(**user)).count()
    }

    pub(super) fn mark_of(&self, user: UserId) -> Mark {
        self.marks.get(&user).copied().unwrap_or(Mark { user, delivered: 0, read: 0 })
    }

    /// What a client of this user is sent that is told of the room from `entered` on.
    pub(super) fn seen_by(&self, user: UserId, entered: Option<Seq>) -> Vec<Entry> {
        let memberships = self.memberships.get(&user).map(Vec::as_slice).unwrap_or_default();
        let inside = |seq: Seq| {
            let within = |(from, to): &(Seq, Option<Seq>)| seq >= *from && to.is_none_or(|to| seq <= to);
            seq >= entered.unwrap_or(0) && memberships.iter().any(within)
        };
        self.entries.iter().filter(|entry| inside(entry.seq)).cloned().collect()
    }

    /// Takes out of what a client saw the words that were erased since.
    pub(super) fn forget_erased(&self, seen: &mut [Entry]) {
        let words =
            |entry: &Entry| entry.message.as_ref().is_some_and(Message::is_erased).then_some(entry.seq);
        let erased: HashSet<Seq> = self.entries.iter().filter_map(words).collect();
        for entry in seen.iter_mut().filter(|entry| erased.contains(&entry.seq)) {
            entry.message.iter_mut().for_each(|message| message.body.clear());
        }
    }

    /// Whether the entry tells somebody of an invitation of theirs, or its end: it comes unless it is overtaken by
    /// their joining.
    pub(super) fn is_aside(&self, user: UserId, seq: Seq) -> bool {
        self.asides.get(&user).is_some_and(|asides| asides.contains(&seq))
    }

    fn is_member(&self, user: UserId) -> bool {
        self.memberships.get(&user).and_then(|all| all.last()).is_some_and(|(_, to)| to.is_none())
    }

    fn enter(&mut self, user: UserId, seq: Seq) {
        self.memberships.entry(user).or_default().push((seq, None));
    }

    fn leave(&mut self, user: UserId, seq: Seq) {
        if let Some((_, to @ None)) = self.memberships.get_mut(&user).and_then(|all| all.last_mut()) {
            *to = Some(seq);
        }
    }

    /// An invitation, or the end of one, as somebody sees it who is not in the room.
    fn aside(&mut self, user: UserId, seq: Seq) {
        if !self.is_member(user) {
            self.asides.entry(user).or_default().insert(seq);
        }
    }

    fn apply_state(&mut self, seq: Seq, event: &RoomEvent) {
        match event {
            RoomEvent::Created(created) => created.members.iter().for_each(|new| self.enter(new.user, seq)),
            RoomEvent::MemberJoined(joined) => self.enter(joined.user, seq),
            RoomEvent::MemberInvited(invited) => self.aside(invited.user, seq),
            RoomEvent::MemberLeft(left) => {
                self.aside(left.user, seq);
                self.leave(left.user, seq);
            }
            RoomEvent::MemberRemoved(removed) => {
                self.aside(removed.user, seq);
                self.leave(removed.user, seq);
            }
            RoomEvent::MemberBanned(banned) => {
                self.aside(banned.user, seq);
                self.leave(banned.user, seq);
            }
            RoomEvent::MemberMuted(muted) => {
                self.mutes.insert(muted.user, muted.until);
            }
            RoomEvent::MemberUnmuted(unmuted) => {
                self.mutes.remove(&unmuted.user);
            }
            RoomEvent::Renamed(_)
            | RoomEvent::MemberRoleChanged(_)
            | RoomEvent::MemberUnbanned(_)
            | RoomEvent::SlowModeChanged(_) => {}
            RoomEvent::Erased(_) => self.erased = true,
        }
        self.entries.push(Entry { seq, message: None });
    }

    fn apply_message(&mut self, seq: Seq, by: UserId, id: CommandId, at: Timestamp, body: String) {
        let muted = self.mutes.get(&by).is_some_and(|until| until.is_none_or(|until| at < until));
        if !self.ids.insert((by, id)) {
            self.repeated.insert(seq);
        } else if self.is_member(by) && !muted && !self.erased {
            let message = Message { seq, by, id, body };
            self.entries.push(Entry { seq, message: Some(message) });
        } else {
            self.void.insert((by, id));
        }
    }

    fn apply_receipts(&mut self, event: &ReceiptEvent) {
        let ReceiptEvent::Moved(moved) = event;
        for mark in &moved.marks {
            let highest =
                self.marks.entry(mark.user).or_insert(Mark { user: mark.user, delivered: 0, read: 0 });
            highest.read = highest.read.max(mark.read);
            // Who has read it has got it.
            highest.delivered = highest.delivered.max(mark.delivered).max(mark.read);
        }
    }
}

/// Reads every partition to its end.
pub(super) async fn read(stack: &Stack) -> HashMap<RoomId, ExpectedRoom> {
    let log = stack.log().await;
    let streams = Stream::all(stack.partitions()).filter(|stream| *stream != Stream::Ident);
    let keyring = stack.keyring().await;
    let partitions = join_all(streams.map(|stream| partition(log.clone(), &keyring, stream))).await;
    partitions.into_iter().flatten().collect()
}

/// What was said, as whoever has the keys reads it; nothing when it was erased.
async fn open(keyring: &Keyring, place: &Place, posted: Posted) -> String {
    let opened = match posted.body {
        Text::Plain(body) => Opened::Text(body),
        Text::Sealed(sealed) => keyring.open(place, &sealed).await.unwrap(),
    };
    match opened {
        Opened::Text(body) => {
            assert_eq!(body.len() as u64, posted.size, "the size beside the seal");
            body
        }
        Opened::Erased => String::new(),
        Opened::Damaged => panic!("{place:?} is damaged"),
    }
}

/// The last sequence of every stream.
pub(super) async fn heads(stack: &Stack) -> Vec<(Stream, Seq)> {
    let log = stack.log().await;
    let mut heads = Vec::new();
    for stream in Stream::all(stack.partitions()) {
        heads.push((stream, log.head(&stream.to_string()).await.unwrap().last_seq));
    }
    heads
}

async fn partition(log: Log, keyring: &Keyring, stream: Stream) -> HashMap<RoomId, ExpectedRoom> {
    let mut rooms: HashMap<RoomId, ExpectedRoom> = HashMap::new();
    let mut from = 1;
    while let Some(stored) = log.next(&stream.to_string(), from, ">").await.unwrap() {
        from = stored.seq + 1;
        let id: RoomId = stored.subject.split('.').nth(3).and_then(|id| id.parse().ok()).unwrap();
        let room = rooms.entry(id).or_default();
        let fact = stored.decode::<Fact>().unwrap_or_else(|error| panic!("{stored:?}: {error}"));
        assert_eq!(stored.msg_id, Some(fact.id), "{} is stored under another id", fact.event.type_name());
        let at = fact.recorded_at();
        match fact.event {
            Fact::Room(event) => room.apply_state(stored.seq, &event),
            Fact::Message(MessageEvent::Posted(posted)) => {
                let place = Place::Body { room: id, id: fact.id, author: fact.by };
                room.apply_message(stored.seq, fact.by, fact.id, at, open(keyring, &place, posted).await);
            }
            Fact::Receipt(event) => room.apply_receipts(&event),
            Fact::Identity(event) => panic!("{} in {stream}", event.type_name()),
            Fact::Account(event) => panic!("{} in {stream}", event.type_name()),
        }
    }
    rooms
}
