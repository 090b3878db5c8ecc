//! When each message is to be sent. The times are fixed before the first message goes out and do not move when
//! the system is slow: a latency counted from them includes the wait that a slow system causes (what Gil Tene
//! calls coordinated omission is leaving that wait out).

use std::time::Duration;

/// Messages at a constant rate, evenly spaced, the first one at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    per_second: f64,
    count: u32,
}

impl Schedule {
    /// So many messages a second, for so long.
    ///
    /// A rate below one message in a thousand seconds counts as that.
    #[must_use]
    pub fn new(per_second: f64, lasts: Duration) -> Self {
        let per_second = per_second.max(0.001);
        Self { per_second, count: whole(per_second * lasts.as_secs_f64()) }
    }

    /// So many messages a second, so many in all.
    #[must_use]
    pub fn of_count(per_second: f64, count: u32) -> Self {
        Self { per_second: per_second.max(0.001), count }
    }

    /// How many messages there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Messages per second.
    #[must_use]
    pub const fn per_second(&self) -> f64 {
        self.per_second
    }

    /// When message `n`, counted from 0, is to be sent, after the start.
    #[must_use]
    pub fn due(&self, n: u32) -> Duration {
        Duration::from_secs_f64(f64::from(n) / self.per_second)
    }

    /// How long the schedule lasts: until the message after the last would be due.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.due(self.count)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of u32 before the cast"
)]
fn whole(messages: f64) -> u32 {
    messages.round().clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_evenly_spaced_and_all_inside_the_time() {
        let schedule = Schedule::new(2000.0, Duration::from_secs(3));
        assert_eq!(schedule.count(), 6000);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(2000), Duration::from_secs(1));
        assert!(schedule.due(5999) < Duration::from_secs(3));
        assert_eq!(schedule.lasts(), Duration::from_secs(3));
    }

    #[test]
    fn times_do_not_drift_over_a_long_run() {
        let schedule = Schedule::of_count(3.0, 3_000_000);
        let error = schedule.due(3_000_000).abs_diff(Duration::from_secs(1_000_000));
        assert!(error < Duration::from_micros(1), "{error:?}");
    }

    #[test]
    fn a_rate_of_nothing_does_not_divide_by_zero() {
        assert_eq!(Schedule::new(0.0, Duration::from_secs(1)).count(), 0);
        assert!(Schedule::of_count(0.0, 2).due(1) > Duration::ZERO);
    }
}
