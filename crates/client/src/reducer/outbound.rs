//! Commands and queries that wait for their answers, and read marks that have none.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chasqui_events::{CommandId, RoomId, Seq};
use chasqui_protocol::{ClientFrame, Code, Problem, command::Read};

use super::{Reply, Step};

/// What an answer is the answer to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A command, by its id.
    Command(CommandId),
    /// A query, by its `ref`.
    Query(String),
}

#[derive(Debug)]
struct Waiting {
    /// As it is to be sent the next time.
    frame: ClientFrame,
    since_ms: i64,
    tries: u32,
}

#[derive(Debug)]
pub(super) struct Outbound {
    patience_ms: i64,
    /// In the order in which they were submitted, which is the order in which they are sent again.
    waiting: BTreeMap<u64, Waiting>,
    order_of: HashMap<Key, u64>,
    next_order: u64,
    /// When which of them is to be repeated.
    repeats: BTreeSet<(i64, u64)>,
    /// Read marks have no answer. They are said again on each connection until the server shows them.
    reads: HashMap<RoomId, Seq>,
}

const FIRST_PAUSE_MS: i64 = 50;
const LONGEST_PAUSE_MS: i64 = 2_000;

impl Outbound {
    pub(super) fn new(patience_ms: i64) -> Self {
        Self {
            patience_ms,
            waiting: BTreeMap::new(),
            order_of: HashMap::new(),
            next_order: 0,
            repeats: BTreeSet::new(),
            reads: HashMap::new(),
        }
    }

    /// Returns the frame to send, which is `None` while there is no connection.
    pub(super) fn submit(&mut self, frame: ClientFrame, online: bool, now_ms: i64) -> Option<ClientFrame> {
        if let ClientFrame::Read(Read { room, seq }) = frame {
            let mark = self.reads.entry(room).or_default();
            *mark = (*mark).max(seq);
        }
        if let Some(key) = Key::of(&frame) {
            let order = self.next_order;
            self.next_order += 1;
            let mut waiting = Waiting { frame: frame.clone(), since_ms: now_ms, tries: 0 };
            if online {
                mark_as_retry(&mut waiting.frame);
            }
            self.waiting.insert(order, waiting);
            self.order_of.insert(key, order);
        }
        online.then_some(frame)
    }

    /// The server shows that it knows of a read mark.
    pub(super) fn read_confirmed(&mut self, room: RoomId, seq: Seq) {
        if self.reads.get(&room).is_some_and(|said| *said <= seq) {
            self.reads.remove(&room);
        }
    }

    pub(super) fn everything_again(&mut self) -> Vec<ClientFrame> {
        self.repeats.clear();
        let reads = self.reads.iter().map(|(&room, &seq)| ClientFrame::Read(Read { room, seq }));
        let mut frames: Vec<ClientFrame> = reads.collect();
        for waiting in self.waiting.values_mut() {
            frames.push(waiting.frame.clone());
            mark_as_retry(&mut waiting.frame);
        }
        frames
    }

    pub(super) fn answered(&mut self, key: Key, answer: Result<Reply, Problem>, now_ms: i64) -> Step {
        let Some(&order) = self.order_of.get(&key) else { return Step::Nothing };
        if let (Err(problem), Some(waiting)) = (&answer, self.waiting.get_mut(&order)) {
            let pause = pause_before_repeat(&key, problem, waiting.tries);
            let repeat_at = pause.map(|pause| now_ms.saturating_add(pause));
            let give_up_at = waiting.since_ms.saturating_add(self.patience_ms);
            if let Some(repeat_at) = repeat_at.filter(|at| *at <= give_up_at) {
                waiting.tries += 1;
                self.repeats.insert((repeat_at, order));
                return Step::Nothing;
            }
        }
        self.order_of.remove(&key);
        self.waiting.remove(&order);
        Step::Answered(key, answer)
    }

    pub(super) fn next_repeat(&self) -> Option<i64> {
        self.repeats.first().map(|(at, _)| *at)
    }

    pub(super) fn take_repeats(&mut self, now_ms: i64) -> Vec<ClientFrame> {
        let later = self.repeats.split_off(&(now_ms.saturating_add(1), 0));
        let due = std::mem::replace(&mut self.repeats, later);
        due.into_iter().filter_map(|(_, order)| Some(self.waiting.get(&order)?.frame.clone())).collect()
    }
}

/// The pause before a command that was answered so is repeated; `None` when the answer is final. A query that is
/// answered by a projection that lags is the caller's to repeat: it may do with an older answer.
fn pause_before_repeat(key: &Key, problem: &Problem, tries: u32) -> Option<i64> {
    let lags = matches!(key, Key::Query(_)) && problem.code == Code::NotYetProjected;
    if lags || !problem.code.worth_a_retry() {
        return None;
    }
    let growing = FIRST_PAUSE_MS.saturating_mul(1 << tries.min(10)).min(LONGEST_PAUSE_MS);
    let asked_for = problem.retry_after_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0);
    Some(growing.max(asked_for))
}

fn mark_as_retry(frame: &mut ClientFrame) {
    if let ClientFrame::Send(send) = frame {
        send.retry = true;
    }
}

impl Key {
    /// The key of a frame's answer; `None` for a frame that has none.
    #[must_use]
    pub fn of(frame: &ClientFrame) -> Option<Self> {
        let id = match frame {
            ClientFrame::Query { reference, .. } => return Some(Self::Query(reference.clone())),
            ClientFrame::Register(command) => command.id,
            ClientFrame::Login(command) => command.id,
            ClientFrame::LoginSecondFactor(command) => command.id,
            ClientFrame::Refresh(command) => command.id,
            ClientFrame::Logout(command) => command.id,
            ClientFrame::ChangeProfile(command) => command.id,
            ClientFrame::CreateRoom(command) => command.id,
            ClientFrame::OpenDirect(command) => command.id,
            ClientFrame::RenameRoom(command) => command.id,
            ClientFrame::Join(command) => command.id,
            ClientFrame::Leave(command) => command.id,
            ClientFrame::Invite(command) => command.id,
            ClientFrame::Remove(command) => command.id,
            ClientFrame::ChangeRole(command) => command.id,
            ClientFrame::Ban(command) => command.id,
            ClientFrame::Unban(command) => command.id,
            ClientFrame::Mute(command) => command.id,
            ClientFrame::Unmute(command) => command.id,
            ClientFrame::SetSlowMode(command) => command.id,
            ClientFrame::EraseRoom(command) => command.id,
            ClientFrame::Send(command) => command.id,
            ClientFrame::Hello(_)
            | ClientFrame::Renew(_)
            | ClientFrame::Ack { .. }
            | ClientFrame::Acks(_)
            | ClientFrame::Read(_)
            | ClientFrame::Typing { .. }
            | ClientFrame::Ping(_) => return None,
        };
        Some(Self::Command(id))
    }
}
