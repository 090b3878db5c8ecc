//! Writing a folded batch: MongoDB, then Redis, then the notices.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use chasqui_bus::live::Live;
use chasqui_events::Seq;
use chasqui_read_model::{
    Checkpoint, CommitError, ReadModel, Version,
    hot::{HotError, HotWriter},
    plan::Plan,
    projection::Writer,
};

use crate::gauges::Gauges;

/// A batch that is ready to be written.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) plan: Plan,
    pub(super) prev: Seq,
    pub(super) to: Checkpoint,
    pub(super) facts: usize,
    /// What the log holds beyond the batch.
    pub(super) pending: u64,
}

/// What a worker writes with; lent to one batch after the other.
#[derive(Debug)]
pub(super) struct Hands {
    pub(super) writer: Arc<Writer>,
    pub(super) hot: HotWriter,
    pub(super) live: Live,
    pub(super) gauges: Gauges,
    pub(super) model: ReadModel,
    pub(super) version: Version,
}

/// With so much still to fold, what is folded is old news.
const OLD_NEWS: u64 = 5_000;

impl Hands {
    /// Writes a batch. What comes after the commit may fail without harm.
    pub(super) async fn write(&mut self, folded: &Folded) -> Result<(), CommitError> {
        let started = Instant::now();
        self.writer.commit(&folded.plan, folded.prev, &folded.to).await?;
        self.gauges.step("mongodb", started);
        let started = Instant::now();
        match self.hot.write(folded.prev, &folded.to, &folded.plan.hot).await {
            Ok(()) => self.gauges.step("redis", started),
            Err(error) => self.hot_failed(&error),
        }
        self.gauges.committed(&folded.plan.tally, folded.to.pos);
        self.gauges.batch(folded.facts);
        self.gauges.lag(folded.pending);
        if folded.pending <= OLD_NEWS && self.model.version().await == self.version {
            self.notify(&folded.plan).await;
        }
        Ok(())
    }

    fn hot_failed(&self, error: &HotError) {
        self.gauges.hot_skipped();
        match error {
            HotError::Failed(_) => {
                tracing::warn!(%error, "the hot set is not written; MongoDB serves meanwhile");
            }
            HotError::Resting | HotError::Older => tracing::debug!(%error, "the hot set is not written"),
        }
    }

    async fn notify(&self, plan: &Plan) {
        for (user, notice) in &plan.notices {
            if let Err(error) = self.live.notify(*user, Bytes::from(notice.encode())).await {
                tracing::debug!(%error, "a notice is lost; edges look for themselves, too");
            }
        }
    }
}
