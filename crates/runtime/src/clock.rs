//! The one home of ambient time and randomness.
//!
//! Decisions, folds and sessions take time and ids as arguments; the edges of the system call these functions
//! to obtain them.

use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock, in unix milliseconds. A clock before 1970 reads as 0.
#[must_use]
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// `N` bytes from the thread's cryptographically secure generator.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    rand::random()
}

/// What a new `UUIDv7` is made of: unix milliseconds and the ten bytes whose free 74 bits are its randomness
/// (RFC 9562, section 5.7).
#[must_use]
pub fn id_parts() -> (i64, [u8; 10]) {
    (now_ms(), random_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_after_this_was_written_and_random_bytes_differ() {
        assert!(now_ms() > 1_700_000_000_000);
        assert_ne!(random_bytes::<16>(), random_bytes::<16>());
    }
}
