//! How far the partitions reach: no watermark may lie beyond, because watermarks never go back.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use chasqui_auth::refusal;
use chasqui_bus::Log;
use chasqui_events::{Partition, Seq};
use chasqui_protocol::Problem;
use tokio::sync::Mutex;

/// The least that each partition's stream is known to reach.
#[derive(Debug)]
pub(crate) struct Heads {
    log: Log,
    partitions: Vec<Head>,
}

#[derive(Debug, Default)]
struct Head {
    known: AtomicU64,
    /// Held by whoever asks the log, so that the others have the answer, too.
    asking: Mutex<()>,
}

impl Heads {
    pub(crate) fn new(log: Log, partitions: u16) -> Self {
        Self { log, partitions: (0..partitions).map(|_| Head::default()).collect() }
    }

    /// A fact was seen there.
    pub(crate) fn note(&self, partition: Partition, seq: Seq) {
        if let Some(head) = self.partitions.get(usize::from(partition.number())) {
            head.known.fetch_max(seq, Relaxed);
        }
    }

    /// Whether the partition reaches that far; asks the log only when that is not known.
    pub(crate) async fn reach(&self, partition: Partition, seq: Seq) -> Result<bool, Problem> {
        let Some(head) = self.partitions.get(usize::from(partition.number())) else { return Ok(false) };
        if seq <= head.known.load(Relaxed) {
            return Ok(true);
        }
        let _single = head.asking.lock().await;
        if seq <= head.known.load(Relaxed) {
            return Ok(true);
        }
        let now = self.log.partition_head(partition).await.map_err(|error| refusal::not_read(&error))?;
        head.known.fetch_max(now.last_seq, Relaxed);
        Ok(seq <= now.last_seq)
    }
}
