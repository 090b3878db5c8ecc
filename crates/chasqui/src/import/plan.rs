//! What a log comes to in a room: the commands to send, in the order of the log, and what is said about the lines
//! that have none. Pure; the ids of the commands are the same in every run.

use std::collections::{HashMap, HashSet, VecDeque};

use chasqui_events::{CommandId, RoomId, Seq, Timestamp, UserId};
use sha2::{Digest, Sha256};

use super::{
    history::{Change, Known},
    line::{Line, Manner},
    log_file::{Entry, LogFile},
    nick::{Nick, Nicks},
};

/// One command, on behalf of its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The line that it comes from, counted from 0.
    pub(crate) line: usize,
    /// Made from the room, the file's name and the line, so that it is done once.
    pub(crate) id: CommandId,
    /// The original time.
    pub(crate) at: Timestamp,
    /// The author.
    pub(crate) user: UserId,
    /// What they did.
    pub(crate) what: What,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Joined the room, or was there without having been seen to join.
    Join,
    /// Left the room.
    Leave,
    /// Said something, in answer to these.
    Say {
        /// The text.
        body: String,
        /// The messages answered.
        replies_to: Vec<CommandId>,
    },
}

/// Something to be said about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remark {
    /// Counted from 0.
    pub(crate) line: usize,
    /// What becomes of the line.
    pub(crate) weight: Weight,
    /// Why.
    pub(crate) what: String,
}

/// What becomes of a line that there is a remark about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Weight {
    /// It was to be recorded, and was refused.
    Failed,
    /// It cannot be taken.
    NotTaken,
    /// It is understood, and nothing is to be recorded for it.
    NotRecorded,
    /// It is recorded.
    Noted,
}

/// How many lines of which kind a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All.
    pub(crate) lines: usize,
    /// Spoken messages.
    pub(crate) messages: usize,
    /// `/me`.
    pub(crate) actions: usize,
    /// Notices to the channel.
    pub(crate) notices: usize,
    /// Joins.
    pub(crate) joins: usize,
    /// Leaves, quits and kicks.
    pub(crate) leaves: usize,
    /// Renames.
    pub(crate) renames: usize,
    /// Messages that answer others.
    pub(crate) replies: usize,
}

/// What is to be done for a file.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In the order of the log.
    pub(crate) steps: Vec<Step>,
    /// In the order of the log.
    pub(crate) remarks: Vec<Remark>,
    /// Messages and membership changes of the file that an earlier run has recorded.
    pub(crate) already: usize,
}

impl Counts {
    /// Counts a file's lines.
    pub(crate) fn of(file: &LogFile) -> Self {
        let mut counts = Self { lines: file.entries.len(), ..Self::default() };
        for entry in &file.entries {
            match &entry.line {
                Line::Said { manner, .. } => {
                    *match manner {
                        Manner::Spoken => &mut counts.messages,
                        Manner::Action => &mut counts.actions,
                        Manner::Notice => &mut counts.notices,
                    } += 1;
                    counts.replies += usize::from(!entry.answers.is_empty());
                }
                Line::Joined { .. } => counts.joins += 1,
                Line::Left { .. } => counts.leaves += 1,
                Line::Renamed { .. } => counts.renames += 1,
                Line::NotRecorded(_) | Line::NotTaken(_) => {}
            }
        }
        counts
    }
}

/// Everyone who does something in a file, by their first nick, as first typed.
pub(crate) fn people(file: &LogFile) -> Vec<(Nick, String)> {
    let (mut nicks, mut seen, mut people) = (Nicks::default(), HashSet::new(), Vec::new());
    for entry in &file.entries {
        let typed = match &entry.line {
            Line::Said { nick, .. } | Line::Joined { nick } | Line::Left { nick } => nick,
            Line::Renamed { old, new } => {
                nicks.rename(&Nick::new(old), Nick::new(new));
                continue;
            }
            Line::NotRecorded(_) | Line::NotTaken(_) => continue,
        };
        let person = nicks.person(&Nick::new(typed));
        if seen.insert(person.clone()) {
            people.push((person, typed.clone()));
        }
    }
    people
}

/// The id of the message that a line becomes.
pub(crate) fn message_id(room: RoomId, file: &str, line: usize, at: Timestamp) -> CommandId {
    command_id(room, file, line, at, b"message")
}

