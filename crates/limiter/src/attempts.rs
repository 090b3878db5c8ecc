//! Failures in a row: how often the secret of one account may be guessed at, whatever the number of addresses.

use std::time::Duration;

use moka::sync::Cache;

use crate::key::Key;

mod record;

pub(crate) use record::{Origin, Record};

/// Known origins per account; the one that was longest not seen makes room.
pub(crate) const MOST_ORIGINS: usize = 8;
/// How long an origin is known after its last success.
pub(crate) const ORIGINS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Accounts whose failures one process keeps in mind.
const MOST_ACCOUNTS: u64 = 131_072;

/// How failures in a row slow further attempts down, and where they end them.
///
/// After [`free`](Self::free) failures each further attempt waits, twice as long each time. At four fifths of
/// [`most`](Self::most) those that come from elsewhere than the account's own logins are refused; the rest is for
/// origins where somebody has logged in before, so that nobody can lock others out by guessing. At
/// [`most`](Self::most) everybody is refused, until [`rest`](Self::rest) after the last failure. A success ends the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRule {
    /// Its name, as that of a limit.
    pub name: &'static str,
    /// Failures without a wait.
    pub free: u32,
    /// The wait after the last of these.
    pub first_wait: Duration,
    /// The longest wait between two attempts.
    pub longest_wait: Duration,
    /// The most failures in a row.
    pub most: u32,
    /// How long after the last failure everything begins anew.
    pub rest: Duration,
}

impl AttemptRule {
    /// The most failures in a row from unknown origins.
    #[must_use]
    pub fn strangers(&self) -> u32 {
        self.most - self.most / 5
    }
}

/// What this process knows itself of failures: all there is while Redis is away, and what Redis is reminded of when it
/// has lost its memory.
#[derive(Debug)]
pub(crate) struct Attempts(Cache<Key, Record>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST_ACCOUNTS).time_to_idle(ORIGINS_KEPT).build())
    }
}

impl Attempts {
    /// As [`Record::begin`].
    pub(crate) fn begin(
        &self,
        key: Key,
        rule: &AttemptRule,
        origin: Option<Origin>,
        now: Duration,
    ) -> Result<(), Duration> {
        let mut outcome = Ok(());
        self.change(key, |record| outcome = record.begin(rule, origin, now));
        outcome
    }

    /// How many failures in a row this process knows of.
    pub(crate) fn failures(&self, key: &Key, rule: &AttemptRule, now: Duration) -> u32 {
        self.0.get(key).map_or(0, |record| record.failures(rule, now))
    }

    /// What Redis has counted, for all processes.
    pub(crate) fn heard(&self, key: Key, failures: u32, now: Duration) {
        self.change(key, |record| record.heard(failures, now));
    }

    pub(crate) fn succeed(&self, key: Key, origin: Option<Origin>, now: Duration) {
        self.change(key, |record| record.succeed(origin, now));
    }

    fn change(&self, key: Key, change: impl FnOnce(&mut Record)) {
        self.0.entry(key).and_upsert_with(|entry| {
            let mut record = entry.map(moka::Entry::into_value).unwrap_or_default();
            change(&mut record);
            record
        });
    }
}
