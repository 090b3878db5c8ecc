//! A limit, and what is said when it is reached.

use std::time::Duration;

use chasqui_protocol::{Code, Problem};
use chasqui_runtime::config::Rate;

/// How often something may happen per key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    pub(crate) name: &'static str,
    pub(crate) rate: Option<Rate>,
}

impl Limit {
    /// A limit. Its name is a label of metrics and a part of keys in Redis; without a rate it never refuses.
    #[must_use]
    pub const fn new(name: &'static str, rate: Option<Rate>) -> Self {
        Self { name, rate }
    }

    /// One, and no other within the interval after it.
    #[must_use]
    pub fn every(name: &'static str, interval: Duration) -> Self {
        Self { name, rate: Some(Rate::every(interval)) }
    }
}

/// The limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit `{limit}` is reached; try again in {} ms", retry_after.as_millis())]
pub struct Limited {
    /// Which.
    pub limit: &'static str,
    /// When the next one may happen, if nobody else comes first.
    pub retry_after: Duration,
}

impl From<Limited> for Problem {
    fn from(limited: Limited) -> Self {
        let Limited { limit, retry_after } = limited;
        let ms = retry_after.as_micros().div_ceil(1000).max(1);
        let detail =
            format!("the limit `{limit}` is reached; nothing was done. Wait as long as retry_after_ms says");
        Self::new(Code::TooMany, detail).retry_after_ms(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reached_limit_says_when_to_come_back() {
        let limited = Limited { limit: "login_address", retry_after: Duration::from_micros(1_500_001) };
        let problem = Problem::from(limited);
        assert_eq!((problem.status, problem.retry_after_ms), (429, Some(1501)));
        assert!(problem.detail.contains("login_address"));
    }
}
