//! Command ids that no client chose.

use chasqui_events::{CommandId, Timestamp};
use chasqui_runtime::clock::id_parts;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// For what has no command of its own.
#[must_use]
pub fn new_id() -> CommandId {
    let (at, random) = id_parts();
    CommandId::new(Timestamp(at), random)
}

/// For what follows from something else: the same one each time, so that the log can tell a repetition.
#[must_use]
pub fn derived_id(what: &str, from: Uuid, at: Timestamp) -> CommandId {
    CommandId::new(at, derived(&[what.as_bytes(), from.as_bytes()]))
}

/// Bytes that follow from these parts, the same ones each time; at most 32.
#[must_use]
pub fn derived<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    const { assert!(N <= 32) };
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    let digest = digest.finalize();
    let mut bytes = digest.iter().copied();
    std::array::from_fn(|_| bytes.next().unwrap_or_default())
}
