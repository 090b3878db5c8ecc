//! One stream in order, for the projector: a durable pull consumer that acknowledges
//! everything up to a fact at once.
//!
//! The checkpoint in the store is the truth about progress, the consumer only follows it: [`PartitionConsumer::open`]
//! makes it again wherever it does not stand exactly there. Facts arrive once and in order, or an error says that
//! this cannot be promised any more; then open again from the checkpoint.

mod api;
mod delivery;
mod pull;

use std::time::Duration;

use bytes::Bytes;
use chasqui_events::Seq;

use crate::{ApiError, Bus, BusError, log::Stored};

/// What to pull, and in what portions.
#[derive(Clone, Debug)]
pub struct ConsumerSettings {
    /// The stream.
    pub stream: String,
    /// The consumer's name, for example `projector_v1`: letters, digits, `-` and `_`.
    pub name: String,
    /// The position of the checkpoint: the first fact delivered is the one after it.
    pub start_after: Seq,
    /// The most facts of one batch.
    pub max_facts: usize,
    /// The most payload bytes of one batch (a single larger fact still comes, alone).
    pub max_bytes: usize,
    /// How long a batch may wait for more facts after its first.
    pub linger: Duration,
}

/// Some facts of the stream, in order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// At least one.
    pub facts: Vec<Stored>,
    /// How many facts are behind the last of them, as the server counted when it sent that one.
    pub pending: u64,
}

impl Batch {
    /// The sequence of the last fact.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.facts.last().map_or(0, |fact| fact.seq)
    }
}

/// Pulling cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The consumer was deleted or made anew: somebody else works on this stream, or an administrator did it. Claim
    /// the stream's epoch again before opening again.
    #[error("the consumer was taken over or deleted")]
    Taken,
    /// Facts were lost on the way, or somebody else pulled them. Open again from the checkpoint.
    #[error("facts between {after} and {found} did not arrive")]
    Lost {
        /// The last fact that arrived.
        after: Seq,
        /// The next one that did.
        found: Seq,
    },
    /// JetStream refuses, or does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The connection was drained.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// One durable consumer, pulled by this process.
#[derive(Debug)]
pub struct PartitionConsumer {
    bus: Bus,
    settings: ConsumerSettings,
    pull: pull::Pull,
    /// What has arrived for the next batch; kept here so that dropping `next_batch` half-way loses nothing.
    gathered: Vec<Stored>,
    gathered_bytes: usize,
    /// When what has arrived is given out even if it is not a full batch.
    due: Option<tokio::time::Instant>,
    order: delivery::Order,
    pending: u64,
    /// The ends of the batches given out and not yet acknowledged, with the subject that acknowledges them.
    unacked: std::collections::VecDeque<(Seq, async_nats::Subject)>,
    newest_ack: Option<async_nats::Subject>,
    given_out: Seq,
}

impl PartitionConsumer {
    /// Makes the consumer stand right after `start_after` (making it again if needed) and begins to pull.
    ///
    /// # Errors
    /// [`ConsumerError::Api`] (the stream may not exist), [`ConsumerError::Bus`].
    pub async fn open(bus: &Bus, settings: ConsumerSettings) -> Result<Self, ConsumerError> {
        let delivered = api::ensure(bus, &settings.stream, &settings.name, settings.start_after).await?;
        let pull = pull::Pull::start(bus, &settings).await?;
        let given_out = settings.start_after;
        Ok(Self {
            bus: bus.clone(),
            order: delivery::Order::after(settings.start_after, delivered),
            pull,
            settings,
            gathered: Vec::new(),
            gathered_bytes: 0,
            due: None,
            pending: 0,
            unacked: std::collections::VecDeque::new(),
            newest_ack: None,
            given_out,
        })
    }

    /// The next facts: waits for the first, then takes what comes until the batch is full or `linger` has passed.
    /// May be dropped at any await without losing a fact, or time: `linger` counts from the batch's first fact. Lost
    /// connections are sat out.
    ///
    /// # Errors
    /// See [`ConsumerError`]. After an error the consumer is of no use any more.
    pub async fn next_batch(&mut self) -> Result<Batch, ConsumerError> {
        loop {
            if self.is_full() {
                return Ok(self.take());
            }
            let Some(delivery) = self.pull.next(self.due).await? else { return Ok(self.take()) };
            if let Some(stored) = self.order.admit(&delivery)? {
                self.due.get_or_insert_with(|| tokio::time::Instant::now() + self.settings.linger);
                self.pending = delivery.pending;
                self.gathered_bytes += stored.payload.len();
                self.newest_ack = Some(delivery.ack);
                self.gathered.push(stored);
            }
        }
    }

    /// Tells the server that everything up to `seq` is folded. Acknowledges up to the last batch end at or before
    /// `seq`; not awaited, because nothing depends on it.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn ack_all(&mut self, seq: Seq) -> Result<(), BusError> {
        let mut newest = None;
        while self.unacked.front().is_some_and(|(end, _)| *end <= seq) {
            newest = self.unacked.pop_front();
        }
        let Some((_, ack)) = newest else { return Ok(()) };
        self.bus.client().publish(ack, Bytes::from_static(b"+ACK")).await.map_err(|_| BusError::Closed)
    }

    /// Deletes the consumer of a view version that is gone. Fine when there is none.
    ///
    /// # Errors
    /// When JetStream does not answer or refuses.
    pub async fn delete(bus: &Bus, stream: &str, name: &str) -> Result<(), ApiError> {
        api::delete(bus, stream, name).await
    }

    /// The sequence up to which facts were given out; what the consumer was opened with before the first batch.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.given_out
    }

    fn is_full(&self) -> bool {
        self.gathered.len() >= self.settings.max_facts || self.gathered_bytes >= self.settings.max_bytes
    }

    fn take(&mut self) -> Batch {
        self.gathered_bytes = 0;
        self.due = None;
        let facts = std::mem::take(&mut self.gathered);
        let batch = Batch { facts, pending: self.pending };
        self.given_out = batch.last_seq();
        if let Some(ack) = self.newest_ack.take() {
            self.unacked.push_back((batch.last_seq(), ack));
        }
        batch
    }
}
