//! The message lane of a room: `chat.<p>.room.<room>.msg`. What was said.
//!
//! Appends here are unconditional: log order is the judge (see `chasqui-domain`'s judgement).

use serde::{Deserialize, Serialize};

use crate::{CommandId, Text, Timestamp, envelope::family};

/// `message.posted`.
///
/// Version 3. Version 1 could answer one message only (`reply_to`); version 2 held the body as it was typed. See
/// [`crate::upcast`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posted {
    /// What was said: sealed, or as the author typed it where the fact is older than seals.
    pub body: Text,
    /// The length of what was said, in bytes of UTF-8.
    pub size: u64,
    /// The messages of the same room that this one answers, by their ids; usually none or one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replies_to: Vec<CommandId>,
}

family! {
    /// What can happen on a room's message lane.
    MessageEvent {
        /// Somebody said something.
        Posted(Posted) = "message.posted" v 3,
    }
}

/// The broker forgets a command id this long after it stored it (the streams' `duplicate_window`), in
/// milliseconds.
pub const DEDUPE_WINDOW_MS: i64 = 120_000;

/// A command id may lie at most this far in the future of the server's clock, in milliseconds.
pub const MAX_CLOCK_LEAD_MS: i64 = 60_000;

/// Whether a message could be a second copy of one that was stored before, outside the broker's dedupe window.
///
/// An id that was made less than `DEDUPE_WINDOW_MS - MAX_CLOCK_LEAD_MS` before it was recorded cannot: an
/// earlier copy would lie inside the window, because ids more than [`MAX_CLOCK_LEAD_MS`] ahead are refused.
/// Readers look up only the others.
#[must_use]
pub fn may_repeat(id: CommandId, recorded_at: Timestamp) -> bool {
    recorded_at.since(id.timestamp()) >= DEDUPE_WINDOW_MS - MAX_CLOCK_LEAD_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_late_ids_can_be_repeats() {
        let id = CommandId::new(Timestamp(1_000_000), [7; 10]);
        assert!(!may_repeat(id, Timestamp(1_000_000)));
        assert!(!may_repeat(id, Timestamp(1_059_999)));
        assert!(may_repeat(id, Timestamp(1_060_000)));
        assert!(!may_repeat(id, Timestamp(940_000)), "an id from the allowed future");
    }
}
