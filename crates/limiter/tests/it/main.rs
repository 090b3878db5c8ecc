//! Limits across processes, on a real Redis-protocol server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a broken expectation is a failed test"
)]

mod attempts;
mod limits;
mod tls;

use std::time::Duration;

use chasqui_backends::{RedisOptions, RedisServer};
use chasqui_limiter::{Limiter, RedisSettings};

async fn redis() -> RedisServer {
    let start = || RedisServer::start_own(&RedisOptions::default()).unwrap();
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// What another process would have: a connection and a memory of its own.
fn limiter(redis: &RedisServer) -> Limiter {
    let settings = RedisSettings { url: redis.url().into(), ca_file: None, timeout: Duration::from_secs(5) };
    Limiter::shared(&settings).unwrap()
}
