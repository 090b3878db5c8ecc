//! What the same work costs on the bare parts: the least that any system on this machine could need.

pub mod bulk;
pub mod jetstream;
pub mod relay;

/// Bytes of a message where nothing else is said.
pub const PAYLOAD: usize = 256;
