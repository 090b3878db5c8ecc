//! The names of Chasqui's metrics: one list, so that dashboards and code cannot drift apart.
//!
//! Counters end in `_total`, durations are histograms in seconds and end in `_seconds`, histograms of counts
//! end in `_size`. Labels never hold ids of people, rooms or messages: their number has no bound.

use metrics::{describe_counter, describe_gauge, describe_histogram};

macro_rules! names {
    ($( $describe:ident $name:ident = $text:literal, $help:literal; )*) => {
        $( #[doc = $help] pub const $name: &str = $text; )*

        /// Every name with its help text.
        pub const ALL: &[(&str, &str)] = &[$( ($text, $help) ),*];

        /// Tells the recorder the help texts.
        pub(super) fn describe() {
            $( $describe!($text, $help); )*
        }
    };
}

names! {
    describe_counter COMMANDS_TOTAL = "chasqui_commands_total",
        "Commands answered, by `command` and `outcome` (ok, the problem code, or unknown).";
    describe_histogram COMMAND_SECONDS = "chasqui_command_seconds",
        "Time from a command's arrival to its answer, by `command`.";
    describe_histogram APPEND_SECONDS = "chasqui_append_seconds",
        "Time from publishing a fact to its acknowledgement, by `lane`.";
    describe_counter APPEND_CONFLICTS_TOTAL = "chasqui_append_conflicts_total",
        "Appends that lost a race for their expected position and were decided again, by `lane`.";
    describe_counter APPEND_UNKNOWN_TOTAL = "chasqui_append_unknown_total",
        "Appends whose outcome had to be read back from the log, by `lane`.";
    describe_gauge COMMAND_CACHE_ROOMS = "chasqui_command_cache_rooms",
        "Rooms whose state the command side holds in memory.";
    describe_counter NATS_EVENTS_TOTAL = "chasqui_nats_events_total",
        "Connection events, by `role` and `event` (`connected`, `disconnected`, `slow_consumer`, `error`).";

    describe_gauge EDGE_CONNECTIONS = "chasqui_edge_connections", "Open WebSocket connections, by `state`.";
    describe_gauge EDGE_ROOMS = "chasqui_edge_rooms", "Rooms an edge is subscribed to.";
    describe_gauge EDGE_OUTBOX_BYTES = "chasqui_edge_outbox_bytes", "Bytes waiting for all connections together.";
    describe_counter EDGE_FRAMES_RECEIVED_TOTAL = "chasqui_edge_frames_received_total",
        "Frames from clients, by `frame`.";
    describe_counter EDGE_FRAMES_SENT_TOTAL = "chasqui_edge_frames_sent_total", "Frames to clients, by `frame`.";
    describe_counter EDGE_CLOSES_TOTAL = "chasqui_edge_closes_total", "Connections closed by the edge, by `code`.";
    describe_counter EDGE_GAPS_TOTAL = "chasqui_edge_gaps_total",
        "Holes found in what was pushed, by `found` (predecessor, tick, dirty).";
    describe_counter EDGE_FILLED_TOTAL = "chasqui_edge_filled_total", "Facts read to fill holes, by `source`.";
    describe_counter EDGE_RESUMES_TOTAL = "chasqui_edge_resumes_total",
        "Resumes, by `outcome` (`caught_up`, `reset`, `partial`).";
    describe_histogram EDGE_RESUME_SECONDS = "chasqui_edge_resume_seconds", "Time from a hello to being caught up.";
    describe_counter EDGE_RECEIPT_FACTS_TOTAL = "chasqui_edge_receipt_facts_total",
        "Receipt facts sent after coalescing.";
    describe_counter EDGE_RECEIPT_MARKS_TOTAL = "chasqui_edge_receipt_marks_total",
        "Watermarks taken from clients before coalescing.";
    describe_counter EDGE_EPHEMERAL_DROPPED_TOTAL = "chasqui_edge_ephemeral_dropped_total",
        "Typing and presence hints dropped because a bound was reached.";
    describe_counter EDGE_HELD_TOTAL = "chasqui_edge_held_total",
        "Frames after which a connection was read no further for a while, because its client spoke too fast.";
    describe_histogram PUSH_SECONDS = "chasqui_push_seconds",
        "Time from a fact's storage, by the log's clock, to its first frame on this edge.";

    describe_counter PROJECTOR_FACTS_TOTAL = "chasqui_projector_facts_total",
        "Facts folded, by `partition` and `outcome` (applied, void, parked).";
    describe_histogram PROJECTOR_BATCH_SECONDS = "chasqui_projector_batch_seconds",
        "Time of a batch, by `step` (fold, mongodb, redis, ack).";
    describe_histogram PROJECTOR_BATCH_SIZE = "chasqui_projector_batch_size", "Facts per batch.";
    describe_gauge PROJECTOR_POSITION = "chasqui_projector_position", "Checkpoint, by `partition`.";
    describe_gauge PROJECTOR_LAG = "chasqui_projector_lag", "Facts in the log not folded yet, by `partition`.";
    describe_gauge PROJECTOR_PARKED = "chasqui_projector_parked", "Rooms parked by a poison event, by `partition`.";
    describe_counter PROJECTOR_HOT_SKIPPED_TOTAL = "chasqui_projector_hot_skipped_total",
        "Batches whose hot set could not be written; history is served from MongoDB meanwhile.";

    describe_histogram QUERY_SECONDS = "chasqui_query_seconds", "Time of a query, by `query` and `source`.";
    describe_counter QUERY_BARRIER_TOTAL = "chasqui_query_barrier_total",
        "Reads that asked for a position, by `outcome` (met, timeout).";
    describe_histogram HTTP_SECONDS = "chasqui_http_seconds", "Time of an HTTP request, by `route` and `status`.";

    describe_counter LIMITED_TOTAL = "chasqui_limited_total", "Requests refused by a limit, by `limit`.";
    describe_counter LIMITER_ALONE_TOTAL = "chasqui_limiter_alone_total",
        "Decisions about limits taken by one process alone, because Redis does not answer or does not keep up.";
    describe_gauge LIMITER_KEYS = "chasqui_limiter_keys", "Accounts, addresses and rooms that limits are counted for.";

    describe_gauge CRYPTO_KEYS = "chasqui_crypto_keys",
        "Keys, by `kind` (room, user: they seal; signing: they sign access tokens) and by the key-encryption key (`kek`) that wraps them. Where an old one has none \
        left, its line may be taken out of the key file.";

    describe_counter AUTH_LOGINS_TOTAL = "chasqui_auth_logins_total", "Logins, by `outcome`.";
    describe_gauge AUTH_SIGNING_KEY_AGE_SECONDS = "chasqui_auth_signing_key_age_seconds",
        "How long the key that signs access tokens has been doing so.";
    describe_counter AUTH_REFRESHES_TOTAL = "chasqui_auth_refreshes_total",
        "Refreshes, by `outcome` (rotated, repeated, reuse, expired).";
    describe_counter MAILS_TOTAL = "chasqui_mails_total",
        "Mails to users, by `outcome` (`sent`, `given_up`, `queue_full`).";
    describe_histogram AUTH_HASH_SECONDS = "chasqui_auth_hash_seconds",
        "Time to hash a password, waiting for a slot included.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_follow_the_conventions() {
        let mut names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
        assert!(names.iter().all(|name| name.starts_with("chasqui_")));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
