//! The rules, held against a server that is a list.

use std::collections::{BTreeMap, VecDeque};

use chasqui_events::{CommandId, Partition, RoomId, Seq, SessionId, Timestamp, UserId};
use chasqui_protocol::{Code, Happening, command::Send, query::Query};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;

fn welcome(resumed: bool) -> Welcome {
    Welcome {
        user: user(1),
        session: SessionId::new(Timestamp(1), [3; 10]),
        server_time: Timestamp(1),
        resumed,
        ping_interval_ms: 1000,
        expires_at: Timestamp(1_000_000),
    }
}

fn user(n: u8) -> UserId {
    UserId::new(Timestamp(1), [n; 10])
}

fn room(n: u8) -> RoomId {
    RoomId::new(Partition::from_low_bits(1), Timestamp(1), [n; 10])
}

fn id(n: u8) -> CommandId {
    CommandId::new(Timestamp(1), [n; 10])
}

fn item(room: RoomId, seq: Seq) -> Item {
    let what = Happening::Message {
        id: id(1),
        body: seq.to_string(),
        erased: false,
        damaged: false,
        replies_to: vec![],
    };
    Item { room, seq, at: Timestamp(1), by: user(2), imported_by: None, what }
}

fn send(n: u8) -> ClientFrame {
    ClientFrame::Send(Send {
        id: id(n),
        room: room(1),
        body: n.to_string(),
        replies_to: vec![],
        retry: false,
        on_behalf: None,
    })
}

fn is_retry(frame: &ClientFrame) -> bool {
    matches!(frame, ClientFrame::Send(send) if send.retry)
}

fn online() -> Reducer {
    let mut reducer = Reducer::new(Some("c".to_owned()), 1000);
    reducer.connected(welcome(true));
    reducer
}

fn problem(code: Code) -> ServerFrame {
    let problem = Problem::new(code, "because");
    ServerFrame::Error(ErrorFrame { id: Some(id(1)), reference: None, problem })
}

fn ok(n: u8) -> ServerFrame {
    ServerFrame::Ok { id: id(n), accepted: Accepted::default() }
}

#[test]
fn unanswered_commands_are_said_again_in_order_and_only_then_called_retries() {
    let mut reducer = Reducer::new(None, 1000);
    assert_eq!(reducer.submit(send(1), 0), None, "there is no connection yet");
    let (events, frames) = reducer.connected(welcome(false));
    assert_eq!(events, [Event::Connected(welcome(false))]);
    assert_eq!(frames, [send(1)], "the first time is no retry");
    assert_eq!(reducer.submit(send(2), 0), Some(send(2)));
    assert_eq!(reducer.submit(send(3), 0), Some(send(3)));
    assert!(
        matches!(reducer.receive(ok(2), 0), Step::Answered(Key::Command(answered), Ok(_)) if answered == id(2))
    );
    reducer.disconnected();
    let (_, frames) = reducer.connected(welcome(false));
    assert_eq!(frames.len(), 2);
    assert!(frames.iter().all(is_retry), "{frames:?}");
    assert_eq!([Key::of(&frames[0]), Key::of(&frames[1])], [Key::of(&send(1)), Key::of(&send(3))]);
    assert_eq!(reducer.receive(ok(2), 0), Step::Nothing, "an answer that comes twice is given once");
}

#[test]
fn unknown_is_not_failure() {
    let mut reducer = online();
    reducer.submit(send(1), 0);
    assert_eq!(reducer.receive(problem(Code::Unknown), 10), Step::Nothing);
    let at = reducer.next_repeat().unwrap();
    assert!(at > 10);
    assert_eq!(reducer.take_repeats(at - 1), []);
    let again = reducer.take_repeats(at);
    assert!(is_retry(&again[0]), "{again:?}");
    assert_eq!(reducer.next_repeat(), None);
    assert!(
        matches!(reducer.receive(problem(Code::Unknown), 2000), Step::Answered(_, Err(_))),
        "the caller's patience is over"
    );
}

#[test]
fn a_refusal_is_final() {
    let mut reducer = online();
    reducer.submit(send(1), 0);
    assert!(matches!(reducer.receive(problem(Code::NotAMember), 1), Step::Answered(_, Err(_))));
    reducer.disconnected();
    assert_eq!(reducer.connected(welcome(true)).1, []);
}

#[test]
fn queries_are_asked_again() {
    let mut reducer = online();
    let query = ClientFrame::Query {
        reference: "q".to_owned(),
        ask: Query::Conversations {},
        fresh: chasqui_protocol::query::Freshness::Any,
    };
    reducer.submit(query.clone(), 0);
    reducer.disconnected();
    assert_eq!(reducer.connected(welcome(true)).1, [query]);
}

#[test]
fn a_read_mark_is_said_on_each_connection_until_the_server_shows_it() {
    let mut reducer = online();
    let read = ClientFrame::Read(chasqui_protocol::command::Read { room: room(1), seq: 5 });
    assert_eq!(reducer.submit(read.clone(), 0), Some(read.clone()));
    reducer.disconnected();
    assert_eq!(reducer.connected(welcome(true)).1, [read]);
    let mark = chasqui_events::receipts::Mark { user: user(1), delivered: 5, read: 5 };
    reducer.receive(ServerFrame::Receipts { room: room(1), marks: vec![mark] }, 0);
    reducer.disconnected();
    assert_eq!(reducer.connected(welcome(true)).1, []);
}

#[test]
fn a_connection_lost_before_the_first_cursor_is_told_as_a_reset() {
    let mut reducer = Reducer::new(None, 1000);
    reducer.connected(welcome(false));
    reducer.disconnected();
    let (events, _) = reducer.connected(welcome(false));
    assert_eq!(events, [Event::Reconnected { resumed: false }, Event::Reset { reason: None }]);
}

