//! The query side: one query per file, answered from the projections.
//!
//! [`Reader`] answers; edges hold one in process and ask it for their clients. [`QueryApi`] is the same over
//! HTTP. What a caller may see is decided in one place (`access`), how fresh it must be in another
//! (`freshness`); what is sealed is opened in a third ([`opening`]).

mod access;
mod asking;
pub mod erasures;
mod freshness;
pub mod opening;
mod parameters;
mod query;
mod reader;
mod routes;

pub use reader::{Bounds, Reader, Secrets, SecretsError};
pub use routes::QueryApi;
