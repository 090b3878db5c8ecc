//! The head of a partition's stream, read at most as often as needed: whoever asks gets the result of a read that
//! began after they asked, and shares it with all who asked before it began.

use std::sync::atomic::{AtomicU64, Ordering};

use chasqui_bus::log::{Log, LogError, StreamHead};
use chasqui_events::Partition;
use tokio::sync::Mutex;

/// The shared reads of one partition's head.
#[derive(Debug)]
pub(crate) struct Barrier {
    partition: Partition,
    asked: AtomicU64,
    /// The last read, and who is covered by it.
    last: Mutex<Option<(u64, StreamHead)>>,
}

impl Barrier {
    pub(crate) fn new(partition: Partition) -> Self {
        Self { partition, asked: AtomicU64::new(0), last: Mutex::new(None) }
    }

    /// Where the stream stands: everything stored before this call is at or before it.
    pub(crate) async fn read(&self, log: &Log) -> Result<StreamHead, LogError> {
        let ticket = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut last = self.last.lock().await;
        if let Some((covered, head)) = *last
            && covered >= ticket
        {
            return Ok(head);
        }
        let covered = self.asked.load(Ordering::Acquire);
        let head = log.partition_head(self.partition).await?;
        *last = Some((covered, head));
        Ok(head)
    }
}
