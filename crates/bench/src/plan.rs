//! Who sends message `n`, and where: fixed beforehand like its time, so that it need not be written anywhere.

/// Rooms take turns, and in each room its authors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    rooms: u32,
    authors: u32,
}

impl Plan {
    /// So many rooms, in each of which the first `authors` members send.
    #[must_use]
    pub fn new(rooms: u32, authors: u32) -> Self {
        Self { rooms: rooms.max(1), authors: authors.max(1) }
    }

    /// Which room message `n` goes to, counted from 0.
    #[must_use]
    pub fn room(&self, n: u32) -> u32 {
        n % self.rooms
    }

    /// The how-many-eth message of its room it is, counted from 0.
    #[must_use]
    pub fn turn(&self, n: u32) -> u32 {
        n / self.rooms
    }

    /// Which member of the room sends it, counted from 0.
    #[must_use]
    pub fn author(&self, n: u32) -> u32 {
        self.turn(n) % self.authors
    }

    /// How many of the first `count` messages go to a room.
    #[must_use]
    pub fn messages_of(&self, room: u32, count: u32) -> u32 {
        count / self.rooms + u32::from(room < count % self.rooms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_message_of_a_room_has_its_own_turn(rooms in 1u32..20, authors in 1u32..4, count in 0u32..500) {
            let plan = Plan::new(rooms, authors);
            for room in 0..rooms {
                let turns: Vec<u32> = (0..count).filter(|&n| plan.room(n) == room).map(|n| plan.turn(n)).collect();
                let expected: Vec<u32> = (0..plan.messages_of(room, count)).collect();
                prop_assert_eq!(turns, expected);
            }
        }
    }

    #[test]
    fn both_sides_of_a_pair_take_turns() {
        let plan = Plan::new(2, 2);
        let lines: Vec<(u32, u32)> = (0..6).map(|n| (plan.room(n), plan.author(n))).collect();
        assert_eq!(lines, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 0), (1, 0)]);
    }
}
