//! `chasqui import` and `chasqui chat` as a person runs them, against a whole installation.

mod chat;
mod import;
