//! The key-encryption key: it wraps the keys of rooms and users and those that sign access tokens, which are stored
//! wrapped only.

pub(crate) mod file;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Key, Owner};

/// What a key is: bound to it when it is wrapped, so that it cannot be passed off as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The key of a room or a user.
    Sealing {
        /// Whose it is.
        owner: Owner,
        /// Which of theirs, from 1.
        epoch: u32,
    },
    /// The seed of a key that signs access tokens.
    Signing {
        /// The thumbprint of its public half (RFC 7638).
        thumbprint: [u8; 32],
    },
}

impl Context {
    /// The context as additional authenticated data, also for a key management service that takes such a thing.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Sealing { owner, epoch } => {
                let (kind, id) = (owner.kind().as_str(), owner.id());
                [b"chasqui/key/1/", kind.as_bytes(), b"/", id.as_bytes(), &epoch.to_be_bytes()].concat()
            }
            Self::Signing { thumbprint } => [b"chasqui/key/1/signing/", &thumbprint[..]].concat(),
        }
    }
}

/// A wrapped key, fit to be stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrapped {
    /// Which key-encryption key wrapped it.
    pub kek: String,
    /// The wrapped bytes; written as base64url.
    pub bytes: chasqui_events::Sealed,
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrapped(by {})", self.kek)
    }
}

/// A key was not wrapped or unwrapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KekError {
    /// No answer now; trying again may help.
    #[error("the key-encryption key cannot be used now: {0}")]
    Unavailable(String),
    /// It was wrapped by a key-encryption key that is not there (any more).
    #[error("the key-encryption key {0:?} is not there, and what it wrapped cannot be read without it")]
    Unknown(String),
    /// It does not unwrap: other bytes, another context, or another key under the same id.
    #[error("a key wrapped by {0:?} does not unwrap: it was changed, moved, or the key-encryption key was")]
    Refused(String),
}

/// The port to whatever holds the key-encryption key. Shaped so that a key management service fits: the key-encryption
/// key itself is never asked for.
#[async_trait]
pub trait KeyEncryption: fmt::Debug + Send + Sync {
    /// The id of the key-encryption key that wraps now.
    async fn current(&self) -> Result<String, KekError>;

    /// Wraps a key for this context with the current key-encryption key.
    async fn wrap(&self, context: &Context, key: &Key) -> Result<Wrapped, KekError>;

    /// Unwraps a key that was wrapped for this context by any key-encryption key that is still there.
    async fn unwrap(&self, context: &Context, wrapped: &Wrapped) -> Result<Key, KekError>;
}
