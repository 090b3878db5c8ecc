//! Streams and buckets as the files in `nats/` describe them: read, compared with what a server has, made so.

mod apply;
mod difference;
mod files;
mod plan;

pub use apply::{ApplyError, apply};
pub use files::{StreamFile, Topology, TopologyError};
pub use plan::{Change, Difference, Plan, plan};
