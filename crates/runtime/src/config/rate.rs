//! How often something may happen.

use std::{fmt, str::FromStr, time::Duration};

/// So many at once, and after that so many per interval, evenly spread. Written `10, 1/6s`: ten at once, then one
/// every six seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    burst: u32,
    count: u32,
    per: Duration,
}

/// The text is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a rate such as `10, 1/6s`: so many at once, then so many per interval (ms, s, m, h, d)")]
pub struct NotARate;

impl Rate {
    /// The most that may happen at once.
    pub const MOST_AT_ONCE: u32 = 1_000_000;
    /// The longest time in which a whole burst may come back.
    pub const LONGEST: Duration = Duration::from_hours(30 * 24);

    /// `burst` at once, then `count` per `per`.
    ///
    /// # Errors
    /// When the burst is 0 or above [`Rate::MOST_AT_ONCE`], when one comes back faster than in a microsecond, or when
    /// the burst takes longer than [`Rate::LONGEST`] to come back.
    pub fn new(burst: u32, count: u32, per: Duration) -> Result<Self, NotARate> {
        let rate = Self { burst, count, per };
        let sound = (1..=Self::MOST_AT_ONCE).contains(&burst)
            && count > 0
            && per <= Self::LONGEST
            && rate.interval() >= Duration::from_micros(1)
            && rate.interval().saturating_mul(burst) <= Self::LONGEST;
        if sound { Ok(rate) } else { Err(NotARate) }
    }

    /// One, and no other within `interval` after it; between a microsecond and [`Rate::LONGEST`].
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        let per = interval.clamp(Duration::from_micros(1), Self::LONGEST);
        Self { burst: 1, count: 1, per }
    }

    /// How many may happen at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// The time after which one more may happen.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.per / self.count.max(1)
    }
}

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (burst, steady) = text.split_once(',').ok_or(NotARate)?;
        let (count, per) = steady.trim().split_once('/').ok_or(NotARate)?;
        let unit_at = per.find(|c: char| !c.is_ascii_digit()).ok_or(NotARate)?;
        let (number, unit) = per.split_at(unit_at);
        let number: u64 = if number.is_empty() { 1 } else { number.parse().map_err(|_| NotARate)? };
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(NotARate)?;
        let per = Duration::from_millis(number.checked_mul(*millis).ok_or(NotARate)?);
        let whole = |text: &str| text.trim().parse().map_err(|_| NotARate);
        Self::new(whole(burst)?, whole(count)?, per)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.per.as_millis()).unwrap_or(u64::MAX);
        let largest = UNITS.iter().rev().find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit));
        let (unit, per) = largest.map_or(("ms", millis), |(name, unit)| (*name, millis / unit));
        let per = if per == 1 { String::new() } else { per.to_string() };
        write!(f, "{}, {}/{per}{unit}", self.burst, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_and_shown_in_the_same_words() {
        for text in ["10, 1/6s", "5, 100/s", "1, 1/30d", "40, 1/250ms", "3, 20/h"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        let rate: Rate = "10,20/h".parse().unwrap();
        assert_eq!((rate.burst(), rate.interval()), (10, Duration::from_mins(3)));
        assert_eq!(Rate::every(Duration::from_secs(5)).to_string(), "1, 1/5s");
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        let wrong = [
            "",
            "10",
            "10, 5",
            "0, 1/s",
            "10, 0/s",
            "1, 1/0s",
            "1, 1/y",
            "10, 1/20d",
            "1, 9999999/s",
            "-1, 1/s",
        ];
        for text in wrong {
            assert_eq!(text.parse::<Rate>(), Err(NotARate), "{text:?}");
        }
    }
}
