//! A stored fact, as the fold takes it.

use chasqui_events::{DecodeError, Envelope, Fact, RoomId, Seq, Timestamp};

use crate::view::parked::Aggregate;

/// The three lanes of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Who may be in it.
    State,
    /// What was said.
    Msg,
    /// Who got and who read.
    Rcpt,
}

/// Which subject a fact was stored on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A lane of a room.
    Room(RoomId, Lane),
    /// A subject of the stream `IDENT`, or one that names nothing we know.
    Identity(String),
}

impl Source {
    /// What is parked together with facts of this source.
    #[must_use]
    pub fn aggregate(&self) -> Aggregate {
        match self {
            Self::Room(room, _) => Aggregate::Room(*room),
            Self::Identity(subject) => Aggregate::Subject(subject.clone()),
        }
    }
}

/// Why a fact cannot be read, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undecodable(pub String);

impl From<DecodeError> for Undecodable {
    fn from(error: DecodeError) -> Self {
        Self(error.to_string())
    }
}

/// A fact with its place in the stream.
#[derive(Clone, Debug)]
pub struct LogFact {
    /// Where it stands in its stream.
    pub seq: Seq,
    /// On which subject.
    pub source: Source,
    /// When it was stored, by the log's clock.
    pub time: Timestamp,
    /// Its fingerprint, as the log computes it.
    pub fingerprint: u64,
    /// What it says.
    pub body: Result<Envelope<Fact>, Undecodable>,
}
