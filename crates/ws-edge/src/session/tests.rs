//! One session after the other, one client, one room: cut anywhere, resumed, left, entered again.

use chasqui_auth::{KeyId, Scopes};
use chasqui_events::{CommandId, SessionId, UserId, receipts::Mark};
use chasqui_protocol::{Happening, Item, command::Read};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;
use crate::{cursor::Floor, verified::Verified};

const TIMING: Timing = Timing { hello: 1_000, ping: 15_000, pong: 10_000, close: 3_000 };

fn user(n: u8) -> UserId {
    UserId::new(Timestamp(1), [n; 10])
}

fn room() -> RoomId {
    RoomId::new(Partition::from_low_bits(0), Timestamp(1), [9; 10])
}

fn identity() -> Identity {
    Identity {
        role: chasqui_auth::GlobalRole::User,
        user: user(1),
        session: SessionId::new(Timestamp(1), [1; 10]),
        expires_at: Timestamp(1_000_000),
        scopes: Scopes::NONE,
        signed_by: KeyId::default(),
    }
}

fn item(seq: Seq) -> Frame {
    let what = Happening::Message {
        erased: false,
        damaged: false,
        id: CommandId::new(Timestamp(1), [1; 10]),
        body: "hola".to_owned(),
        replies_to: vec![],
    };
    let item = Item { room: room(), seq, at: Timestamp(1), by: user(2), imported_by: None, what };
    Frame::encode(Codec::Json, &ServerFrame::Item(item))
}

fn read_frame(frame: Frame) -> ServerFrame {
    let Frame::Text(text) = frame else { panic!("JSON is text") };
    Codec::Json.decode(text.as_bytes()).unwrap()
}

fn fresh(limit: usize) -> (Session, Vec<Effect>) {
    (Session::new(Codec::Json, limit, TIMING, Timestamp(0)), Vec::new())
}

fn greeted(limit: usize) -> (Session, Vec<Effect>) {
    let (mut session, mut effects) = fresh(limit);
    let hello = Hello { token: "t".to_owned(), cursor: None, client: None };
    session.handle(Input::Frame(ClientFrame::Hello(hello)), Timestamp(0), &mut effects);
    assert!(matches!(effects.pop(), Some(Effect::Authenticate(_))));
    session.handle(Input::Verified(Ok(identity())), Timestamp(0), &mut effects);
    assert!(matches!(effects.pop(), Some(Effect::Resume)));
    (session, effects)
}

fn frames(session: &mut Session) -> Vec<ServerFrame> {
    std::iter::from_fn(|| session.next_frame()).map(read_frame).collect()
}

const fn message(seq: Seq) -> Entry {
    Entry { seq, late: false, foreign: true }
}

/// A room's log, a client, and the session between them.
struct World {
    now: Timestamp,
    log: Vec<Seq>,
    /// The places at which the client's user entered and left, alternately.
    moves: Vec<Seq>,
    verified: Verified,
    session: Session,
    /// While the session catches up: up to where it was sent, and to where it must be.
    catching: Option<(Seq, Seq)>,
    // The client.
    cursor: Option<String>,
    got: Vec<Seq>,
    in_room: bool,
    delivered: Seq,
}

#[derive(Clone, Debug)]
enum Op {
    Append,
    ClientReads(usize),
    ClientAcks,
    Tick,
    Catch(usize),
    Cut,
    Move,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Append),
        6 => (1usize..5).prop_map(Op::ClientReads),
        4 => Just(Op::ClientAcks),
        3 => Just(Op::Tick),
        4 => (1usize..4).prop_map(Op::Catch),
        1 => Just(Op::Cut),
        1 => Just(Op::Move),
    ]
}

impl World {
    fn new() -> Self {
        let (mut session, _) = greeted(1 << 20);
        let mut verified = Verified::default();
        verified.note(floor(0), []);
        session.set_cursor(verified.now());
        session.attach(room(), (0, 0), 0, None, Timestamp(0));
        session.caught_up(Timestamp(0));
        Self {
            now: Timestamp(0),
            log: vec![],
            moves: vec![0],
            verified,
            session,
            catching: None,
            cursor: None,
            got: vec![],
            in_room: true,
            delivered: 0,
        }
    }

