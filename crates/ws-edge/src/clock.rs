//! The edge's clock: the wall clock when it started, and from then on as even as the machine's own.

use std::time::Instant;

use chasqui_events::Timestamp;

/// Tells the time without ever going back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    at_start: Timestamp,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), at_start: Timestamp(chasqui_runtime::clock::now_ms()) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.at_start.plus_millis(crate::settings::millis(self.started.elapsed()))
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    /// The moment at which [`Clock::now`] reaches `at`.
    pub(crate) fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        let ms = u64::try_from(at.since(self.at_start)).unwrap_or(0);
        // A year is as good as for ever, and any clock can count it.
        let ms = ms.min(365 * 24 * 3_600_000);
        (self.started + std::time::Duration::from_millis(ms)).into()
    }
}
