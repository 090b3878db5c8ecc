//! What is stored of somebody's keys.

use chasqui_events::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Wrapped;

/// One of somebody's keys. The newest seals; all of them open what they sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Its number, from 1, rising.
    pub n: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// The key.
    pub key: Wrapped,
}

/// Somebody's keys, or what is left when they were destroyed. A JSON object with one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyRecord {
    /// The keys, the oldest first; never empty.
    Epochs(Vec<Epoch>),
    /// They were destroyed then, and there will be no others.
    Destroyed {
        /// When.
        at: Timestamp,
    },
}

/// The stored bytes are no record.
#[derive(Debug, thiserror::Error)]
#[error("a record of keys cannot be read: {0}")]
pub struct NotARecord(#[from] serde_json::Error);

impl KeyRecord {
    /// The record as it is stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a stored record.
    ///
    /// # Errors
    /// [`NotARecord`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotARecord> {
        Ok(serde_json::from_slice(bytes)?)
    }
}
