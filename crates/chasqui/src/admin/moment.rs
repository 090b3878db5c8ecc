//! Times on the command line.

use std::time::Duration;

use chasqui_events::Timestamp;
use chasqui_runtime::clock::now_ms;
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// A length of time: `90s`, `30m`, `12h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        _ => 0,
    };
    match digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit)) {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err("a time is a number with its unit, for example 90s, 30m, 12h or 7d".to_owned()),
    }
}

/// A moment: RFC 3339 (`2026-11-26T14:00:00Z`), a day (`2026-11-26`, its beginning in UTC), or how long ago (`7d`).
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = duration(text) {
        let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        return Ok(Timestamp(now_ms().saturating_sub(ago)));
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let parsed = OffsetDateTime::parse(&whole, &Rfc3339);
    let millis = parsed.ok().and_then(|at| i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok());
    millis
        .map(Timestamp)
        .ok_or_else(|| "a moment is 2026-11-26T14:00:00Z, 2026-11-26, or how long ago: 12h, 7d".to_owned())
}

/// A moment as it is shown: UTC, to the second.
pub(super) fn shown(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    let at = OffsetDateTime::from_unix_timestamp(at.millis().div_euclid(1000)).ok();
    at.and_then(|at| at.format(format).ok()).unwrap_or_else(|| "?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_bad_ones_explained() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(7 * 24)));
        for bad in ["", "7", "d", "0d", "-1d", "7w", "99999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(moment("2026-11-26"), moment("2026-11-26T00:00:00Z"));
        assert_eq!(moment("1970-01-01T01:00:01+01:00"), Ok(Timestamp(1000)));
        assert!(moment("yesterday").is_err());
        assert_eq!(shown(Timestamp(1_732_290_000_123)), "2024-11-22 15:40:00Z");
    }
}
