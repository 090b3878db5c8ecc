//! How a [`crate::Client`] behaves.

use std::time::Duration;

use chasqui_protocol::Codec;

use crate::SocketLimits;

/// Settings of a client. The defaults suit a person's device.
#[derive(Clone, Debug)]
pub struct Options {
    /// JSON or MessagePack.
    pub codec: Codec,
    /// What the client calls itself in the server's logs.
    pub client: Option<String>,
    /// The cursor of an earlier run; `None` to begin with what happens from now on.
    pub cursor: Option<String>,
    /// Buffers and timeouts of a connection.
    pub limits: SocketLimits,
    /// Events that may wait for the application. See [`crate::Events`] for what happens past it.
    pub event_capacity: usize,
    /// Commands that may wait for their answers; further ones wait before they are sent. A server takes 64.
    pub commands_in_flight: usize,
    /// Queries that may wait for their answers. A server takes 8.
    pub queries_in_flight: usize,
    /// Acknowledgements are gathered so long.
    pub ack_every: Duration,
    /// The first pause before another connection is tried; the later ones double, all with jitter.
    pub backoff_min: Duration,
    /// The longest pause between two tries.
    pub backoff_max: Duration,
    /// A command whose outcome is unknown, or that was refused because the server is overloaded or a store is
    /// away, is repeated with the same id for so long before the problem is handed to the caller.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            codec: Codec::Json,
            client: None,
            cursor: None,
            limits: SocketLimits::default(),
            event_capacity: 1024,
            commands_in_flight: 64,
            queries_in_flight: 8,
            ack_every: Duration::from_millis(20),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
            patience: Duration::from_secs(30),
        }
    }
}
