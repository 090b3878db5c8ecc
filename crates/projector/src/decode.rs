//! From what the log stores to what the fold takes.

use chasqui_bus::{
    log::Stored,
    subject::{self, Lane},
};
use chasqui_read_model::fold;

/// A fact with its place. What cannot be read becomes a fact that says so.
pub(crate) fn log_fact(stored: &Stored) -> fold::LogFact {
    let source = match subject::parse(&stored.subject) {
        Some(parsed) => fold::Source::Room(parsed.room, lane(parsed.lane)),
        None => fold::Source::Identity(stored.subject.clone()),
    };
    fold::LogFact {
        seq: stored.seq,
        source,
        time: stored.time,
        fingerprint: stored.fingerprint(),
        body: stored.decode().map_err(fold::Undecodable::from),
    }
}

const fn lane(lane: Lane) -> fold::Lane {
    match lane {
        Lane::State => fold::Lane::State,
        Lane::Msg => fold::Lane::Msg,
        Lane::Rcpt => fold::Lane::Rcpt,
    }
}
