//! The bus against real servers, with the real configuration and credentials of `nats/`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

mod cluster;
mod command;
mod conflict;
mod consumer;
mod event_store;
mod harness;
mod keys;
mod kv;
mod live;
mod outage;
mod permissions;
mod proxy;
mod reading;
mod topology;
