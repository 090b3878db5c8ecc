//! Stories: each starts real servers and the real program, lets people talk, hurts something, and compares what was
//! promised with what is there. The promises are numbered in ARCHITECTURE.md's list of invariants.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

mod bad_input;
mod canaries;
mod chaos;
mod cookies;
mod cursor;
mod described_api;
mod direct;
mod drain;
mod erasure;
mod exchanged_log;
mod export;
mod flushed_redis;
mod half_open;
mod key_rotation;
mod keys;
mod limits;
mod lost_hints;
mod moderation;
mod over_http;
mod pair;
mod parked_room;
mod permission_matrix;
mod read_your_writes;
mod receipts;
mod reconnect;
mod removed_member;
mod room;
mod sealed;
mod sessions;
mod silent_partition;
mod slow_reader;
mod tls;
mod two_command_apis;
mod two_edges;
mod two_projectors;
mod unknown_outcome;
