//! What a file holds, before there is a room for it: how much of what, and whose.

use std::collections::HashSet;

use super::{
    line::{Line, Manner},
    log_file::LogFile,
    nick::{Nick, Nicks},
};

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
