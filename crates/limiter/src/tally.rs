//! What was admitted here and not yet told to the other processes.

use std::collections::HashMap;

use chasqui_runtime::config::Rate;
use parking_lot::Mutex;

use crate::key::Key;

/// Beyond so many keys between two settlements, this process counts the rest alone.
const MOST: usize = 65_536;

/// So many of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) rate: Rate,
    pub(crate) count: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<HashMap<Key, (Rate, u32)>>);

impl Tally {
    /// Notes one more. False when there is no room for its key.
    pub(crate) fn note(&self, key: Key, rate: Rate) -> bool {
        let mut tally = self.0.lock();
        if tally.len() >= MOST && !tally.contains_key(&key) {
            return false;
        }
        let (_, count) = tally.entry(key).or_insert((rate, 0));
        *count = count.saturating_add(1);
        true
    }

    /// Everything noted since the last time.
    pub(crate) fn take(&self) -> Vec<Entry> {
        let taken = std::mem::take(&mut *self.0.lock());
        taken.into_iter().map(|(key, (rate, count))| Entry { key, rate, count }).collect()
    }
}
