//! One person's connection: sends what it is told to, acknowledges and reads what comes, and comes back with its
//! cursor when it is lost.

mod hearing;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use chasqui_events::{CommandId, RoomId};
use chasqui_protocol::{
    ClientFrame,
    command::{Read, Send},
    frame::Hello,
};
use tokio::{
    sync::mpsc,
    time::{sleep, sleep_until, timeout},
};

use super::{Order, Shared};
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