#[test]
fn a_late_entry_is_told_once_and_acknowledged_by_itself() {
    let mut reducer = online();
    let mut arrives = |item: &Item| {
        let step = reducer.receive(ServerFrame::Item(item.clone()), 0);
        if let Step::Event(Event::Item(item) | Event::Late(item)) = &step {
            reducer.handed_over(item);
        }
        (step, reducer.take_acks())
    };
    let ack = |seq| Some(ClientFrame::Ack { room: room(1), seq });
    let joined = |seq| Item { what: Happening::Joined { user: user(3) }, ..item(room(1), seq) };
    assert_eq!(arrives(&joined(8)), (Step::Event(Event::Item(joined(8))), ack(8)));
    assert_eq!(arrives(&item(room(1), 12)), (Step::Event(Event::Item(item(room(1), 12))), ack(12)));
    assert_eq!(arrives(&joined(10)), (Step::Event(Event::Late(joined(10))), ack(10)), "not the highest");
    assert_eq!(arrives(&joined(10)), (Step::Nothing, ack(10)));
    assert_eq!(arrives(&item(room(1), 11)), (Step::Nothing, ack(11)), "messages are never late");
}

/// What can happen to a connection.
#[derive(Clone, Debug)]
enum Happens {
    /// Somebody says something in this room.
    Posted(u8),
    /// The server's next frame arrives.
    Arrives,
    /// It arrives twice.
    ArrivesTwice,
    /// The application takes one event.
    Taken,
    /// The acknowledgements go out, and the cursor comes back.
    Acknowledged,
    /// The connection is lost; the next one resumes.
    Lost,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0u8..3).prop_map(Happens::Posted),
        6 => Just(Happens::Arrives),
        1 => Just(Happens::ArrivesTwice),
        4 => Just(Happens::Taken),
        2 => Just(Happens::Acknowledged),
        1 => Just(Happens::Lost),
    ]
}

/// A server with one log and one session: its cursor is, per room, what was acknowledged.
struct Server {
    log: Vec<Item>,
    wire: VecDeque<ServerFrame>,
    acked: BTreeMap<RoomId, Seq>,
}

impl Server {
    fn post(&mut self, room_number: u8) {
        let item = item(room(room_number), self.log.len() as Seq + 1);
        self.log.push(item.clone());
        self.wire.push_back(ServerFrame::Item(item));
    }

    fn resume(&mut self) {
        let missed = |item: &&Item| item.seq > self.acked.get(&item.room).copied().unwrap_or(0);
        self.wire = self.log.iter().filter(missed).cloned().map(ServerFrame::Item).collect();
    }

    fn take_ack(&mut self, frame: &ClientFrame) {
        let acks = match frame {
            ClientFrame::Ack { room, seq } => vec![(*room, *seq)],
            ClientFrame::Acks(acks) => acks.clone(),
            other => panic!("not an acknowledgement: {other:?}"),
        };
        for (room, seq) in acks {
            let mark = self.acked.entry(room).or_default();
            *mark = (*mark).max(seq);
        }
    }
}

const CAPACITY: usize = 4;

struct Run {
    reducer: Reducer,
    server: Server,
    events: VecDeque<Item>,
    seen: BTreeMap<RoomId, Vec<Seq>>,
}

impl Run {
    fn new() -> Self {
        let server = Server { log: vec![], wire: VecDeque::new(), acked: BTreeMap::new() };
        Self { reducer: online(), server, events: VecDeque::new(), seen: BTreeMap::new() }
    }

    fn step(&mut self, happens: &Happens) {
        match happens {
            Happens::Posted(room) => self.server.post(*room),
            Happens::Arrives => self.arrives(1),
            Happens::ArrivesTwice => self.arrives(2),
            Happens::Taken => self.taken(),
            Happens::Acknowledged => {
                if let Some(acks) = self.reducer.take_acks() {
                    self.server.take_ack(&acks);
                }
            }
            Happens::Lost => self.reconnect(),
        }
    }

    fn arrives(&mut self, times: usize) {
        let Some(frame) = self.server.wire.pop_front() else { return };
        for _ in 0..times {
            let Step::Event(Event::Item(item)) = self.reducer.receive(frame.clone(), 0) else { continue };
            if self.events.len() == CAPACITY {
                self.reducer.fall_behind();
            } else {
                self.reducer.handed_over(&item);
                self.events.push_back(item);
            }
        }
    }

    fn taken(&mut self) {
        if let Some(item) = self.events.pop_front() {
            self.seen.entry(item.room).or_default().push(item.seq);
        }
        if self.reducer.is_behind() && self.events.len() <= CAPACITY / 2 {
            self.reconnect();
        }
    }

    fn reconnect(&mut self) {
        self.reducer.disconnected();
        self.server.resume();
        self.reducer.connected(welcome(true));
    }
}

proptest! {
    #[test]
    fn every_entry_comes_once_and_in_order(schedule in proptest::collection::vec(happens(), 0..300)) {
        let mut run = Run::new();
        for happens in &schedule {
            run.step(happens);
        }
        while !(run.server.wire.is_empty() && run.events.is_empty() && !run.reducer.is_behind()) {
            run.arrives(1);
            run.taken();
        }
        let mut expected: BTreeMap<RoomId, Vec<Seq>> = BTreeMap::new();
        for item in &run.server.log {
            expected.entry(item.room).or_default().push(item.seq);
        }
        prop_assert_eq!(run.seen, expected);
    }
}
