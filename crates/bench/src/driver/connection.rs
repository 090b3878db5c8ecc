//! One person's connection: sends what it is told to, acknowledges and reads what comes, and comes back with its
//! cursor when it is lost.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chasqui_events::{CommandId, RoomId, UserId, receipts::Mark};
use chasqui_protocol::{
    ClientFrame, Happening, Item, ServerFrame,
    command::{Read, Send},
    frame::{ErrorFrame, Hello},
};
use tokio::{
    sync::mpsc,
    time::{sleep, sleep_until, timeout},
};

use super::{Acking, Order, Shared};
use crate::{
    caller::now,
    checker::Seq,
    socket::{Socket, SocketError},
};

const HANDSHAKE: Duration = Duration::from_secs(15);
/// A command without an answer for so long is sent again.
const SILENCE: Duration = Duration::from_secs(8);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Frames handled before what they caused is written.
const BURST: usize = 64;

/// The entry decoded last, by anybody.
#[derive(Debug, Default)]
pub(super) struct LastItem {
    bytes: Bytes,
    entry: Option<Entry>,
}

/// What of an entry matters here.
#[derive(Clone, Copy, Debug)]
struct Entry {
    room: RoomId,
    seq: Seq,
    by: UserId,
    id: Option<CommandId>,
}

/// A seat of this person's.
#[derive(Clone, Copy, Debug)]
struct Seat {
    /// Its number at the checker.
    number: usize,
    /// The highest place whose answer has come, for [`crate::checker::Checker::sent`].
    answered: Seq,
    /// Entries up to here are to be acknowledged, and others' messages up to here read; 0 for nothing.
    ack: Seq,
    read: Seq,
}

#[derive(Debug)]
struct Unanswered {
    id: CommandId,
    again_at: Instant,
}

/// Why a session ended.
enum End {
    Stop,
    Cut,
    Lost(SocketError),
}

