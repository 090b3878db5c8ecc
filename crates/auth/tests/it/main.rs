//! The identity commands against a real NATS server, with the real permissions.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a broken expectation is a failed test"
)]

mod accounts;
mod deactivation;
mod email;
mod erasure;
mod factors;
mod installation;
mod keys;
mod login;
mod names;
mod over_http;
mod passkeys;
mod passwords;
mod refresh;
mod register;
mod services;
mod sessions;
mod sweep;
