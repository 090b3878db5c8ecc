//! The command side: one command per file; decide on the room's state, append one fact, answer with its position.
//!
//! The same commands come over HTTP and, from edges, over NATS; either way the caller's access token is verified
//! here. Only the log and its buckets are read, never a projection: a decision stands on the log alone. A repeated
//! `send` over HTTP can be looked up before it is decided; whoever builds the routes says where ([`FindSent`]).

mod authorship;
mod command;
pub mod erasure;
mod heads;
mod marks;
mod routes;
pub mod serve;
mod service;
mod slow_mode;
mod users;

pub use routes::FindSent;
pub use service::{CommandApi, StartError};