    fn head(&self) -> Seq {
        self.log.last().copied().unwrap_or(0)
    }

    fn is_member(&self) -> bool {
        self.moves.len() % 2 == 1
    }

    /// Whether the client's user has a right to this entry.
    fn may_see(&self, seq: Seq) -> bool {
        self.moves.chunks(2).any(|stay| seq >= stay[0] && stay.get(1).is_none_or(|left| seq <= *left))
    }

    fn step(&mut self, op: &Op) {
        self.now = self.now.plus_millis(1);
        match op {
            Op::Append => {
                let seq = self.head() + 2;
                self.log.push(seq);
                self.session.deliver(room(), message(seq), item(seq), self.now);
            }
            Op::ClientReads(n) => {
                for _ in 0..*n {
                    if let Some(frame) = self.session.next_frame() {
                        self.client_takes(read_frame(frame));
                    }
                }
            }
            Op::ClientAcks => self.client_acks(),
            Op::Tick => {
                // Nothing is lost between room and session here, so all of it is verified.
                self.verified.note(floor(self.head()), []);
                self.session.advance_cursor(&self.verified, self.now);
            }
            Op::Catch(n) => self.catch(*n),
            Op::Cut => self.reconnect(),
            Op::Move => self.move_user(),
        }
    }

    fn client_takes(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Item(item) => {
                assert!(self.in_room, "nothing of a room follows its room_left");
                if self.got.last().is_none_or(|last| item.seq > *last) {
                    self.got.push(item.seq);
                }
            }
            ServerFrame::Cursor { cursor } => self.cursor = Some(cursor),
            ServerFrame::RoomLeft { .. } => self.in_room = false,
            ServerFrame::RoomEntered { .. } => self.in_room = true,
            ServerFrame::Welcome(_) | ServerFrame::CaughtUp {} => {}
            other => panic!("{other:?}"),
        }
    }

    fn client_acks(&mut self) {
        let Some(&seq) = self.got.last() else { return };
        let mut effects = Vec::new();
        self.session.handle(Input::Frame(ClientFrame::Ack { room: room(), seq }), self.now, &mut effects);
        for effect in effects {
            let Effect::Delivered { seq, .. } = effect else { panic!("{effect:?}") };
            assert!(self.got.contains(&seq) && seq > 0, "delivered only what the client has");
            self.delivered = self.delivered.max(seq);
        }
    }

    fn catch(&mut self, n: usize) {
        let Some((mut sent, target)) = self.catching else { return };
        let missed: Vec<Seq> = self.log.iter().copied().filter(|seq| *seq > sent && *seq <= target).collect();
        for seq in missed.iter().take(n) {
            if self.may_see(*seq) {
                self.session.catch(room(), message(*seq), item(*seq), self.now);
            }
            sent = *seq;
        }
        self.catching = Some((sent, target));
        if missed.len() <= n {
            self.catching = match self.session.release(room(), target, self.now) {
                Released::Again(from) => Some((from, self.head())),
                Released::Live | Released::Over => None,
            };
            if self.catching.is_none() {
                for deferred in self.session.caught_up(self.now) {
                    assert_eq!(deferred, room());
                    self.session.attach(room(), (self.head(), self.head()), 0, None, self.now);
                }
            }
        }
    }

    fn reconnect(&mut self) {
        self.session = greeted(1 << 20).0;
        self.catching = None;
        let cursor =
            self.cursor.as_deref().map_or_else(Cursor::default, |text| Cursor::decode(text).unwrap());
        let after = cursor.floor(floor(0).partition).map_or(0, |floor| floor.seq);
        self.session.set_cursor(if cursor.floors().is_empty() {
            Cursor::new(vec![floor(0)])
        } else {
            cursor
        });
        self.in_room = true;
        if !self.is_member() {
            // What was missed of a room that was left: sent without a seat, by the resume.
            let left = *self.moves.last().unwrap();
            for seq in self.log.clone().into_iter().filter(|seq| *seq > after && *seq <= left) {
                if self.may_see(seq) {
                    self.session.aside(item(seq), self.now);
                }
            }
            self.session.push(&ServerFrame::RoomLeft { room: room() }, self.now);
            self.session.caught_up(self.now);
            return;
        }
        let entered = *self.moves.last().unwrap();
        let announce = ServerFrame::RoomEntered { room: room(), from: entered };
        let announce = (entered > after).then(|| Frame::encode(Codec::Json, &announce));
        match self.session.attach(room(), (after, self.head()), 0, announce, self.now) {
            Attached::Catching => self.catching = Some((after, self.head())),
            Attached::Live => {
                self.session.caught_up(self.now);
            }
            other => panic!("{other:?}"),
        }
    }

    /// The user leaves with an entry that says so, or enters with one.
    fn move_user(&mut self) {
        if !self.session.is_live() {
            return;
        }
        let seq = self.head() + 2;
        self.log.push(seq);
        self.moves.push(seq);
        let entry = Entry { foreign: false, ..message(seq) };
        if self.is_member() {
            let frame = Frame::encode(Codec::Json, &ServerFrame::RoomEntered { room: room(), from: seq });
            self.session.enter(room(), seq, 0, frame, self.now);
            self.session.deliver(room(), entry, item(seq), self.now);
        } else {
            self.session.deliver(room(), entry, item(seq), self.now);
            let frame = Frame::encode(Codec::Json, &ServerFrame::RoomLeft { room: room() });
            self.session.leave(room(), frame, self.now);
        }
    }

    fn settle(&mut self) {
        while self.catching.is_some() {
            self.catch(100);
        }
        self.step(&Op::ClientReads(100_000));
    }
}

