//! What a log comes to in a room: the commands to send, in the order of the log, and what is said about the lines
//! that have none. Pure; the ids of the commands are the same in every run.

mod planner;

use std::collections::HashMap;

use chasqui_events::{CommandId, RoomId, Timestamp, UserId};
use sha2::{Digest, Sha256};

use super::{
    history::{Change, Known},
    line::Line,
    log_file::{Entry, LogFile},
    nick::Nick,
};
use planner::{Planner, Progress};

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

/// Plans a file. `users` holds the account of everyone in [`people`](super::survey::people); `known` is the room as it is, and is left as it
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

#[cfg(test)]
mod tests;