impl From<SocketError> for End {
    fn from(error: SocketError) -> Self {
        Self::Lost(error)
    }
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    person: usize,
    orders: mpsc::Receiver<Order>,
    seats: HashMap<RoomId, Seat>,
    cursor: Option<String>,
    unanswered: HashMap<u32, Unanswered>,
    /// When what is to be acknowledged must be.
    ack_at: Option<Instant>,
    entered: bool,
    present: bool,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, person: usize, orders: mpsc::Receiver<Order>) -> Self {
        let mut seats = HashMap::new();
        for (index, room) in shared.load.world.rooms.iter().enumerate() {
            let Some(member) = room.members.iter().position(|&member| member == person) else { continue };
            if let Some(seat) = shared.ledger.lock().seat(index, member) {
                seats.insert(room.id, Seat { number: seat, answered: 0, ack: 0, read: 0 });
            }
        }
        let (cursor, unanswered) = (None, HashMap::new());
        Self {
            shared,
            person,
            orders,
            seats,
            cursor,
            unanswered,
            ack_at: None,
            entered: false,
            present: false,
        }
    }

    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let end = self.session().await.err().unwrap_or(End::Stop);
            if std::mem::take(&mut self.present) {
                self.shared.present.fetch_sub(1, Ordering::Relaxed);
            }
            match end {
                End::Stop => return,
                End::Cut => {
                    self.shared.cut.fetch_add(1, Ordering::Relaxed);
                }
                End::Lost(error) => {
                    self.shared.ledger.lock().on_error(format!("connection: {error}"));
                    pause =
                        if begun.elapsed() > SILENCE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                    sleep(pause).await;
                }
            }
        }
    }

    async fn session(&mut self) -> Result<(), End> {
        let mut socket = self.come_in().await?;
        self.send_again(&mut socket, true).await?;
        loop {
            let timer = self.timer();
            tokio::select! {
                frame = socket.next() => self.hear(&frame?, &socket)?,
                order = self.orders.recv() => self.obey(order, &mut socket).await?,
                () = sleep_until(timer.into()) => self.send_again(&mut socket, false).await?,
            }
            self.take_what_is_there(&mut socket).await?;
            self.acknowledge(&mut socket).await?;
            socket.flush().await?;
        }
    }

    /// Everything that has come or is to be sent by now, so that one flush does for all.
    async fn take_what_is_there(&mut self, socket: &mut Socket) -> Result<(), End> {
        for _ in 0..BURST {
            let mut idle = true;
            if let Some(frame) = socket.next_ready()? {
                self.hear(&frame, socket)?;
                idle = false;
            }
            if let Ok(order) = self.orders.try_recv() {
                self.obey(Some(order), socket).await?;
                idle = false;
            }
            if idle {
                break;
            }
        }
        Ok(())
    }

    /// Connects and says hello. What comes before everything missed has come is handled here too.
    async fn come_in(&mut self) -> Result<Socket, End> {
        let shared = Arc::clone(&self.shared);
        let Ok(_door) = shared.doors.acquire().await else { return Err(End::Stop) };
        let late = || SocketError::Closed { code: 0, reason: "the handshake takes too long".to_owned() };
        let mut socket =
            timeout(HANDSHAKE, Socket::connect(&shared.load.endpoint)).await.map_err(|_| late())??;
        let Some(person) = shared.load.world.people.get(self.person) else { return Err(End::Stop) };
        let hello = Hello {
            token: person.token.clone(),
            cursor: self.cursor.clone(),
            client: Some("chasqui-bench".to_owned()),
        };
        socket.feed(&ClientFrame::Hello(hello)).await?;
        socket.flush().await?;
        shared.ledger.lock().on_connected(self.seats.values().map(|seat| seat.number), self.entered);
        self.entered = true;
        let deadline = Instant::now() + HANDSHAKE;
        while !self.present {
            let frame = timeout(deadline.saturating_duration_since(Instant::now()), socket.next()).await;
            self.hear(&frame.map_err(|_| late())??, &socket)?;
        }
        Ok(socket)
    }

    async fn obey(&mut self, order: Option<Order>, socket: &mut Socket) -> Result<(), End> {
        match order {
            None | Some(Order::Stop) => Err(End::Stop),
            Some(Order::Cut) => Err(End::Cut),
            Some(Order::Send(n)) => {
                let at = now();
                let id = self.shared.tag.id(n, at);
                let Some(frame) = self.message(n, id, false) else { return Ok(()) };
                let room = frame.room;
                socket.feed(&ClientFrame::Send(frame)).await?;
                self.unanswered.insert(n, Unanswered { id, again_at: Instant::now() + SILENCE });
                let after = self.seats.get(&room).map_or(0, |seat| seat.answered);
                let at = self.elapsed();
                self.shared.ledger.lock().on_sent(n, after, at);
                Ok(())
            }
        }
    }

    /// Commands without an answer: all of them after a reconnect, else those that waited long enough.
    async fn send_again(&mut self, socket: &mut Socket, all: bool) -> Result<(), End> {
        let now = Instant::now();
        let due = self.unanswered.iter_mut().filter(|(_, wait)| all || wait.again_at <= now);
        let due: Vec<(u32, CommandId)> = due
            .map(|(n, wait)| {
                wait.again_at = now + SILENCE;
                (*n, wait.id)
            })
            .collect();
        for (n, id) in due {
            if let Some(frame) = self.message(n, id, true) {
                socket.feed(&ClientFrame::Send(frame)).await?;
            }
        }
        socket.flush().await?;
        Ok(())
    }

    fn message(&self, n: u32, id: CommandId, retry: bool) -> Option<Send> {
        let room = self.shared.load.world.rooms.get(self.shared.plan.room(n) as usize)?.id;
        let body = self.shared.body.clone();
        Some(Send { id, room, body, replies_to: Vec::new(), retry, on_behalf: None })
    }

    fn timer(&self) -> Instant {
        let again = self.unanswered.values().map(|wait| wait.again_at).min();
        let far = Instant::now() + Duration::from_hours(1);
        self.ack_at.into_iter().chain(again).min().unwrap_or(far)
    }

    fn hear(&mut self, bytes: &Bytes, socket: &Socket) -> Result<(), End> {
        let at = self.elapsed();
        let known = self.shared.last_item.lock().of(bytes);
        if let Some(entry) = known {
            self.on_entry(entry, at);
            return Ok(());
        }
        match socket.codec().decode::<ServerFrame>(bytes).map_err(SocketError::from)? {
            ServerFrame::Item(item) => {
                let entry = Entry::of(&item);
                *self.shared.last_item.lock() = LastItem { bytes: bytes.clone(), entry: Some(entry) };
                self.on_entry(entry, at);
            }
            ServerFrame::Ok { id, accepted } => {
                if let (Some(n), Some(position)) = (self.shared.tag.number(id), accepted.position) {
                    self.on_accepted(n, position.seq, at);
                }
            }
            ServerFrame::Receipts { room, marks } => self.on_marks(room, &marks, at),
            ServerFrame::Cursor { cursor } => self.cursor = Some(cursor),
            ServerFrame::CaughtUp {} => self.on_caught_up(),
            ServerFrame::Reset { reason } => {
                let mut ledger = self.shared.ledger.lock();
                ledger.on_reset();
                ledger.on_error(format!("reset: {reason:?}"));
            }
            ServerFrame::Void { id, .. } => {
                if let Some(n) = self.shared.tag.number(id) {
                    self.shared.ledger.lock().on_void(n);
                }
            }
            ServerFrame::Error(error) => self.on_refusal(&error)?,
            ServerFrame::Welcome(_)
            | ServerFrame::RoomEntered { .. }
            | ServerFrame::RoomLeft { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Tokens { .. }
            | ServerFrame::Result { .. }
            | ServerFrame::Pong(_)
            | ServerFrame::Bye { .. } => {}
        }
        Ok(())
    }

    fn on_entry(&mut self, entry: Entry, at: Duration) {
        let own = self.shared.load.world.people.get(self.person).is_some_and(|me| me.user == entry.by);
        let Some(seat) = self.seats.get_mut(&entry.room) else {
            self.shared.ledger.lock().on_error("an entry of a room that one is not in".to_owned());
            return;
        };
        seat.ack = seat.ack.max(entry.seq);
        match entry.id.and_then(|id| self.shared.tag.number(id)) {
            Some(n) => {
                if !own && self.shared.load.receipts {
                    seat.read = seat.read.max(entry.seq);
                }
                self.shared.ledger.lock().on_message(seat.number, own, n, entry.seq, at);
            }
            None => self.shared.ledger.lock().on_other_entry(seat.number, entry.seq),
        }
        if let Acking::After(pause) = self.shared.load.acking {
            self.ack_at.get_or_insert_with(|| Instant::now() + pause);
        }
    }

    fn on_accepted(&mut self, n: u32, seq: Seq, at: Duration) {
        self.unanswered.remove(&n);
        let room = self.shared.load.world.rooms.get(self.shared.plan.room(n) as usize).map(|room| room.id);
        if let Some(seat) = room.and_then(|room| self.seats.get_mut(&room)) {
            seat.answered = seat.answered.max(seq);
            self.shared.ledger.lock().on_accepted(seat.number, n, seq, at);
        }
    }

    fn on_marks(&mut self, room: RoomId, marks: &[Mark], at: Duration) {
        let me = self.shared.load.world.people.get(self.person).map(|me| me.user);
        let Some(seat) = self.seats.get(&room) else { return };
        for mark in marks.iter().filter(|mark| Some(mark.user) != me) {
            self.shared.ledger.lock().on_mark(seat.number, *mark, at);
        }
    }

    fn on_caught_up(&mut self) {
        if !self.present {
            self.present = true;
            self.shared.ledger.lock().on_caught_up();
            self.shared.present.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn on_refusal(&mut self, error: &ErrorFrame) -> Result<(), End> {
        self.shared.ledger.lock().on_error(format!("refused: {}", error.problem.code.as_str()));
        match error.id.and_then(|id| self.shared.tag.number(id)) {
            Some(n) if error.problem.code.worth_a_retry() => {
                let pause = error.problem.retry_after_ms.map_or(FIRST_PAUSE * 4, Duration::from_millis);
                if let Some(wait) = self.unanswered.get_mut(&n) {
                    wait.again_at = Instant::now() + pause.min(SILENCE);
                }
                Ok(())
            }
            Some(n) => {
                self.unanswered.remove(&n);
                self.shared.ledger.lock().on_refused(n);
                Ok(())
            }
            None if self.present => Ok(()),
            None => Err(End::Lost(SocketError::Closed { code: 0, reason: error.problem.to_string() })),
        }
    }

    async fn acknowledge(&mut self, socket: &mut Socket) -> Result<(), End> {
        if self.ack_at.is_some_and(|due| due > Instant::now()) {
            return Ok(());
        }
        self.ack_at = None;
        let mut acks = Vec::new();
        for (room, seat) in &mut self.seats {
            if seat.ack > 0 {
                acks.push((*room, std::mem::take(&mut seat.ack)));
            }
        }
        match acks.as_slice() {
            [] => {}
            [(room, seq)] => socket.feed(&ClientFrame::Ack { room: *room, seq: *seq }).await?,
            _ => socket.feed(&ClientFrame::Acks(acks)).await?,
        }
        for (room, seat) in &mut self.seats {
            if seat.read > 0 {
                let seq = std::mem::take(&mut seat.read);
                socket.feed(&ClientFrame::Read(Read { room: *room, seq })).await?;
            }
        }
        Ok(())
    }

    /// Since the start of the schedule.
    fn elapsed(&self) -> Duration {
        let start = *self.shared.start.lock();
        Instant::now().saturating_duration_since(start)
    }
}

impl Entry {
    fn of(item: &Item) -> Self {
        let id = match &item.what {
            Happening::Message { id, .. } => Some(*id),
            Happening::Created { .. }
            | Happening::Renamed { .. }
            | Happening::Joined { .. }
            | Happening::Left { .. }
            | Happening::Invited { .. }
            | Happening::Removed { .. }
            | Happening::RoleChanged { .. } => None,
        };
        Self { room: item.room, seq: item.seq, by: item.by, id }
    }
}

impl LastItem {
    fn of(&self, bytes: &Bytes) -> Option<Entry> {
        self.entry.filter(|_| self.bytes == *bytes)
    }
}
