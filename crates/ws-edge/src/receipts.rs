//! Receipts on their way to the log: gathered per room and window, so that many watermarks become one fact.
//!
//! Pure; [`crate::receipt_sender`] asks for what is due and sends it. A room has at most one request under way;
//! what moves meanwhile waits for its answer. Marks only rise, so a repeated or an overtaken fact does no harm.

use std::collections::{HashMap, VecDeque};

use chasqui_events::{RoomId, Timestamp, UserId, receipts::Mark};

/// The most marks of one fact; more go into the next one at once.
pub(crate) const MARKS_PER_FACT: usize = 256;

/// Gathers watermarks.
#[derive(Debug, Default)]
pub(crate) struct Coalescer {
    window_ms: i64,
    rooms: HashMap<RoomId, Gathering>,
    /// Rooms by the end of their window; as long as `rooms` has them gathering.
    due: VecDeque<(Timestamp, RoomId)>,
}

#[derive(Debug, Default)]
struct Gathering {
    marks: Vec<Mark>,
    under_way: bool,
    queued: bool,
}

impl Coalescer {
    pub(crate) fn new(window_ms: i64) -> Self {
        Self { window_ms, ..Self::default() }
    }

    /// A member's watermarks rose (0 for one that did not). True when this starts a window that ends before all
    /// others, so that whoever sleeps until the next one must look again.
    pub(crate) fn mark(&mut self, room: RoomId, mark: Mark, now: Timestamp) -> bool {
        let gathering = self.rooms.entry(room).or_default();
        raise(&mut gathering.marks, mark);
        if gathering.under_way || gathering.queued {
            return false;
        }
        gathering.queued = true;
        self.due.push_back((now.plus_millis(self.window_ms), room));
        self.due.len() == 1
    }

    /// When the next window ends.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.front().map(|(at, _)| *at)
    }

    /// Takes the marks of a room whose window has ended. The room then waits for [`Coalescer::answered`].
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(RoomId, Vec<Mark>)> {
        let (at, room) = *self.due.front()?;
        if at > now {
            return None;
        }
        self.due.pop_front();
        let gathering = self.rooms.get_mut(&room)?;
        gathering.queued = false;
        gathering.under_way = true;
        let rest = gathering.marks.split_off(gathering.marks.len().min(MARKS_PER_FACT));
        Some((room, std::mem::replace(&mut gathering.marks, rest)))
    }

    /// Takes the next marks, whether or not their window has ended: for the end of the process.
    pub(crate) fn take_any(&mut self) -> Option<(RoomId, Vec<Mark>)> {
        self.take_due(Timestamp(i64::MAX))
    }

    /// The room's request was answered, or given up.
    pub(crate) fn answered(&mut self, room: RoomId, now: Timestamp) {
        let Some(gathering) = self.rooms.get_mut(&room) else { return };
        gathering.under_way = false;
        if gathering.marks.is_empty() {
            self.rooms.remove(&room);
        } else if !gathering.queued {
            gathering.queued = true;
            self.due.push_back((now.plus_millis(self.window_ms), room));
        }
    }

    /// Nothing waits and nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.rooms.is_empty()
    }
}

fn raise(marks: &mut Vec<Mark>, new: Mark) {
    if let Some(mark) = marks.iter_mut().find(|mark| mark.user == new.user) {
        mark.delivered = mark.delivered.max(new.delivered);
        mark.read = mark.read.max(new.read);
    } else {
        marks.push(new);
    }
}

/// What each member of a (small) room is known to have, so that only what rises is told and sent.
#[derive(Debug, Default)]
pub(crate) struct KnownMarks(Vec<Mark>);

impl KnownMarks {
    /// Notes a mark; gives what of it is news.
    pub(crate) fn raise(&mut self, new: Mark) -> Option<Mark> {
        let Some(mark) = self.0.iter_mut().find(|mark| mark.user == new.user) else {
            self.0.push(new);
            return (new.delivered > 0 || new.read > 0).then_some(new);
        };
        let news = Mark {
            user: new.user,
            delivered: if new.delivered > mark.delivered { new.delivered } else { 0 },
            read: if new.read > mark.read { new.read } else { 0 },
        };
        mark.delivered = mark.delivered.max(new.delivered);
        mark.read = mark.read.max(new.read);
        (news.delivered > 0 || news.read > 0).then_some(news)
    }

