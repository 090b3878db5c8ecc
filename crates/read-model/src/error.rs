//! What can go wrong with the stores, by what to do about it.

use chasqui_events::Seq;

/// A query could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// MongoDB does not answer, or refuses. Try again.
    #[error("the read model does not answer: {0}")]
    Unavailable(String),
    /// A stored document is not of the shape that this program writes. It needs a rebuild of the views.
    #[error("the read model holds a document of another shape: {0}")]
    Corrupt(String),
}

/// A wait for the projection did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The time was over before the position was projected.
    #[error("the projection is at {at} and has not come further in time")]
    NotYet {
        /// How far the projection has come.
        at: Seq,
    },
    /// The projection's progress could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A batch was not projected. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Another worker has claimed the stream since. This one must stop writing.
    #[error("another worker has claimed the stream")]
    Fenced,
    /// The store is not where this worker left it: load everything anew.
    #[error("the stored checkpoint is at {stored}, not at {expected}")]
    Diverged {
        /// Where the worker thought the checkpoint was.
        expected: Seq,
        /// Where it is.
        stored: Seq,
    },
    /// The batch is too large for one transaction: try less.
    #[error("the batch is too large for one transaction: {0}")]
    TooLarge(String),
    /// A document that must be new exists: a fact was stored twice that the broker should have kept single.
    #[error("a document that must be new exists already: {0}")]
    Duplicate(String),
    /// The store does not answer, or asks to try again.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// The store refuses, and will again.
    #[error("the store refuses: {0}")]
    Refused(String),
}

impl From<mongodb::error::Error> for ReadError {
    fn from(error: mongodb::error::Error) -> Self {
        match *error.kind {
            mongodb::error::ErrorKind::BsonDeserialization(_) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<ReadError> for CommitError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(text) => Self::Unavailable(text),
            ReadError::Corrupt(text) => Self::Refused(text),
        }
    }
}
