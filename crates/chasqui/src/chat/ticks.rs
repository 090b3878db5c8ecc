//! The ticks of one's own messages: whom they have reached, and who has read them. Pure.

use std::collections::{HashMap, VecDeque};

use chasqui_events::{RoomId, Seq, UserId, receipts::Mark};

use super::wording;

/// How far a message has come with somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tick {
    /// On a device of theirs.
    Delivered,
    /// Read.
    Read,
}

impl Tick {
    /// As shown.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Delivered => "\u{2713}",
            Self::Read => "\u{2713}\u{2713}",
        }
    }
}

/// One's own messages of a room, and everybody's marks.
#[derive(Debug, Default)]
struct Own {
    messages: VecDeque<(Seq, String)>,
    marks: HashMap<UserId, (Seq, Seq)>,
}

/// One's own messages, and how far they have come.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    rooms: HashMap<RoomId, Own>,
}

/// Messages remembered per room, to point at.
const REMEMBERED: usize = 64;

impl Ticks {
    /// Something was said by oneself.
    pub(crate) fn said(&mut self, room: RoomId, seq: Seq, body: &str) {
        let own = self.rooms.entry(room).or_default();
        own.messages.push_back((seq, wording::beginning(body)));
        if own.messages.len() > REMEMBERED {
            own.messages.pop_front();
        }
    }

    /// A mark moved. Returns the newest own message that it has newly passed, with the tick it has now.
    pub(crate) fn moved(&mut self, room: RoomId, mark: Mark) -> Option<(Tick, &str)> {
        let own = self.rooms.entry(room).or_default();
        let (delivered, read) = own.marks.entry(mark.user).or_default();
        let before = (*delivered, *read);
        *read = (*read).max(mark.read);
        // Reading implies delivery.
        *delivered = (*delivered).max(mark.delivered).max(*read);
        let after = (*delivered, *read);
        let passed = |from: Seq, to: Seq| {
            own.messages
                .iter()
                .rev()
                .find(|(seq, _)| *seq > from && *seq <= to)
                .map(|(_, body)| body.as_str())
        };
        let newly_read = passed(before.1, after.1).map(|body| (Tick::Read, body));
        newly_read.or_else(|| passed(before.0, after.0).map(|body| (Tick::Delivered, body)))
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::{Partition, Timestamp};

    use super::*;

    fn mark(delivered: Seq, read: Seq) -> Mark {
        Mark { user: UserId::new(Timestamp(1), [7; 10]), delivered, read }
    }

    #[test]
    fn each_step_is_told_once_and_for_the_newest_message() {
        let room = RoomId::new(Partition::from_low_bits(0), Timestamp(1), [1; 10]);
        let mut ticks = Ticks::default();
        ticks.said(room, 5, "one");
        ticks.said(room, 6, "two");
        assert_eq!(ticks.moved(room, mark(4, 0)), None, "before what was said");
        assert_eq!(ticks.moved(room, mark(6, 0)), Some((Tick::Delivered, "two")));
        assert_eq!(ticks.moved(room, mark(6, 0)), None, "old news");
        assert_eq!(ticks.moved(room, mark(0, 5)), Some((Tick::Read, "one")));
        assert_eq!(ticks.moved(room, mark(0, 9)), Some((Tick::Read, "two")));
        ticks.said(room, 10, "three");
        assert_eq!(ticks.moved(room, mark(0, 10)), Some((Tick::Read, "three")), "read at once");
        assert_eq!(ticks.moved(room, mark(10, 0)), None, "reading implied delivery");
    }
}
