//! The limits of this process alone.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chasqui_runtime::config::Rate;
use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock, Reference as _},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::keyed::DashMapStateStore,
};
use parking_lot::RwLock;

use crate::{key::Key, limit::Limit};

/// Keys per limit; those beyond share a few thousand.
const MOST_KEYS: usize = 262_144;
/// Limits of different rates, such as those of rooms in slow mode; beyond so many, counting begins anew.
const MOST_LIMITS: usize = 256;

type Cells<C> = RateLimiter<Key, DashMapStateStore<Key>, C, NoOpMiddleware<<C as Clock>::Instant>>;

pub(crate) struct Local<C: Clock = DefaultClock> {
    clock: C,
    limits: RwLock<HashMap<Limit, Arc<Cells<C>>>>,
    most_keys: usize,
}

impl Default for Local {
    fn default() -> Self {
        Self::new(DefaultClock::default(), MOST_KEYS)
    }
}

impl<C: Clock + Clone> Local<C> {
    pub(crate) fn new(clock: C, most_keys: usize) -> Self {
        Self { clock, limits: RwLock::default(), most_keys }
    }

    /// Takes one of a key, or says how long to wait for it.
    pub(crate) fn take(&self, limit: Limit, rate: Rate, key: Key) -> Result<(), Duration> {
        let cells = self.cells(limit, rate);
        let key = if cells.len() < self.most_keys { key } else { key.crowded() };
        let now = self.clock.now();
        cells.check_key(&key).map_err(|refused: NotUntil<C::Instant>| {
            let wait: Nanos = refused.earliest_possible().duration_since(now);
            Duration::from(wait).max(Duration::from_micros(1))
        })
    }

    fn cells(&self, limit: Limit, rate: Rate) -> Arc<Cells<C>> {
        if let Some(cells) = self.limits.read().get(&limit) {
            return Arc::clone(cells);
        }
        let mut limits = self.limits.write();
        if limits.len() >= MOST_LIMITS {
            limits.clear();
        }
        let make =
            || Arc::new(RateLimiter::new(quota(rate), DashMapStateStore::default(), self.clock.clone()));
        Arc::clone(limits.entry(limit).or_insert_with(make))
    }

    /// Forgets keys whose whole burst has come back. How many are left.
    pub(crate) fn sweep(&self) -> usize {
        let limits: Vec<_> = self.limits.read().values().map(Arc::clone).collect();
        let sweep = |cells: &Arc<Cells<C>>| {
            cells.retain_recent();
            cells.shrink_to_fit();
            cells.len()
        };
        limits.iter().map(sweep).sum()
    }
}

fn quota(rate: Rate) -> Quota {
    let burst = std::num::NonZeroU32::new(rate.burst()).unwrap_or(std::num::NonZeroU32::MIN);
    // A rate's interval is at least a microsecond; only zero has no quota.
    Quota::with_period(rate.interval()).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    fn key(n: u32) -> Key {
        Key::new("a", &n.to_be_bytes())
    }

    #[test]
    fn keys_are_bounded_and_forgotten_when_their_burst_is_back() {
        let clock = FakeRelativeClock::default();
        let local = Local::new(clock.clone(), 100);
        let rate: Rate = "1, 1/s".parse().unwrap();
        let limit = Limit::new("a", Some(rate));
        for n in 0..10_000 {
            local.take(limit, rate, key(n)).ok();
        }
        let left = local.sweep();
        assert!(left <= 100 + 4096, "{left} keys");
        // Whoever comes into the crowd is still held to the limit.
        assert!(local.take(limit, rate, key(20_000)).and(local.take(limit, rate, key(20_000))).is_err());
        clock.advance(Duration::from_secs(2));
        assert_eq!(local.sweep(), 0);
    }

    #[test]
    fn ever_new_rates_do_not_pile_up() {
        let local = Local::new(FakeRelativeClock::default(), 100);
        for n in 1..2000 {
            let limit = Limit::every("slow_mode", Duration::from_millis(n));
            local.take(limit, limit.rate.unwrap(), key(1)).unwrap();
        }
        assert!(local.limits.read().len() <= MOST_LIMITS);
    }

    proptest! {
        #[test]
        fn in_no_window_do_more_pass_than_the_burst_and_what_comes_back_in_it(
            burst in 1_u32..8,
            interval in 1_u64..50,
            steps in prop::collection::vec(0_u64..40, 1..200),
        ) {
            let clock = FakeRelativeClock::default();
            let local = Local::new(clock.clone(), 100);
            let rate = Rate::new(burst, 1, Duration::from_millis(interval)).unwrap();
            let limit = Limit::new("a", Some(rate));
            let (mut now, mut passed) = (0, Vec::new());
            for step in steps {
                clock.advance(Duration::from_millis(step));
                now += step;
                match local.take(limit, rate, key(1)) {
                    Ok(()) => passed.push(now),
                    // What it says to wait is exact: not a moment less, and then it passes.
                    Err(wait) => {
                        clock.advance(wait.checked_sub(Duration::from_micros(1)).unwrap());
                        prop_assert!(local.take(limit, rate, key(1)).is_err());
                        clock.advance(Duration::from_micros(1));
                        prop_assert!(local.take(limit, rate, key(1)).is_ok());
                        now += u64::try_from(wait.as_millis()).unwrap();
                        passed.push(now);
                    }
                }
            }
            for (from, at) in passed.iter().enumerate() {
                for (to, until) in passed.iter().enumerate().skip(from) {
                    let most = u64::from(burst) + (until - at) / interval;
                    prop_assert!(((to - from) as u64) < most, "{passed:?}");
                }
            }
        }
    }
}
