//! A bound on what a client says of its user's typing.

use chasqui_events::Timestamp;

/// How often a session may say that its user is typing: a few at once, then one in a second.
#[derive(Debug, Default)]
pub(super) struct Typing {
    full_at: Timestamp,
}

impl Typing {
    const EACH_MS: i64 = 1_000;
    const AT_ONCE: i64 = 5;

    pub(super) fn allows(&mut self, now: Timestamp) -> bool {
        let full_at = self.full_at.max(now).plus_millis(Self::EACH_MS);
        let allowed = full_at.since(now) <= Self::EACH_MS * Self::AT_ONCE;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}
