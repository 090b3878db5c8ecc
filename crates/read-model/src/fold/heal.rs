//! Folding again what was parked.

use chasqui_events::{RoomId, Seq};

use super::{Batch, Fold};
use crate::view::parked::Aggregate;

impl Fold {
    /// Lets the facts of a parked room or subject apply again, from the one that it was parked at. Its room must
    /// have been [admitted](Fold::admit). The caller steps through all its facts up to the checkpoint, in as many
    /// batches as it likes; what cannot be read parks it again.
    pub fn release(&mut self, batch: &mut Batch, aggregate: &Aggregate) {
        self.parked.remove(aggregate);
        batch.parked.insert(aggregate.clone());
        if let Aggregate::Room(room) = aggregate
            && let Some(record) = self.rooms.get_mut(room)
        {
            record.doc.heads.held_at = None;
            batch.touch(*room, record.doc.top);
        }
    }

    /// Whether it is parked.
    #[must_use]
    pub fn is_parked(&self, aggregate: &Aggregate) -> bool {
        self.parked.contains_key(aggregate)
    }

    /// Ends a batch in the middle of a release: what was applied stays applied, the rest waits from `next` on.
    pub fn pause(&mut self, batch: &mut Batch, mut parked: crate::view::parked::Parked, next: Seq) {
        parked.at = next;
        parked.held = 0;
        "being folded again".clone_into(&mut parked.reason);
        if let Aggregate::Room(room) = &parked.aggregate {
            self.set_held(*room, next);
        }
        batch.parked.insert(parked.aggregate.clone());
        self.parked.insert(parked.aggregate.clone(), parked);
    }

    fn set_held(&mut self, room: RoomId, at: Seq) {
        if let Some(record) = self.rooms.get_mut(&room) {
            record.doc.heads.held_at = Some(at);
        }
    }
}
