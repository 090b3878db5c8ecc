//! The sizes that a decision depends on.

use serde::{Deserialize, Serialize};

/// Upper bounds on what a room may hold. They come from the configuration (`limits.*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest message body, in bytes of UTF-8.
    pub body_bytes: usize,
    /// The longest room name, in characters.
    pub room_name_chars: usize,
    /// The longest user or display name, in characters.
    pub name_chars: usize,
    /// The most members (invited people included) of one room.
    pub room_members: usize,
    /// The most messages that one message may answer.
    pub replies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 * 1024,
            room_name_chars: 120,
            name_chars: 64,
            room_members: 10_000,
            replies: 16,
        }
    }
}