fn floor(seq: Seq) -> Floor {
    Floor { partition: Partition::from_low_bits(0), incarnation: 1, seq, fingerprint: seq, known: 0 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_client_has_every_entry_once_and_in_order_whatever_is_cut(ops in prop::collection::vec(any_op(), 1..200)) {
        let mut world = World::new();
        let mut floor_before = 0;
        for op in &ops {
            world.step(op);
            if let Some(cursor) = &world.cursor {
                let floor = Cursor::decode(cursor).unwrap().floors()[0].seq;
                prop_assert!(floor >= floor_before, "a cursor only rises");
                prop_assert!(
                    world.log.iter().filter(|seq| **seq <= floor && world.may_see(**seq)).all(|seq| world.got.contains(seq)),
                    "a cursor never passes what the client does not have"
                );
                floor_before = floor;
            }
        }
        world.settle();
        let expected: Vec<Seq> = world.log.iter().copied().filter(|seq| world.may_see(*seq)).collect();
        prop_assert_eq!(&world.got, &expected);
        world.reconnect();
        world.settle();
        prop_assert_eq!(&world.got, &expected, "also after another reconnect");
    }

    #[test]
    fn too_much_while_catching_up_is_read_again(appended in 0u64..600) {
        let mut world = World::new();
        (0..10).for_each(|_| world.step(&Op::Append));
        world.step(&Op::Cut);
        (0..appended).for_each(|_| world.step(&Op::Append));
        world.settle();
        prop_assert_eq!(world.got, world.log);
    }

    /// Late entries are sent once, and an acknowledgement of a higher place that was under way does not count for
    /// them.
    #[test]
    fn the_cursor_waits_for_late_entries(acked in any::<bool>()) {
        let mut world = World::new();
        world.session.deliver(room(), message(10), item(10), Timestamp(1));
        world.session.deliver(room(), Entry { seq: 8, late: true, foreign: false }, item(8), Timestamp(1));
        let mut effects = Vec::new();
        let ack = |seq| Input::Frame(ClientFrame::Ack { room: room(), seq });
        world.session.handle(ack(10), Timestamp(1), &mut effects);
        world.verified.note(floor(20), []);
        world.session.advance_cursor(&world.verified, Timestamp(2));
        prop_assert_eq!(world.session.cursor.floors()[0].seq, 0);
        world.session.handle(ack(if acked { 8 } else { 9 }), Timestamp(1), &mut effects);
        world.session.advance_cursor(&world.verified, Timestamp(2));
        prop_assert_eq!(world.session.cursor.floors()[0].seq, if acked { 20 } else { 0 });
    }
}

#[test]
fn an_ack_counts_only_what_was_sent() {
    let (mut session, mut effects) = greeted(1 << 20);
    session.attach(room(), (5, 5), 5, None, Timestamp(0));
    session.caught_up(Timestamp(0));
    session.deliver(room(), message(7), item(7), Timestamp(0));
    session.handle(Input::Frame(ClientFrame::Ack { room: room(), seq: 1_000 }), Timestamp(0), &mut effects);
    assert!(matches!(effects.as_slice(), [Effect::Delivered { seq: 7, .. }]), "{effects:?}");
    effects.clear();
    session.handle(Input::Frame(ClientFrame::Ack { room: room(), seq: 6 }), Timestamp(0), &mut effects);
    assert!(effects.is_empty(), "watermarks only rise");
    session.deliver(room(), Entry { foreign: false, ..message(9) }, item(9), Timestamp(0));
    session.handle(Input::Frame(ClientFrame::Ack { room: room(), seq: 9 }), Timestamp(0), &mut effects);
    assert!(effects.is_empty(), "one's own message needs no delivery");
}

#[test]
fn strangers_are_told_to_say_hello() {
    let (mut session, mut effects) = fresh(1 << 20);
    let read = ClientFrame::Read(Read { room: room(), seq: 1 });
    session.handle(Input::Frame(read), Timestamp(0), &mut effects);
    assert!(effects.is_empty());
    let told = frames(&mut session);
    let [ServerFrame::Error(error)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(error.problem.code, Code::Unauthorized);
    session.handle(Input::Time, Timestamp(1_000), &mut effects);
    assert_eq!(session.closing(), Some(CloseCode::HelloTimeout));
    assert!(matches!(
        frames(&mut session).as_slice(),
        [ServerFrame::Bye { code: 4000, reconnect: true, .. }]
    ));
}

#[test]
fn a_bad_token_ends_the_connection_with_the_reason() {
    let (mut session, mut effects) = fresh(1 << 20);
    let hello = Hello { token: "t".to_owned(), cursor: None, client: None };
    session.handle(Input::Frame(ClientFrame::Hello(hello)), Timestamp(0), &mut effects);
    let problem = Problem::new(Code::Unauthorized, "the token has expired");
    session.handle(Input::Verified(Err(problem)), Timestamp(0), &mut effects);
    assert_eq!(session.closing(), Some(CloseCode::Unauthorized));
    assert!(matches!(
        frames(&mut session).as_slice(),
        [ServerFrame::Error(_), ServerFrame::Bye { code: 4001, .. }]
    ));
}

#[test]
fn a_slow_reader_is_told_so_and_holds_no_more_than_its_budget() {
    let (mut session, _) = greeted(4_096);
    session.attach(room(), (0, 0), 0, None, Timestamp(0));
    session.caught_up(Timestamp(0));
    for seq in 1..100 {
        session.deliver(room(), message(seq), item(seq), Timestamp(5));
        assert!(session.outbox.bytes() <= 4_096 + 256);
    }
    assert_eq!(session.closing(), Some(CloseCode::SlowReader));
    assert!(matches!(
        frames(&mut session).as_slice(),
        [ServerFrame::Bye { code: 4100, reconnect: true, .. }]
    ));
    assert_eq!(session.next_time(), Timestamp(3_005));
    assert!(session.is_overdue(Timestamp(3_005)));
}

#[test]
fn a_token_is_renewed_on_the_same_connection_by_the_same_session_only() {
    let (mut session, mut effects) = greeted(1 << 20);
    session.caught_up(Timestamp(0));
    let other = Identity { user: user(2), ..identity() };
    session.handle(Input::Renewed(Ok(other)), Timestamp(0), &mut effects);
    let later = Identity { expires_at: Timestamp(2_000_000), ..identity() };
    session.handle(Input::Renewed(Ok(later)), Timestamp(0), &mut effects);
    session.handle(Input::Heard, Timestamp(999_999), &mut effects);
    session.handle(Input::Time, Timestamp(1_000_000), &mut effects);
    assert_eq!(session.closing(), None);
    let told = frames(&mut session);
    assert!(matches!(told.as_slice(), [_, ServerFrame::Error(_), ServerFrame::Welcome(_)]), "{told:?}");
    session.handle(Input::Time, Timestamp(2_000_000), &mut effects);
    assert_eq!(session.closing(), Some(CloseCode::TokenExpired));
}

#[test]
fn hints_reach_only_who_is_in_the_room() {
    let (mut session, _) = greeted(1 << 20);
    let marks = vec![Mark { user: user(2), delivered: 3, read: 0 }];
    let frame = Frame::encode(Codec::Json, &ServerFrame::Receipts { room: room(), marks });
    session.hint(room(), frame.clone(), Timestamp(0));
    session.attach(room(), (0, 0), 0, None, Timestamp(0));
    session.hint(room(), frame, Timestamp(0));
    assert_eq!(frames(&mut session).len(), 1);
}

#[test]
fn typing_is_bounded() {
    let mut typing = Typing::default();
    let allowed = |typing: &mut Typing, at| (0..100).filter(|_| typing.allows(Timestamp(at))).count();
    assert_eq!(allowed(&mut typing, 10_000), 5);
    assert_eq!(allowed(&mut typing, 10_500), 0);
    assert_eq!(allowed(&mut typing, 12_000), 2);
}

/// The room's feed began at 20; of a stay from 12 to 14 nobody has told the session when its user comes again.
#[test]
fn earlier_stays_are_told_before_the_present_one() {
    let entered = |from| Frame::encode(Codec::Json, &ServerFrame::RoomEntered { room: room(), from });
    let left = || Frame::encode(Codec::Json, &ServerFrame::RoomLeft { room: room() });
    let (mut session, mut effects) = greeted(1 << 20);
    session.know_memberships(&[(room().partition(), 10)]);
    session.caught_up(Timestamp(0));
    assert_eq!(session.enter(room(), 30, 20, entered(30), Timestamp(0)), Entered::Untold(10));
    session.deliver(room(), message(30), item(30), Timestamp(0));
    assert_eq!(session.begin_introduction(room()), None, "one is under way");

    session.push_written(entered(12), Timestamp(0));
    session.catch(room(), message(12), item(12), Timestamp(0));
    session.push_written(left(), Timestamp(0));
    let released = session.end_introduction_outside(room(), 29, Timestamp(0));
    assert_eq!(released, Released::Live, "they are back already");
    session.deliver(room(), message(31), item(31), Timestamp(0));
    assert!(!session.leave(room(), left(), Timestamp(0)));
    let places: Vec<String> = frames(&mut session)
        .into_iter()
        .filter_map(|frame| match frame {
            ServerFrame::RoomEntered { from, .. } => Some(format!("entered from {from}")),
            ServerFrame::RoomLeft { .. } => Some("left".to_owned()),
            ServerFrame::Item(item) => Some(item.seq.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(places, ["entered from 12", "12", "left", "entered from 30", "30", "31", "left"]);

    let ack = ClientFrame::Ack { room: room(), seq: 31 };
    session.handle(Input::Frame(ack), Timestamp(0), &mut effects);
    assert_eq!(session.told_of(room()), 30, "also when nothing is waited for any more");
    assert_eq!(session.enter(room(), 40, 20, entered(40), Timestamp(0)), Entered::Seated);
}

#[test]
fn what_could_not_be_told_is_told_another_time() {
    let (mut session, _) = greeted(1 << 20);
    session.know_memberships(&[(room().partition(), 10)]);
    session.caught_up(Timestamp(0));
    assert_eq!(session.begin_introduction(room()), Some(10));
    session.give_up_introduction(room());
    assert_eq!((session.told_of(room()), session.room_count()), (10, 0));
    assert_eq!(session.begin_introduction(room()), Some(10));
}
