//! Where a fact stands in the log.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A stream sequence: 1 for the first fact of a stream, 0 for "before everything".
///
/// Sequences of different partitions cannot be compared.
pub type Seq = u64;

/// One of the streams `CHAT_0 … CHAT_{P-1}`: the unit of order, of projector ownership and of recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(u16);

impl Partition {
    /// How many partitions a room id can tell apart: it has 12 bits for them.
    pub const LIMIT: u16 = 4096;

    /// The partition of this number, or `None` from [`Partition::LIMIT`] on.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < Self::LIMIT { Some(Self(number)) } else { None }
    }

    /// The partition that the low 12 bits of `bits` name.
    #[must_use]
    pub const fn from_low_bits(bits: u16) -> Self {
        Self(bits & (Self::LIMIT - 1))
    }

    /// The first `count` partitions, in order.
    pub fn first(count: u16) -> impl Iterator<Item = Self> {
        (0..count.min(Self::LIMIT)).map(Self)
    }

    /// The partition's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in the log: a partition and a sequence in its stream. Written `2:17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The partition.
    #[serde(rename = "p")]
    pub partition: Partition,
    /// The sequence in the partition's stream.
    #[serde(rename = "s")]
    pub seq: Seq,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.seq)
    }
}

/// The text is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is written <partition>:<sequence>, for example 2:17")]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (partition, seq) = text.split_once(':').ok_or(NotAPosition)?;
        let partition = partition.parse().ok().and_then(Partition::new).ok_or(NotAPosition)?;
        Ok(Self { partition, seq: seq.parse().map_err(|_| NotAPosition)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_what_it_writes() {
        let position = Position { partition: Partition::from_low_bits(3), seq: 99 };
        assert_eq!(position.to_string(), "3:99");
        assert_eq!("3:99".parse(), Ok(position));
        for bad in ["", "3", "3:", ":9", "4096:1", "a:b", "3:-1"] {
            assert_eq!(bad.parse::<Position>(), Err(NotAPosition), "{bad}");
        }
    }
}
