//! The log and everything that moves: the only crate that knows NATS.
//!
//! A [`Bus`] is one connection under one [`BusRole`]. On it stand the parts, each in its module:
//!
//! - [`log`]: facts are appended and read, always by the stream's leader;
//! - [`event_store`]: rooms as aggregates, loaded from snapshot and tail, cached and kept fresh;
//! - [`live`]: what JetStream republishes, and hints that are never stored;
//! - [`consumer`]: the projector's ordered pull of one stream;
//! - [`command`]: requests and replies between edge and command side;
//! - [`kv`]: what must be forgettable; [`keys`]: the keys that seal, among it;
//! - [`topology`]: streams and buckets as the files in `nats/` describe them;
//! - [`subject`]: how all of it is named.

pub mod command;
pub mod consumer;
pub mod event_store;
pub mod keys;
pub mod kv;
pub mod live;
pub mod log;
pub mod subject;
pub mod topology;

mod connection;
mod header;
mod jetstream;
mod role;

pub use connection::{Bus, BusError, BusEvent, NatsSettings};
pub use jetstream::ApiError;
pub use log::Log;
pub use role::BusRole;
