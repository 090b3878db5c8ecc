//! What every Chasqui process needs whatever its role: configuration, telemetry, metrics, health, lifecycle,
//! and the one place that touches the ambient clock and randomness.
//!
//! Nothing here knows of chat. A role takes its section of [`config::Config`], registers a
//! [`health::Readiness`], spawns its work on [`lifecycle::Tasks`] and stops when [`lifecycle::Shutdown`] says so.

pub mod clock;
pub mod config;
pub mod gate;
pub mod health;
pub mod lifecycle;
pub mod metrics;
pub mod ops;
pub mod telemetry;
