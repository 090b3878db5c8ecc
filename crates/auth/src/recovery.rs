//! Recovery codes: for whoever has lost every other second factor. Each is good once. Pure.
//!
//! A code has 120 random bits, more than the 112 from which on a plain hash is enough (NIST SP 800-63B-4 §3.1.2.2).

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use totp_rs::Secret;
use zeroize::Zeroizing;

/// How many there are at a time.
pub(crate) const COUNT: usize = 10;
/// The random bytes of one.
pub(crate) const BYTES: usize = 15;
/// Characters between hyphens.
const GROUP: usize = 6;

/// The hashes of the codes that were not used yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RecoveryCodes(Vec<String>);

impl RecoveryCodes {
    /// New codes from random bytes: what is kept, and what the user is shown once.
    pub(crate) fn new(random: &[[u8; BYTES]; COUNT]) -> (Self, Vec<Zeroizing<String>>) {
        let shown: Vec<_> = random.iter().map(written).collect();
        (Self(shown.iter().map(|code| hash(code)).collect()), shown)
    }

    /// How many are left.
    pub(crate) const fn left(&self) -> usize {
        self.0.len()
    }

    /// The codes without this one; `None` when it is none of them.
    pub(crate) fn take(&self, code: &str) -> Option<Self> {
        let given = hash(code);
        let is_it = |kept: &String| bool::from(kept.as_bytes().ct_eq(given.as_bytes()));
        self.0.iter().any(is_it).then(|| Self(self.0.iter().filter(|kept| !is_it(kept)).cloned().collect()))
    }
}

/// `abcdef-ghijkl-mnopqr-stuvwx`.
fn written(random: &[u8; BYTES]) -> Zeroizing<String> {
    let text = Zeroizing::new(Secret::new(Box::from(*random)).to_base32().to_ascii_lowercase());
    let mut grouped = Zeroizing::new(String::new());
    for (place, c) in text.chars().enumerate() {
        if place > 0 && place % GROUP == 0 {
            grouped.push('-');
        }
        grouped.push(c);
    }
    grouped
}

/// The same for every way to type a code.
fn hash(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric);
    let plain: Zeroizing<String> = Zeroizing::new(letters.map(|c| c.to_ascii_lowercase()).collect());
    hex::encode(Sha256::new().chain_update("recovery code").chain_update(plain.as_bytes()).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_good_once_however_it_is_typed() {
        let random = std::array::from_fn(|place| [u8::try_from(place).unwrap(); BYTES]);
        let (codes, shown) = RecoveryCodes::new(&random);
        assert_eq!((codes.left(), shown.len(), shown[1].as_str()), (10, 10, "aeaqca-ibaeaq-caibae-aqcaib"));
        let left = codes.take(&shown[3].to_uppercase().replace('-', " ")).unwrap();
        assert_eq!((left.left(), left.take(&shown[3])), (9, None));
        assert!(left.take(&shown[4]).is_some());
        for wrong in ["", "aeaqca", "aeaqca-ibaeaq-caibae-aqcaic"] {
            assert_eq!(codes.take(wrong), None, "{wrong}");
        }
        let kept = serde_json::to_string(&codes).unwrap();
        assert!(!kept.contains("aeaqca"), "{kept}");
    }
}
