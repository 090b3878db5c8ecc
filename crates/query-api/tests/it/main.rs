//! The queries against real servers: commands in, projected, asked for.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a broken expectation is a failed test"
)]

mod freshness;
mod installation;
mod over_http;
mod sight;
