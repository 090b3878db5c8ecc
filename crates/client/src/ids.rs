//! Command ids: from the clock and from randomness, close to the server's clock.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use chasqui_events::{CommandId, Timestamp};

/// Makes command ids. Ids more than a minute ahead of the server's clock are refused and old ones cost the
/// server a look-up, so the difference that the welcome shows is taken into account.
#[derive(Debug, Default)]
pub struct Ids {
    /// The server's clock minus ours, in milliseconds.
    lead: AtomicI64,
}

impl Ids {
    /// A new id.
    #[must_use]
    pub fn command(&self) -> CommandId {
        CommandId::new(self.now(), rand::random())
    }

    /// The time by the server's clock, as far as it is known.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        local_now().plus_millis(self.lead.load(Ordering::Relaxed))
    }

    /// Takes over what a welcome says about the time.
    pub fn observe(&self, server_time: Timestamp) {
        self.lead.store(server_time.since(local_now()), Ordering::Relaxed);
    }
}

fn local_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_servers_clock() {
        let ids = Ids::default();
        let ahead = local_now().plus_millis(3_600_000);
        ids.observe(ahead);
        assert!(ids.command().timestamp().since(ahead).abs() < 10_000);
        assert_ne!(ids.command(), ids.command());
    }
}