    /// What of a mark would be news.
    pub(crate) fn news(&self, new: Mark) -> Option<Mark> {
        let known = self.0.iter().find(|mark| mark.user == new.user);
        let (delivered, read) = known.map_or((0, 0), |mark| (mark.delivered, mark.read));
        let news = Mark {
            user: new.user,
            delivered: if new.delivered > delivered { new.delivered } else { 0 },
            read: if new.read > read { new.read } else { 0 },
        };
        (news.delivered > 0 || news.read > 0).then_some(news)
    }

    pub(crate) fn forget(&mut self, user: UserId) {
        self.0.retain(|mark| mark.user != user);
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::Partition;
    use proptest::prelude::*;

    use super::*;

    fn room(n: u8) -> RoomId {
        RoomId::new(Partition::from_low_bits(0), Timestamp(1), [n; 10])
    }

    fn user(n: u16) -> UserId {
        let [high, low] = n.to_be_bytes();
        UserId::new(Timestamp(1), [high, low, 0, 0, 0, 0, 0, 0, high, low])
    }

    fn mark(n: u16, delivered: u64, read: u64) -> Mark {
        Mark { user: user(n), delivered, read }
    }

    #[test]
    fn a_window_gathers_everything_into_one_fact() {
        let mut coalescer = Coalescer::new(250);
        assert!(coalescer.mark(room(1), mark(1, 5, 0), Timestamp(0)));
        assert!(!coalescer.mark(room(1), mark(1, 7, 6), Timestamp(10)));
        assert!(!coalescer.mark(room(1), mark(2, 3, 0), Timestamp(20)));
        assert_eq!(coalescer.take_due(Timestamp(249)), None);
        let (due, marks) = coalescer.take_due(Timestamp(250)).unwrap();
        assert_eq!((due, marks), (room(1), vec![mark(1, 7, 6), mark(2, 3, 0)]));
        coalescer.mark(room(1), mark(1, 9, 0), Timestamp(260));
        assert_eq!(coalescer.take_due(Timestamp(1000)), None, "one request of a room at a time");
        coalescer.answered(room(1), Timestamp(1000));
        assert_eq!(coalescer.take_due(Timestamp(1250)).unwrap().1, vec![mark(1, 9, 0)]);
        coalescer.answered(room(1), Timestamp(1300));
        assert!(coalescer.is_idle());
    }

    proptest! {
        /// Every mark arrives or is passed by a higher one, no fact is larger than allowed, and no room sends more
        /// often than once in a window.
        #[test]
        fn nothing_is_lost_and_bounds_hold(
            steps in proptest::collection::vec((0u8..3, 0u16..600, 1u64..50, 0i64..100), 1..800),
        ) {
            let mut coalescer = Coalescer::new(100);
            let (mut wanted, mut got) = (HashMap::new(), HashMap::new());
            let mut last_sent: HashMap<RoomId, Timestamp> = HashMap::new();
            let mut now = Timestamp(0);
            for (r, u, seq, pause) in steps {
                now = now.plus_millis(pause);
                coalescer.mark(room(r), mark(u, seq, 0), now);
                let best = wanted.entry((room(r), user(u))).or_insert(0);
                *best = seq.max(*best);
                while let Some((room, marks)) = coalescer.take_due(now) {
                    prop_assert!(marks.len() <= MARKS_PER_FACT && !marks.is_empty());
                    if let Some(before) = last_sent.insert(room, now) {
                        prop_assert!(now.since(before) >= 100);
                    }
                    for mark in marks {
                        let best = got.entry((room, mark.user)).or_insert(0);
                        *best = mark.delivered.max(*best);
                    }
                    coalescer.answered(room, now);
                }
            }
            while let Some((room, marks)) = coalescer.take_any() {
                for mark in marks {
                    let best = got.entry((room, mark.user)).or_insert(0);
                    *best = mark.delivered.max(*best);
                }
                coalescer.answered(room, now);
            }
            prop_assert!(coalescer.is_idle());
            prop_assert_eq!(got, wanted);
        }

        #[test]
        fn known_marks_only_rise(marks in proptest::collection::vec((0u16..3, 0u64..9, 0u64..9), 0..60)) {
            let mut known = KnownMarks::default();
            let mut told: HashMap<UserId, (u64, u64)> = HashMap::new();
            for (u, delivered, read) in marks {
                let expected = known.news(mark(u, delivered, read));
                let news = known.raise(mark(u, delivered, read));
                prop_assert_eq!(news, expected);
                let before = told.entry(user(u)).or_default();
                if let Some(news) = news {
                    prop_assert!(news.delivered == 0 || news.delivered > before.0);
                    prop_assert!(news.read == 0 || news.read > before.1);
                }
                *before = (before.0.max(delivered), before.1.max(read));
            }
        }
    }
}
