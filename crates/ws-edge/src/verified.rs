//! How far an edge has verified what it pushed, and which cursors that allows.
//!
//! After each tick a partition's rooms are compared up to a checkpoint: a **floor** for cursors. The last floors are
//! kept, so that a session with something unacknowledged gets the highest one below it. A room that could not be
//! compared (its hole is not filled yet, or holds a fact that cannot be read) keeps back only the sessions in it.

use std::collections::{HashMap, VecDeque};

use chasqui_events::{Partition, RoomId, Seq};

use crate::cursor::{Cursor, Floor};

/// The verified floors of every partition.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    partitions: Vec<OfPartition>,
}

#[derive(Debug)]
struct OfPartition {
    partition: Partition,
    /// Oldest first.
    floors: VecDeque<Floor>,
    /// Rooms that are behind, each with the last place up to which it was verified.
    behind: HashMap<RoomId, Seq>,
}

/// How many floors of a partition are remembered.
const REMEMBERED: usize = 64;

impl Verified {
    /// A tick has compared a partition up to `floor`, except for the rooms that are behind.
    pub(crate) fn note(&mut self, floor: Floor, behind: impl IntoIterator<Item = RoomId>) {
        let of = self.of_partition(floor.partition);
        let last = of.floors.back().copied();
        let another_log = last.is_some_and(|last| last.incarnation != floor.incarnation);
        if another_log {
            of.floors.clear();
        }
        let verified = last.map_or(0, |last| last.seq);
        let was = std::mem::take(&mut of.behind);
        of.behind =
            behind.into_iter().map(|room| (room, was.get(&room).copied().unwrap_or(verified))).collect();
        if another_log || last.is_none_or(|last| floor.seq > last.seq) {
            of.floors.push_back(floor);
        }
        while of.floors.len() > REMEMBERED {
            of.floors.pop_front();
        }
    }

    /// The floor that was verified last.
    pub(crate) fn last(&self, partition: Partition) -> Option<&Floor> {
        self.partitions.iter().find(|of| of.partition == partition)?.floors.back()
    }

    /// A cursor at what is verified now.
    pub(crate) fn now(&self) -> Cursor {
        Cursor::new(self.partitions.iter().filter_map(|of| of.floors.back().copied()).collect())
    }

    /// Whether a floor is one that was verified here.
    pub(crate) fn remembers(&self, floor: &Floor) -> bool {
        let same = |other: &Floor| {
            (other.incarnation, other.seq, other.fingerprint)
                == (floor.incarnation, floor.seq, floor.fingerprint)
        };
        let of = self.partitions.iter().find(|of| of.partition == floor.partition);
        of.is_some_and(|of| of.floors.iter().any(same))
    }

    /// The cursor raised as far as verification and the session allow: `barrier` gives the first place of a
    /// partition that the session has not acknowledged, `has` the rooms that it is in. `None` when nothing rises.
    pub(crate) fn raise(
        &self,
        cursor: &Cursor,
        barrier: impl Fn(Partition) -> Option<Seq>,
        has: impl Fn(RoomId) -> bool,
    ) -> Option<Cursor> {
        let mut floors: Vec<Floor> = cursor.floors().to_vec();
        let mut rose = false;
        for of in &self.partitions {
            let behind = of.behind.iter().filter(|(room, _)| has(**room)).map(|(_, seq)| *seq).min();
            let unacked = barrier(of.partition).map(|seq| seq.saturating_sub(1));
            let most = behind.into_iter().chain(unacked).min().unwrap_or(Seq::MAX);
            let Some(reached) = of.floors.iter().rev().find(|floor| floor.seq <= most) else { continue };
            match floors.iter_mut().find(|floor| floor.partition == of.partition) {
                Some(floor) if reached.seq > floor.seq || reached.incarnation != floor.incarnation => {
                    *floor = *reached;
                    rose = true;
                }
                Some(_) => {}
                None => {
                    floors.push(*reached);
                    rose = true;
                }
            }
        }
        rose.then(|| Cursor::new(floors))
    }

    fn of_partition(&mut self, partition: Partition) -> &mut OfPartition {
        let at = self.partitions.iter().position(|of| of.partition == partition).unwrap_or_else(|| {
            let floors = VecDeque::new();
            self.partitions.push(OfPartition { partition, floors, behind: HashMap::new() });
            self.partitions.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was just found or made")]
        &mut self.partitions[at]
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::Timestamp;

    use super::*;

    fn floor(seq: Seq) -> Floor {
        Floor { partition: Partition::from_low_bits(1), incarnation: 7, seq, fingerprint: seq, known: 0 }
    }

    fn room(n: u8) -> RoomId {
        RoomId::new(Partition::from_low_bits(1), Timestamp(1), [n; 10])
    }

    fn seq_of(cursor: &Cursor) -> Seq {
        cursor.floors()[0].seq
    }

    #[test]
    fn an_unacknowledged_entry_keeps_the_cursor_below_it() {
        let mut verified = Verified::default();
        for seq in [10, 20, 30] {
            verified.note(floor(seq), []);
        }
        let raised = verified.raise(&Cursor::default(), |_| Some(25), |_| true).unwrap();
        assert_eq!(seq_of(&raised), 20);
        assert_eq!(verified.raise(&raised, |_| Some(25), |_| true), None, "nothing new");
        assert_eq!(verified.raise(&raised, |_| Some(5), |_| true), None, "never back");
        assert_eq!(seq_of(&verified.raise(&raised, |_| None, |_| true).unwrap()), 30);
    }

    #[test]
    fn a_room_that_is_behind_keeps_back_only_who_is_in_it() {
        let mut verified = Verified::default();
        verified.note(floor(10), []);
        verified.note(floor(20), [room(1)]);
        verified.note(floor(30), [room(1)]);
        let inside = verified.raise(&Cursor::default(), |_| None, |r| r == room(1)).unwrap();
        assert_eq!(seq_of(&inside), 10);
        let outside = verified.raise(&Cursor::default(), |_| None, |r| r == room(2)).unwrap();
        assert_eq!(seq_of(&outside), 30);
        verified.note(floor(40), []);
        assert_eq!(seq_of(&verified.raise(&inside, |_| None, |_| true).unwrap()), 40);
    }

    #[test]
    fn another_log_starts_anew() {
        let mut verified = Verified::default();
        verified.note(floor(100), []);
        verified.note(Floor { incarnation: 8, ..floor(3) }, []);
        assert_eq!(verified.last(floor(0).partition).map(|floor| floor.seq), Some(3));
        assert!(!verified.remembers(&floor(100)));
    }
}
