//! Keys that the other processes are known to have used up: refused here until their time, without asking again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::key::Key;

/// Beyond so many, a key is not remembered, and Redis is asked each time.
const MOST: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct Barred(Mutex<HashMap<Key, Instant>>);

impl Barred {
    /// How long the key is still refused.
    pub(crate) fn wait(&self, key: &Key, now: Instant) -> Option<Duration> {
        let mut barred = self.0.lock();
        let until = *barred.get(key)?;
        let wait = until.saturating_duration_since(now);
        if wait.is_zero() {
            barred.remove(key);
            return None;
        }
        Some(wait)
    }

    pub(crate) fn bar(&self, key: Key, until: Instant) {
        let mut barred = self.0.lock();
        if barred.len() < MOST || barred.contains_key(&key) {
            barred.insert(key, until);
        }
    }

    /// Forgets those whose time has come.
    pub(crate) fn sweep(&self, now: Instant) {
        self.0.lock().retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_barred_until_its_time_and_there_are_not_too_many() {
        let (barred, now) = (Barred::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        for n in 0..MOST + 10 {
            barred.bar(Key::new("a", &n.to_be_bytes()), later);
        }
        assert_eq!(barred.0.lock().len(), MOST);
        let first = Key::new("a", &0_usize.to_be_bytes());
        assert_eq!(barred.wait(&first, now), Some(Duration::from_secs(1)));
        assert_eq!(barred.wait(&first, later), None);
        barred.sweep(later);
        assert!(barred.0.lock().is_empty());
    }
}
