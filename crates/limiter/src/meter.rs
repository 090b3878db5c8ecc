//! The algorithm as a value, for what belongs to one connection.

use std::time::Duration;

use chasqui_runtime::config::Rate;

/// Counts one thing against a rate. Times are durations since any fixed moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    /// The theoretical arrival time of the next cell: when nothing of the burst will be used any more.
    theoretical_arrival: Duration,
}

impl Meter {
    /// Counts one that comes `now`, however soon; how long to wait before the next. Zero while the burst lasts.
    pub fn count(&mut self, rate: Rate, now: Duration) -> Duration {
        let (interval, burst) = (rate.interval(), rate.interval().saturating_mul(rate.burst()));
        self.theoretical_arrival = self.theoretical_arrival.max(now).saturating_add(interval);
        self.theoretical_arrival.saturating_add(interval).saturating_sub(now.saturating_add(burst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_then_one_each_interval() {
        let rate: Rate = "3, 10/s".parse().unwrap();
        let (mut meter, mut now) = (Meter::default(), Duration::from_secs(5));
        let mut waits = Vec::new();
        for _ in 0..6 {
            let wait = meter.count(rate, now);
            waits.push(wait.as_millis());
            now += wait;
        }
        assert_eq!(waits, [0, 0, 100, 100, 100, 100]);
        now += Duration::from_secs(1);
        assert_eq!([meter.count(rate, now), meter.count(rate, now)], [Duration::ZERO; 2]);
    }
}
