//! One worker: one stream, one version.

mod claim;
mod commit;
mod heal;
mod pipeline;
mod standby;

pub(crate) use pipeline::consumer_name;

use std::time::{Duration, Instant};

use chasqui_bus::{Bus, Log, consumer::ConsumerError};
use chasqui_read_model::{CommitError, ReadError, ReadModel, projection::ClaimError};
use tokio_util::sync::CancellationToken;

use crate::{
    Settings,
    gauges::Gauges,
    status::{Sign, Status},
};

/// Folds one stream into one version of the views.
#[derive(Debug)]
pub(crate) struct Worker {
    bus: Bus,
    log: Log,
    model: ReadModel,
    settings: Settings,
    sign: Sign,
    gauges: Gauges,
    stop: CancellationToken,
    /// Facts per batch at the moment: less than the setting after the store has refused a size.
    batch: usize,
    /// The store has refused a message as stored before: look every id up.
    suspicious: bool,
    /// The epoch of the last claim: only an own claim is renewed. `None` to claim in any case.
    epoch: Option<u64>,
}

/// Why a worker's life ends, and what comes then.
#[derive(Debug, thiserror::Error)]
enum End {
    /// It was told to stop.
    #[error("told to stop")]
    Stopped,
    /// The version is not in the pointer any more.
    #[error("this version of the views is not projected any more")]
    Dropped,
    /// Another worker has claimed the stream.
    #[error("another worker has claimed the stream")]
    Fenced,
    /// The log is another one than was folded. Nothing is folded on.
    #[error("{0}")]
    LogChanged(String),
    /// The store refuses batches of this size.
    #[error("the store refuses {facts} facts at once: {reason}")]
    TooLarge {
        /// How many facts there were.
        facts: usize,
        /// What the store said.
        reason: String,
    },
    /// The store has a message already that the broker should have kept single.
    #[error("{0}")]
    Duplicate(String),
    /// Something does not answer, or the worker lost its place: begin again from the checkpoint.
    #[error("{0}")]
    Trouble(String),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl From<ClaimError> for End {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::AnotherLog { .. } => Self::LogChanged(error.to_string()),
            ClaimError::Fenced => Self::Fenced,
            ClaimError::Read(error) => error.into(),
        }
    }
}

impl From<chasqui_bus::ApiError> for End {
    fn from(error: chasqui_bus::ApiError) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl From<ConsumerError> for End {
    fn from(error: ConsumerError) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl End {
    fn of_commit(error: CommitError, facts: usize) -> Self {
        match error {
            CommitError::Fenced => Self::Fenced,
            CommitError::TooLarge(reason) | CommitError::Refused(reason) => Self::TooLarge { facts, reason },
            CommitError::Duplicate(reason) => Self::Duplicate(reason),
            CommitError::Diverged { .. } | CommitError::Unavailable(_) => Self::Trouble(error.to_string()),
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A life this long means that what went wrong before is over.
const LONG_LIFE: Duration = Duration::from_secs(10);

impl Worker {
    pub(crate) fn new(
        bus: Bus,
        model: ReadModel,
        settings: Settings,
        sign: Sign,
        stop: CancellationToken,
    ) -> Self {
        Self {
            log: Log::new(bus.clone()),
            bus,
            model,
            gauges: Gauges::new(sign.version, sign.stream),
            batch: settings.batch_max,
            settings,
            sign,
            stop,
            suspicious: false,
            epoch: None,
        }
    }

    /// Lives again and again, each time from the checkpoint, until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let born = Instant::now();
            let end = self.live().await;
            if born.elapsed() > LONG_LIFE {
                pause = FIRST_PAUSE;
            }
            if !self.go_on_after(end, &mut pause).await {
                return;
            }
        }
    }

    /// Deals with the end of a life. `false`: there is no next one.
    async fn go_on_after(&mut self, end: End, pause: &mut Duration) -> bool {
        let (stream, version) = (self.sign.stream, self.sign.version);
        match end {
            End::Stopped | End::Dropped => return false,
            End::Fenced => {
                tracing::info!(%stream, %version, "another projector has claimed the stream; standing by");
                self.sign.set(Status::Standby);
                self.epoch = None;
                return self.stand_by().await;
            }
            End::LogChanged(reason) => {
                tracing::error!(%stream, %version, %reason, "the log is not the one that was folded; stopped");
                self.sign.set(Status::Stopped(reason));
                self.stop.cancelled().await;
                return false;
            }
            End::TooLarge { facts, reason } => {
                self.batch = facts.div_ceil(2).max(1);
                tracing::warn!(%stream, %version, facts, reason, "the store refuses the batch; trying half of it");
                if facts > 1 {
                    return true;
                }
                self.sign.set(Status::Trouble(reason));
            }
            End::Duplicate(reason) => {
                tracing::warn!(%stream, %version, reason, "a message is stored twice; looking up every id");
                if !self.suspicious {
                    self.suspicious = true;
                    return true;
                }
                self.sign.set(Status::Trouble(reason));
            }
            End::Trouble(reason) => {
                tracing::warn!(%stream, %version, reason, "beginning again from the checkpoint");
                self.sign.set(Status::Trouble(reason));
            }
        }
        let rest = *pause;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = tokio::time::sleep(rest) => true,
            () = self.stop.cancelled() => false,
        }
    }
}
