//! The streams that are projected.

use std::{fmt, str::FromStr};

use chasqui_events::{Partition, RoomId};

/// A stream of the log: the unit of order, with one checkpoint per version of the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// `CHAT_<p>`: the rooms of one partition.
    Chat(Partition),
    /// `IDENT`: users, names, sessions, pairs.
    Ident,
}

impl Stream {
    /// The stream that holds a room's facts.
    #[must_use]
    pub fn of(room: RoomId) -> Self {
        Self::Chat(room.partition())
    }

    /// All streams of an installation with so many partitions.
    pub fn all(partitions: u16) -> impl Iterator<Item = Self> {
        Partition::first(partitions).map(Self::Chat).chain([Self::Ident])
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(partition) => write!(f, "CHAT_{partition}"),
            Self::Ident => f.write_str("IDENT"),
        }
    }
}

/// The text names no stream that is projected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream is IDENT or CHAT_<partition>")]
pub struct NotAStream;

impl FromStr for Stream {
    type Err = NotAStream;

    fn from_str(text: &str) -> Result<Self, NotAStream> {
        if text == "IDENT" {
            return Ok(Self::Ident);
        }
        let number = text.strip_prefix("CHAT_").and_then(|number| number.parse().ok());
        number.and_then(Partition::new).map(Self::Chat).ok_or(NotAStream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for stream in Stream::all(3) {
            assert_eq!(stream.to_string().parse(), Ok(stream));
        }
        assert_eq!("CHAT_4096".parse::<Stream>(), Err(NotAStream));
        assert_eq!("CHAT".parse::<Stream>(), Err(NotAStream));
    }
}
