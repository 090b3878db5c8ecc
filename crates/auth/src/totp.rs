//! One-time codes of an authenticator application: TOTP (RFC 6238), six digits, thirty seconds. Pure.
//!
//! A code is good for its own step and its neighbours (the clocks may be apart), and once: the last step is kept.

use std::fmt;

use chasqui_events::Timestamp;
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret};
use zeroize::Zeroizing;

/// The length of a secret: that of the hash (RFC 4226 §4).
pub(crate) const SECRET_BYTES: usize = 20;
/// Steps by which a clock may be off, each way.
const DRIFT: u16 = 1;
/// What the application shows beside the account's name.
const ISSUER: &str = "Chasqui";

/// An authenticator application's share of an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totp {
    #[serde(with = "hex::serde")]
    secret: [u8; SECRET_BYTES],
    /// The step of the last code that was taken.
    last_step: u64,
}

impl Totp {
    /// One with a new secret, from random bytes.
    pub(crate) const fn new(secret: [u8; SECRET_BYTES]) -> Self {
        Self { secret, last_step: 0 }
    }

    /// The same after this code was taken; `None` when it is not right, or was taken before.
    pub(crate) fn take(&self, code: &str, now: Timestamp) -> Option<Self> {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let seconds = u64::try_from(now.millis() / 1000).ok()?;
        let step = self.clock("").check(&digits, seconds)?;
        (step > self.last_step).then(|| Self { last_step: step, ..self.clone() })
    }

    /// The secret as text, for typing it in (RFC 4648 base 32).
    pub(crate) fn secret(&self) -> Zeroizing<String> {
        Zeroizing::new(Secret::new(Box::from(self.secret)).to_base32())
    }

    /// The secret as a URL, which applications take from a QR code.
    pub(crate) fn url(&self, account: &str) -> Option<Zeroizing<String>> {
        self.clock(account).to_url().ok().map(Zeroizing::new)
    }

    fn clock(&self, account: &str) -> totp_rs::Totp {
        Builder::new()
            .with_secret(Secret::new(Box::from(self.secret)))
            .with_skew(DRIFT)
            .with_issuer(Some(ISSUER))
            .with_account_name(account)
            .build_noncompliant()
    }
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Totp").field("last_step", &self.last_step).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the secret is these digits as ASCII, and the codes below are the last six of the eight.
    const RFC: Totp = Totp::new(*b"12345678901234567890");

    const fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    #[test]
    fn the_standards_codes_are_taken() {
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
        {
            assert!(RFC.take(code, at(seconds)).is_some(), "{seconds}");
        }
        assert!(RFC.take("081 804", at(1_111_111_109)).is_some(), "as applications show it");
        for wrong in
            ["081805", "", "81804", "0818040", "abcdef", "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}"]
        {
            assert_eq!(RFC.take(wrong, at(1_111_111_109)), None, "{wrong}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_so_is_every_older_one() {
        let taken = RFC.take("081804", at(1_111_111_109)).unwrap();
        assert_eq!(taken.take("081804", at(1_111_111_109)), None);
        // The standard's next vector is the step after: an earlier code does not come back behind it.
        let next = taken.take("050471", at(1_111_111_111)).unwrap();
        assert_eq!(next.take("081804", at(1_111_111_111)), None);
    }

    #[test]
    fn clocks_may_be_one_step_apart_and_no_more() {
        for (shift, good) in [(-60, false), (-30, true), (30, true), (60, false)] {
            assert_eq!(RFC.take("005924", at(1_234_567_890 + shift)).is_some(), good, "{shift}");
        }
    }

    #[test]
    fn an_application_gets_it_by_url_and_a_log_does_not() {
        let url = RFC.url("quilla").unwrap();
        assert!(url.starts_with("otpauth://totp/Chasqui:quilla?secret=GEZDGNBVGY3TQOJQ"), "{}", *url);
        assert!(!format!("{RFC:?}").contains("313233"), "{RFC:?}");
    }
}
