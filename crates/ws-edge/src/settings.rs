//! What an edge needs of the configuration.

use std::time::Duration;

use chasqui_runtime::config::Config;

use crate::session::Timing;

/// The edge's part of the configuration, in the shapes that it uses.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) partitions: u16,
    pub(crate) tick: Duration,
    pub(crate) receipt_window: Duration,
    pub(crate) outbox_bytes: usize,
    pub(crate) max_frame_bytes: usize,
    pub(crate) timing: Timing,
    pub(crate) drain: Duration,
    pub(crate) large_room: usize,
    pub(crate) linger: Duration,
    pub(crate) resume_wait: Duration,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    pub(crate) max_connections_per_user: usize,
    pub(crate) max_rooms_per_session: usize,
    pub(crate) max_fill: usize,
    pub(crate) command_timeout: Duration,
    pub(crate) allowed_origins: Vec<String>,
}

/// How long the last frames of a connection may take to be written.
const CLOSE: Duration = Duration::from_secs(3);
/// What an edge waits longer for an answer than the command side takes at most.
const COMMAND_GRACE: Duration = Duration::from_secs(1);

impl Settings {
    pub(crate) fn of(config: &Config) -> Self {
        let edge = &config.edge;
        Self {
            partitions: config.chat.partitions,
            tick: edge.tick_ms,
            receipt_window: edge.receipt_window_ms,
            outbox_bytes: edge.outbox_bytes,
            max_frame_bytes: edge.max_frame_bytes,
            timing: Timing {
                hello: millis(edge.hello_timeout_ms),
                ping: millis(edge.ping_interval_ms),
                pong: millis(edge.pong_timeout_ms),
                close: millis(CLOSE),
            },
            drain: edge.drain_ms,
            large_room: edge.large_room,
            linger: edge.linger_ms,
            resume_wait: edge.resume_wait_ms,
            max_connections: edge.max_connections,
            max_connections_per_address: edge.max_connections_per_address,
            max_connections_per_user: edge.max_connections_per_user,
            max_rooms_per_session: edge.max_rooms_per_session,
            max_fill: edge.max_fill,
            command_timeout: config.commands.timeout_ms + COMMAND_GRACE,
            allowed_origins: config.http.allowed_origins.clone(),
        }
    }
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