fn command_id(room: RoomId, file: &str, line: usize, at: Timestamp, part: &[u8]) -> CommandId {
    let mut hash = Sha256::new();
    hash.update(b"chasqui import irc 1\0");
    hash.update(room.as_uuid().as_bytes());
    hash.update(file.as_bytes());
    hash.update([0]);
    hash.update((line as u64).to_be_bytes());
    hash.update(part);
    let digest = hash.finalize();
    let mut random = [0; 10];
    for (to, from) in random.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    CommandId::new(at, random)
}

/// What the room has of a file's messages.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// Where the first of them stands; the end of the log if there is none.
    first_seq: Seq,
    /// The line of the last one. Lines are taken in order, so that everything before it is done.
    last_line: Option<usize>,
}

impl Progress {
    fn of(file: &LogFile, room: RoomId, known: &Known) -> Self {
        let place = |(line, entry): (usize, &Entry)| {
            matches!(entry.line, Line::Said { .. }).then_some(())?;
            Some((line, known.message(message_id(room, &file.name, line, entry.at))?))
        };
        let mut found = file.entries.iter().enumerate().filter_map(place);
        let first = found.next();
        let last = found.next_back().or(first);
        Self { first_seq: first.map_or(Seq::MAX, |(_, seq)| seq), last_line: last.map(|(line, _)| line) }
    }

    fn has(self, line: usize) -> bool {
        self.last_line.is_some_and(|last| line <= last)
    }
}

/// What can be said about a file's lines without a room.
pub(crate) fn lines_without_a_step(file: &LogFile) -> Vec<Remark> {
    let remark = |(line, entry): (usize, &Entry)| {
        let (weight, what) = match &entry.line {
            Line::NotRecorded(sort) => (Weight::NotRecorded, *sort),
            Line::NotTaken(reason) => (Weight::NotTaken, *reason),
            _ if entry.replaced => (Weight::Noted, REPLACED),
            _ => return None,
        };
        Some(Remark { line, weight, what: what.to_owned() })
    };
    file.entries.iter().enumerate().filter_map(remark).collect()
}

const REPLACED: &str = "bytes that are not UTF-8 are replaced by \u{fffd}";

/// Plans a file. `users` holds the account of everyone in [`people`]; `known` is the room as it is, and is left as it
/// will be.
///
/// A room tells of a membership change who and when, not from which line. Which of the changes before the file's first
/// message are the file's own, left by an earlier run that was stopped, is found by trying: the start from which most
/// changes are met again in their order.
pub(crate) fn plan(file: &LogFile, room: RoomId, known: &mut Known, users: &HashMap<Nick, UserId>) -> Plan {
    let progress = Progress::of(file, room, known);
    let times = file.entries.first().map(|entry| entry.at)..=file.entries.last().map(|entry| entry.at);
    let own_time = |change: &Change| times.contains(&Some(change.at));
    let before_first = known.changes_after(0).take_while(|(seq, _)| *seq < progress.first_seq);
    let starts = before_first.filter(|(_, change)| own_time(change)).map(|(seq, _)| seq);
    let starts = starts.chain([progress.first_seq]);
    let attempts = starts.map(|start| Planner::new(file, room, known, users, progress, start).plan());
    // The last of several: it assumes least.
    let best = attempts.max_by_key(|(met_again, _)| *met_again);
    let plan = best.map(|(_, plan)| plan).unwrap_or_default();
    for Step { id, at, user, what, .. } in &plan.steps {
        match what {
            What::Join => known.expect_change(Change { user: *user, at: *at, entered: true }),
            What::Leave => known.expect_change(Change { user: *user, at: *at, entered: false }),
            What::Say { .. } => known.expect_message(*id),
        }
    }
    plan
}

struct Planner<'a> {
    file: &'a LogFile,
    room: RoomId,
    known: &'a Known,
    users: &'a HashMap<Nick, UserId>,
    progress: Progress,
    nicks: Nicks,
    present: HashSet<UserId>,
    /// The changes that an earlier run recorded, those of this file first. `None` once the place is reached from which
    /// on nothing of the file is in the room.
    recorded: Option<VecDeque<Change>>,
    met_again: usize,
    plan: Plan,
}

impl<'a> Planner<'a> {
    /// Plans a file whose first traces are in the room from `start` on.
    fn new(
        file: &'a LogFile,
        room: RoomId,
        known: &'a Known,
        users: &'a HashMap<Nick, UserId>,
        progress: Progress,
        start: Seq,
    ) -> Self {
        let recorded = known.changes_after(start.saturating_sub(1)).map(|(_, change)| change).collect();
        Self {
            file,
            room,
            known,
            users,
            progress,
            nicks: Nicks::default(),
            present: known.present_before(start),
            recorded: Some(recorded),
            met_again: 0,
            plan: Plan::default(),
        }
    }

