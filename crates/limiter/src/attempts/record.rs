//! The failures of one account, as a value: the script `begin.lua` does the same.

use std::time::Duration;

use super::{AttemptRule, MOST_ORIGINS};

/// The hash of where an attempt comes from.
pub(crate) type Origin = [u8; 16];

/// Failures in a row, and where successes came from. Times are durations since any fixed moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    failures: u32,
    last: Duration,
    known: Vec<Origin>,
}

impl Record {
    /// Counts an attempt as failed before it is made, so that many at once count as many; or says how long it has to
    /// wait.
    pub(crate) fn begin(
        &mut self,
        rule: &AttemptRule,
        origin: Option<Origin>,
        now: Duration,
    ) -> Result<(), Duration> {
        self.failures = self.failures(rule, now);
        let known = origin.is_some_and(|origin| self.known.contains(&origin));
        let until = if self.failures >= if known { rule.most } else { rule.strangers() } {
            self.last.saturating_add(rule.rest)
        } else if self.failures > 0 && self.failures >= rule.free && !known {
            let doubled = 2_u32.checked_pow(self.failures - rule.free);
            let wait = doubled.map_or(Duration::MAX, |times| rule.first_wait.saturating_mul(times));
            self.last.saturating_add(wait.min(rule.longest_wait))
        } else {
            now
        };
        if until > now {
            return Err(until.saturating_sub(now));
        }
        self.failures += 1;
        self.last = now;
        Ok(())
    }

    /// Failures in a row, unless they are over.
    pub(crate) fn failures(&self, rule: &AttemptRule, now: Duration) -> u32 {
        if now.saturating_sub(self.last) >= rule.rest { 0 } else { self.failures }
    }

    /// What all processes together have counted by now.
    pub(crate) fn heard(&mut self, failures: u32, now: Duration) {
        (self.failures, self.last) = (failures, now);
    }

    /// The row is over, and the origin is known.
    pub(crate) fn succeed(&mut self, origin: Option<Origin>, now: Duration) {
        (self.failures, self.last) = (0, now);
        let Some(origin) = origin else { return };
        self.known.retain(|known| *known != origin);
        if self.known.len() >= MOST_ORIGINS {
            self.known.remove(0);
        }
        self.known.push(origin);
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const RULE: AttemptRule = AttemptRule {
        name: "login_failures",
        free: 10,
        first_wait: Duration::from_secs(1),
        longest_wait: Duration::from_mins(15),
        most: 100,
        rest: Duration::from_hours(24),
    };

    /// Tries as soon as it may, so often; the waits in between.
    fn insist(record: &mut Record, origin: Option<Origin>, now: &mut Duration, times: usize) -> Vec<u64> {
        let mut waits = Vec::new();
        while waits.len() < times {
            match record.begin(&RULE, origin, *now) {
                Ok(()) => waits.push(0),
                Err(wait) => {
                    *now += wait;
                    waits.push(wait.as_secs());
                    record.begin(&RULE, origin, *now).expect("it was told to come back now");
                }
            }
        }
        waits
    }

    #[test]
    fn failures_in_a_row_wait_ever_longer_and_end_below_the_most() {
        let (mut record, mut now) = (Record::default(), Duration::from_secs(1000));
        let begun = now;
        let waits = insist(&mut record, None, &mut now, 80);
        assert_eq!(waits[..14], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8]);
        assert_eq!(waits[79], 900);
        let took = now.checked_sub(begun).unwrap();
        assert!(took > Duration::from_hours(15), "{took:?}");
        assert_eq!(record.begin(&RULE, None, now), Err(RULE.rest), "strangers have had their part");
    }

    #[test]
    fn who_logged_in_from_there_before_is_not_locked_out_by_strangers() {
        let (mut record, mut now) = (Record::default(), Duration::from_secs(1000));
        let home = Some([1; 16]);
        record.begin(&RULE, home, now).unwrap();
        record.succeed(home, now);
        insist(&mut record, Some([2; 16]), &mut now, 80);
        assert_eq!(record.begin(&RULE, None, now), Err(RULE.rest));
        assert_eq!(insist(&mut record, home, &mut now, 20), [0; 20]);
        assert_eq!(record.begin(&RULE, home, now), Err(RULE.rest), "a hundred in a row, whoever comes");
        now += RULE.rest;
        assert_eq!(record.begin(&RULE, None, now), Ok(()));
    }

    #[test]
    fn a_success_ends_the_row() {
        let (mut record, mut now) = (Record::default(), Duration::ZERO);
        insist(&mut record, None, &mut now, 9);
        record.succeed(None, now);
        assert_eq!(insist(&mut record, None, &mut now, 11)[9..], [0, 1]);
    }

    #[test]
    fn the_origin_that_was_longest_not_seen_makes_room() {
        let mut record = Record::default();
        for n in 0..=8 {
            record.succeed(Some([n; 16]), Duration::ZERO);
        }
        assert_eq!(record.known.len(), MOST_ORIGINS);
        assert!(!record.known.contains(&[0; 16]) && record.known.contains(&[8; 16]));
    }
}
