//! The commands against a real NATS server, with the real permissions.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a broken expectation is a failed test"
)]

mod direct;
mod erasure;
mod installation;
mod over_http;
mod over_nats;
mod receipts;
mod rooms;
mod sending;
mod unknown;