    /// The plan, after the number of changes that were met again.
    fn plan(mut self) -> (usize, Plan) {
        for (line, entry) in self.file.entries.iter().enumerate() {
            self.entry(line, entry);
        }
        (self.met_again, self.plan)
    }

    fn entry(&mut self, line: usize, entry: &Entry) {
        if entry.replaced {
            self.remark(line, Weight::Noted, REPLACED);
        }
        match &entry.line {
            Line::Said { nick, text, .. } => self.said(line, entry, nick, text),
            Line::Joined { nick } => {
                let Some(user) = self.user(line, nick) else { return };
                if !self.changed(line, entry, user, true) {
                    let why = "joined while in the room: the log does not show quits";
                    self.remark(line, Weight::NotRecorded, why);
                }
            }
            Line::Left { nick } => {
                let Some(user) = self.user(line, nick) else { return };
                if !self.changed(line, entry, user, false) {
                    self.remark(line, Weight::NotRecorded, "left without having been seen in the room");
                }
            }
            Line::Renamed { old, new } => self.nicks.rename(&Nick::new(old), Nick::new(new)),
            Line::NotRecorded(sort) => self.remark(line, Weight::NotRecorded, sort),
            Line::NotTaken(reason) => self.remark(line, Weight::NotTaken, reason),
        }
    }

    fn said(&mut self, line: usize, entry: &Entry, nick: &str, text: &str) {
        let replies_to = self.answered(line, entry);
        let id = message_id(self.room, &self.file.name, line, entry.at);
        let Some(user) = self.user(line, nick) else { return };
        // Who speaks is in the room, whether or not the log saw them come.
        self.changed(line, entry, user, true);
        if self.known.message(id).is_some() {
            self.plan.already += 1;
        } else if self.progress.has(line) {
            let why = "an earlier run could not take it; taken now it would stand after later lines";
            self.remark(line, Weight::Failed, why);
        } else {
            self.reach_the_end();
            self.changed(line, entry, user, true);
            let what = What::Say { body: text.to_owned(), replies_to };
            self.plan.steps.push(Step { line, id, at: entry.at, user, what });
        }
    }

    /// Somebody enters or leaves: matched with what the room has, or a step. False if it changes nothing.
    fn changed(&mut self, line: usize, entry: &Entry, user: UserId, entered: bool) -> bool {
        if self.present.contains(&user) == entered {
            return false;
        }
        if let Some(recorded) = &mut self.recorded {
            if recorded.front() == Some(&Change { user, at: entry.at, entered }) {
                recorded.pop_front();
                self.met_again += 1;
                self.plan.already += 1;
            } else if !self.progress.has(line) {
                self.reach_the_end();
                return self.changed(line, entry, user, entered);
            }
        } else {
            let (part, what) = if entered { ("join", What::Join) } else { ("leave", What::Leave) };
            let id = command_id(self.room, &self.file.name, line, entry.at, part.as_bytes());
            self.plan.steps.push(Step { line, id, at: entry.at, user, what });
        }
        if entered {
            self.present.insert(user);
        } else {
            self.present.remove(&user);
        }
        true
    }

    /// From here on nothing of the file is in the room: who is in it now is what counts.
    fn reach_the_end(&mut self) {
        if self.recorded.take().is_some() {
            self.present = self.known.present_before(Seq::MAX);
        }
    }

    fn answered(&mut self, line: usize, entry: &Entry) -> Vec<CommandId> {
        let mut ids = Vec::with_capacity(entry.answers.len());
        for &answered in &entry.answers {
            if let Some(Entry { at, line: Line::Said { .. }, .. }) = self.file.entries.get(answered) {
                ids.push(message_id(self.room, &self.file.name, answered, *at));
            } else {
                let what = format!("answers line {}, which is not a message", answered + 1);
                self.remark(line, Weight::Noted, &what);
            }
        }
        ids
    }

    fn user(&mut self, line: usize, nick: &str) -> Option<UserId> {
        let user = self.users.get(&self.nicks.person(&Nick::new(nick))).copied();
        if user.is_none() {
            self.remark(line, Weight::Failed, "its author has no account: the registration was refused");
        }
        user
    }

    fn remark(&mut self, line: usize, weight: Weight, what: &str) {
        self.plan.remarks.push(Remark { line, weight, what: what.to_owned() });
    }
}

#[cfg(test)]
mod tests;
