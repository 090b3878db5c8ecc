//! What comes of opening something sealed.

use std::fmt;

/// What a sealed text turned out to be.
#[derive(Clone, PartialEq, Eq)]
pub enum Opened {
    /// The text.
    Text(String),
    /// A key that it needs was destroyed: nobody will ever read it again.
    Erased,
    /// It is not what was sealed for this place, or names a key that there never was: somebody changed it.
    Damaged,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Erased => f.write_str("Erased"),
            Self::Damaged => f.write_str("Damaged"),
        }
    }
}
