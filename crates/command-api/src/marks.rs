//! Which marks were recorded here: one that does not rise is answered, and adds nothing to the log.
//!
//! A help, not the judge. Another process may not know of a mark, and readers take the highest of all that they find.

use chasqui_events::{Position, RoomId, Seq, UserId, receipts::Mark};

/// Whose marks in which room are remembered, for so many of them.
const REMEMBERED: u64 = 100_000;

/// The highest marks that were recorded here.
#[derive(Debug)]
pub(crate) struct Marks(moka::sync::Cache<(RoomId, UserId), Reached>);

#[derive(Clone, Copy, Debug)]
struct Reached {
    /// The state of the room then: whoever has left since and come back begins anew.
    state: Seq,
    delivered: Seq,
    read: Seq,
    position: Option<Position>,
}

impl Marks {
    pub(crate) fn new() -> Self {
        Self(moka::sync::Cache::new(REMEMBERED))
    }

    /// Where it is recorded that somebody has come as far as this mark says, or farther.
    pub(crate) fn reached(&self, room: RoomId, state: Seq, mark: Mark) -> Option<Position> {
        let known = self.0.get(&(room, mark.user)).filter(|known| known.state == state)?;
        known.position.filter(|_| mark.delivered <= known.delivered && mark.read <= known.read)
    }

    /// A mark was recorded.
    pub(crate) fn note(&self, room: RoomId, state: Seq, mark: Mark, position: Option<Position>) {
        let place = (room, mark.user);
        let before = self.0.get(&place).filter(|known| known.state == state);
        let (delivered, read) = before.map_or((0, 0), |known| (known.delivered, known.read));
        // Reading implies delivery.
        let delivered = mark.delivered.max(mark.read).max(delivered);
        let reached = Reached { state, delivered, read: mark.read.max(read), position };
        self.0.insert(place, reached);
    }
}
