//! The projector against real servers.

mod chaos;
mod harness;
mod history;
mod hot;
mod log_changes;
mod ownership;
mod poison;
mod rebuild;
mod views;
