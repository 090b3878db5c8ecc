//! Why a command or a query did not come to a good end.

use chasqui_protocol::Problem;

/// What a caller of [`crate::Client`] has to decide about.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The server answered with a problem.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The client has stopped before the answer came: it is not known whether the command was recorded.
    #[error("the client has stopped before the answer came: it is not known whether this was done")]
    Stopped,
    /// The answer to a query has another shape than expected.
    #[error("the server's answer has an unexpected shape: {0}")]
    Shape(String),
}

impl ClientError {
    /// The problem, when it is one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Stopped | Self::Shape(_) => None,
        }
    }
}
