//! Whose turn it is on this machine, among the tests of one process.
//!
//! `cargo test` runs the tests of a binary side by side in one process, and those that need the machine alone must wait
//! for the others there. Nextest gives each test a process and keeps such tests apart by `.config/nextest.toml`; then
//! nobody waits here.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::const_new(());

/// A part of the machine, or all of it, until this is dropped.
#[derive(Debug)]
pub(crate) enum Turn {
    Beside { _others: RwLockReadGuard<'static, ()> },
    Alone { _all: RwLockWriteGuard<'static, ()> },
}

impl Turn {
    pub(crate) async fn take(alone: bool) -> Self {
        if alone {
            Self::Alone { _all: MACHINE.write().await }
        } else {
            Self::Beside { _others: MACHINE.read().await }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_needs_the_machine_alone_waits_for_the_others_and_they_for_them() {
        let (one, other) = (Turn::take(false).await, Turn::take(false).await);
        assert!(Turn::take(true).now_or_never().is_none());
        drop((one, other));
        let alone = Turn::take(true).await;
        assert!(Turn::take(true).now_or_never().is_none());
        assert!(Turn::take(false).now_or_never().is_none());
        drop(alone);
        assert!(Turn::take(true).now_or_never().is_some());
    }
}
