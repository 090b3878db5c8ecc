//! The client against a server that follows a script: what it does when connections end, stall, or say nonsense.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

mod alive;
mod closing;
mod commands;
mod reconnecting;
mod server;
mod slow_application;
mod tokens;
