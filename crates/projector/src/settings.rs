//! How the projector works.

use std::time::Duration;

use chasqui_runtime::config::Config;

/// What there is to fold, and in what portions.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Number of partitions.
    pub partitions: u16,
    /// Most facts in one transaction.
    pub batch_max: usize,
    /// Most bytes of facts in one transaction.
    pub batch_bytes: usize,
    /// How long a batch that is not full waits for more.
    pub batch_wait: Duration,
    /// How often the pointer to the versions is read.
    pub versions_poll: Duration,
    /// Rooms kept in memory per stream.
    pub rooms: usize,
    /// How often an idle owner of a stream says that it is there.
    pub beat: Duration,
    /// A fenced worker claims the stream again when its owner was silent for so long.
    pub patience: Duration,
}

impl Settings {
    /// With this many partitions and the defaults of the configuration.
    #[must_use]
    pub fn new(partitions: u16) -> Self {
        Self {
            partitions,
            batch_max: 500,
            batch_bytes: 1 << 20,
            batch_wait: Duration::from_millis(20),
            versions_poll: Duration::from_secs(1),
            rooms: 10_000,
            beat: Duration::from_secs(2),
            patience: Duration::from_secs(8),
        }
    }
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            batch_max: config.projector.batch_max,
            batch_bytes: config.projector.batch_bytes,
            batch_wait: config.projector.batch_wait_ms,
            versions_poll: config.projector.versions_poll_ms,
            ..Self::new(config.chat.partitions)
        }
    }
}
