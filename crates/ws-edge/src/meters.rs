//! What an edge counts. The handles are made once: looking a metric up costs more than counting.

use chasqui_events::Timestamp;
use chasqui_protocol::CloseCode;
use chasqui_runtime::metrics::names;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// The edge's metrics.
#[derive(Debug)]
pub(crate) struct Meters {
    connections: Gauge,
    rooms: Gauge,
    frames_received: Counter,
    items: Counter,
    holes: Counter,
    pub(crate) filled: Counter,
    pub(crate) resume_seconds: Histogram,
    push_seconds: Histogram,
    pub(crate) receipt_facts: Counter,
    pub(crate) marks_taken: Counter,
    pub(crate) hints_dropped: Counter,
    pub(crate) held: Counter,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            connections: gauge!(names::EDGE_CONNECTIONS, "state" => "open"),
            rooms: gauge!(names::EDGE_ROOMS),
            frames_received: counter!(names::EDGE_FRAMES_RECEIVED_TOTAL, "frame" => "any"),
            items: counter!(names::EDGE_FRAMES_SENT_TOTAL, "frame" => "item"),
            holes: counter!(names::EDGE_GAPS_TOTAL, "found" => "any"),
            filled: counter!(names::EDGE_FILLED_TOTAL, "source" => "log"),
            resume_seconds: histogram!(names::EDGE_RESUME_SECONDS),
            push_seconds: histogram!(names::PUSH_SECONDS),
            receipt_facts: counter!(names::EDGE_RECEIPT_FACTS_TOTAL),
            marks_taken: counter!(names::EDGE_RECEIPT_MARKS_TOTAL),
            hints_dropped: counter!(names::EDGE_EPHEMERAL_DROPPED_TOTAL),
            held: counter!(names::EDGE_HELD_TOTAL),
        }
    }

    pub(crate) fn present(&self, connections: usize, rooms: usize) {
        self.connections.set(as_f64(connections));
        self.rooms.set(as_f64(rooms));
    }

    pub(crate) fn frame_received(&self) {
        self.frames_received.increment(1);
    }

    pub(crate) fn items_sent(&self, count: usize) {
        self.items.increment(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(crate) fn hole(&self) {
        self.holes.increment(1);
    }

    /// An entry was pushed that the log stored at `stored`.
    pub(crate) fn pushed(&self, stored: Timestamp) {
        let ms = chasqui_runtime::clock::now_ms().saturating_sub(stored.millis());
        self.push_seconds.record(f64::from(i32::try_from(ms).unwrap_or(i32::MAX)) / 1_000.0);
    }

    pub(crate) fn closed(code: CloseCode) {
        counter!(names::EDGE_CLOSES_TOTAL, "code" => code.code().to_string()).increment(1);
    }

    pub(crate) fn resumed(outcome: &'static str) {
        counter!(names::EDGE_RESUMES_TOTAL, "outcome" => outcome).increment(1);
    }
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
