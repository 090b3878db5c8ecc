//! A secret key.

use std::fmt;

use zeroize::Zeroizing;

/// 32 secret bytes, overwritten when they are dropped and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<[u8; Key::BYTES]>);

impl Key {
    /// The length of every key.
    pub const BYTES: usize = 32;

    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key, from the thread's cryptographically secure generator.
    #[must_use]
    pub fn random() -> Self {
        Self::new(rand::random())
    }

    /// The bytes themselves, for an algorithm to work with.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}
