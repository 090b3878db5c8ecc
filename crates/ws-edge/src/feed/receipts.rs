//! Watermarks of one room: told to everybody in a small room, in a large one only reading, and only to the authors
//! whom it concerns.

use std::collections::{BTreeMap, VecDeque};

use chasqui_events::{
    Seq, UserId,
    receipts::{Mark, ReceiptEvent},
};

use super::Out;
use crate::receipts::KnownMarks;

/// What a feed remembers about receipts.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// The highest fact of the lane that was seen.
    seen: Seq,
    known: KnownMarks,
    /// In a large room: the authors of the last messages, and how far who has read.
    large: Option<Box<Large>>,
}

#[derive(Debug, Default)]
struct Large {
    authors: VecDeque<(Seq, UserId)>,
    reads: BTreeMap<UserId, Seq>,
}

/// How many messages of a large room keep their author in memory for receipts.
const REMEMBERED_AUTHORS: usize = 256;

impl Receipts {
    pub(super) const fn seen(&self) -> Seq {
        self.seen
    }

    /// What of a mark is news for the log. In a large room nothing is told of delivery.
    pub(super) fn news(&self, mark: Mark, large: bool) -> Option<Mark> {
        if !large {
            return self.known.news(mark);
        }
        let known = self.large.as_ref().and_then(|large| large.reads.get(&mark.user)).copied().unwrap_or(0);
        (mark.read > known).then_some(Mark { delivered: 0, ..mark })
    }

    pub(super) fn note_author(&mut self, seq: Seq, author: UserId) {
        let authors = &mut self.large.get_or_insert_default().authors;
        authors.push_back((seq, author));
        if authors.len() > REMEMBERED_AUTHORS {
            authors.pop_front();
        }
    }

    pub(super) fn forget(&mut self, user: UserId) {
        self.known.forget(user);
        if let Some(large) = &mut self.large {
            large.reads.remove(&user);
        }
    }

    /// Lets a receipt fact through.
    pub(super) fn pass(&mut self, seq: Seq, event: ReceiptEvent, large: bool, out: &mut Vec<Out>) {
        self.seen = self.seen.max(seq);
        let ReceiptEvent::Moved(moved) = event;
        if large {
            self.pass_large(&moved.marks, out);
            return;
        }
        let marks: Vec<Mark> = moved.marks.into_iter().filter_map(|mark| self.known.raise(mark)).collect();
        if !marks.is_empty() {
            out.push(Out::Receipts { marks, to: None });
        }
    }

    fn pass_large(&mut self, marks: &[Mark], out: &mut Vec<Out>) {
        let large = self.large.get_or_insert_default();
        let mut affected: BTreeMap<UserId, Vec<Mark>> = BTreeMap::new();
        for mark in marks.iter().filter(|mark| mark.read > 0) {
            let before = large.reads.insert(mark.user, mark.read).unwrap_or(0);
            if mark.read <= before {
                large.reads.insert(mark.user, before);
                continue;
            }
            let mark = Mark { delivered: 0, ..*mark };
            let read = large.authors.iter().filter(|(seq, _)| *seq > before && *seq <= mark.read);
            for (_, author) in read.filter(|(_, author)| *author != mark.user) {
                let marks = affected.entry(*author).or_default();
                if !marks.contains(&mark) {
                    marks.push(mark);
                }
            }
        }
        out.extend(affected.into_iter().map(|(author, marks)| Out::Receipts { marks, to: Some(author) }));
    }
}
