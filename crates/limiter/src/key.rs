//! What a limit is counted for, as a hash: neither names nor addresses lie in Redis or in a table of this process.

use sha2::{Digest as _, Sha256};

/// The hash of a limit's name and of what it is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    limit: &'static str,
    hash: [u8; 16],
}

impl Key {
    pub(crate) fn new(limit: &'static str, what: &[u8]) -> Self {
        Self { limit, hash: hash(&[limit.as_bytes(), what]) }
    }

    /// The key in Redis.
    pub(crate) fn text(&self) -> String {
        format!("limit:{}:{}", self.limit, hex::encode(self.hash))
    }

    /// One of a few thousand keys that share what does not fit in a table any more.
    pub(crate) fn crowded(self) -> Self {
        let [first, second, ..] = self.hash;
        Self { hash: u128::from(u16::from_be_bytes([first, second & 0x0f])).to_be_bytes(), ..self }
    }
}

/// The first half of the SHA-256 of texts, each with its length.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    let mut bytes = digest.finalize().into_iter();
    std::array::from_fn(|_| bytes.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_nothing_of_what_it_is_counted_for_and_differs_by_limit() {
        let text = Key::new("login_address", b"192.0.2.7").text();
        assert!(text.starts_with("limit:login_address:") && !text.contains("192.0.2.7"), "{text}");
        assert_ne!(Key::new("a", b"bc").text(), Key::new("ab", b"c").text());
        assert_ne!(Key::new("a", b"x").hash, Key::new("b", b"x").hash);
    }

    #[test]
    fn the_crowd_shares_a_few_thousand_keys() {
        let crowd: std::collections::HashSet<_> =
            (0..100_000_u32).map(|n| Key::new("a", &n.to_be_bytes()).crowded()).collect();
        assert_eq!(crowd.len(), 4096);
    }
}
