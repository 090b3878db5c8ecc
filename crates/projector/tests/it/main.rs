//! The projector against real servers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

mod chaos;
mod crash_points;
mod failpoint;
mod halving;
mod harness;
mod history;
mod hot;
mod log_changes;
mod lost_acks;
mod ownership;
mod poison;
mod rebuild;
mod small_store;
mod views;
