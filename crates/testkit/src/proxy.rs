//! Connections that fail as networks do.

pub(crate) mod chaos;
pub(crate) mod lossy_nats;
pub(crate) mod nats_wire;
