//! Goes through the lines of a file, matching them with what a room has of it.

use std::collections::{HashMap, HashSet, VecDeque};

use chasqui_events::{CommandId, RoomId, Seq, UserId};

use super::{
    super::{
        history::{Change, Known},
        line::Line,
        log_file::{Entry, LogFile},
        nick::{Nick, Nicks},
    },
    Plan, REPLACED, Remark, Step, Weight, What, command_id, message_id,
};

/// What the room has of a file's messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Where the first of them stands; the end of the log if there is none.
    pub(super) first_seq: Seq,
    /// The line of the last one. Lines are taken in order, so that everything before it is done.
    last_line: Option<usize>,
}

impl Progress {
    pub(super) fn of(file: &LogFile, room: RoomId, known: &Known) -> Self {
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

/// One attempt at a plan: line after line, from an assumed start.
pub(super) struct Planner<'a> {
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
    pub(super) fn new(
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
    pub(super) fn plan(mut self) -> (usize, Plan) {
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
