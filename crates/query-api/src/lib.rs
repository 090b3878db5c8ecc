//! The query side: one query per file, answered from the projections.
//!
//! [`Reader`] answers; edges hold one in process and ask it for their clients. [`QueryApi`] is the same over
//! HTTP. What a caller may see is decided in one place (`access`), how fresh it must be in another
//! (`freshness`).

mod access;
mod asking;
mod freshness;
mod parameters;
mod query;
mod reader;
mod routes;

pub use reader::{Bounds, Reader};
pub use routes::QueryApi;
