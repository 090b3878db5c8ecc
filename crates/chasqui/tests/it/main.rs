//! `chasqui import` and `chasqui chat` as a person runs them, against a whole installation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod admin;
mod chat;
mod import;
