//! What comes, and what follows from it.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use bytes::Bytes;
use chasqui_events::{RoomId, receipts::Mark};
use chasqui_protocol::{ServerFrame, frame::ErrorFrame};

use super::{
    super::{
        Acking,
        last_item::{Entry, LastItem},
    },
    Connection, End, FIRST_PAUSE, SILENCE,
};
use crate::{
    checker::Seq,
    socket::{Socket, SocketError},
};

impl Connection {
    pub(super) fn hear(&mut self, bytes: &Bytes, socket: &Socket) -> Result<(), End> {
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
            | ServerFrame::Erased { .. }
            | ServerFrame::Tokens { .. }
            | ServerFrame::SecondFactor { .. }
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
}
