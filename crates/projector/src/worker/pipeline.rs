//! A life: from the claim on, batch after batch, the next one folded while the last one is written.

use std::{sync::Arc, time::Instant};

use chasqui_bus::{
    BusEvent,
    consumer::{Batch as Pulled, ConsumerSettings, PartitionConsumer},
    live::Live,
    subject::{self, Lane},
};
use chasqui_read_model::{
    Checkpoint, CommitError, Version,
    fold::{Batch, Fold, Loaded, LogFact, Missing},
    hot::HotWriter,
    plan::Plan,
    projection::Writer,
};
use tokio::{
    sync::broadcast::{self, error::TryRecvError},
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{
    End, Worker,
    commit::{Folded, Hands},
};
use crate::decode;

/// A batch that is being written; gives the hands back.
type Writing = JoinHandle<(Hands, Folded, Result<(), CommitError>)>;

/// A worker while it lives.
pub(super) struct Life<'a> {
    pub(super) worker: &'a mut Worker,
    pub(super) writer: Arc<Writer>,
    pub(super) fold: Fold,
    /// The position up to which is folded; the store follows.
    pub(super) folded: Checkpoint,
    /// Lies here while nothing is being written.
    pub(super) hands: Option<Hands>,
    writing: Option<Writing>,
    /// What there was to fold when the life began.
    lag: u64,
    was_there: bool,
}

/// What wakes a life up.
enum Wake {
    Pulled(Pulled),
    Beat,
}

/// The name of the durable consumers of a version.
pub(crate) fn consumer_name(version: Version) -> String {
    format!("projector_{version}")
}

impl Worker {
    /// Lives until something ends it; what was begun is written before it ends.
    pub(super) async fn live(&mut self) -> End {
        let mut life = match self.begin().await {
            Ok(life) => life,
            Err(end) => return end,
        };
        let end = match life.work().await {
            Ok(()) => End::Stopped,
            Err(end) => end,
        };
        // The next life must not begin while this one still writes.
        match life.written().await {
            Ok(_) => end,
            Err(worse) => worse,
        }
    }

    async fn begin(&mut self) -> Result<Life<'_>, End> {
        let (writer, checkpoint, head) = self.claim().await?;
        let (stream, version) = (self.sign.stream, self.sign.version);
        let mut fold = Fold::new(stream, checkpoint.pos, writer.parked().await?, self.settings.rooms);
        if self.suspicious {
            fold.suspect_repeats();
        }
        let lag = head.last_seq.saturating_sub(checkpoint.pos);
        let writer = Arc::new(writer);
        let hands = Hands {
            writer: Arc::clone(&writer),
            hot: HotWriter::new(self.model.hot().clone(), version, stream, writer.epoch()),
            live: Live::new(self.bus.clone()),
            gauges: self.gauges.clone(),
            model: self.model.clone(),
            version,
        };
        Ok(Life {
            worker: self,
            writer,
            fold,
            folded: checkpoint,
            hands: Some(hands),
            writing: None,
            lag,
            was_there: false,
        })
    }
}

impl Life<'_> {
    async fn work(&mut self) -> Result<(), End> {
        let mut events = self.worker.bus.events();
        self.heal().await?;
        self.worker.gauges.parked(self.fold.parked().count());
        let settings = ConsumerSettings {
            stream: self.worker.sign.stream.to_string(),
            name: consumer_name(self.worker.sign.version),
            start_after: self.folded.pos,
            max_facts: self.worker.settings.batch_max,
            max_bytes: self.worker.settings.batch_bytes,
            linger: self.worker.settings.batch_wait,
        };
        // Made anew with every claim: so that whoever had it before gets nothing more of what is ours.
        PartitionConsumer::delete(&self.worker.bus, &settings.stream, &settings.name).await?;
        let mut consumer = PartitionConsumer::open(&self.worker.bus, settings).await?;
        self.worker.sign.behind(self.lag, &mut self.was_there);
        let mut beat = interval(self.worker.settings.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.worker.stop.clone();
        loop {
            let wake = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                written = finished(&mut self.writing) => {
                    self.take_back(written, &mut consumer).await?;
                    continue;
                }
                pulled = consumer.next_batch() => Wake::Pulled(pulled?),
                _ = beat.tick() => Wake::Beat,
            };
            match wake {
                Wake::Pulled(pulled) => {
                    self.sure_of_the_log(&mut events).await?;
                    beat.reset();
                    let facts: Vec<LogFact> = pulled.facts.iter().map(decode::log_fact).collect();
                    self.fold_on(&facts, pulled.pending, &mut consumer).await?;
                }
                Wake::Beat => self.beat().await?,
            }
        }
    }

    /// Folds what was pulled, in batches of the size that the store takes at the moment.
    async fn fold_on(
        &mut self,
        facts: &[LogFact],
        pending: u64,
        consumer: &mut PartitionConsumer,
    ) -> Result<(), End> {
        let mut rest = facts;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(self.worker.batch.min(rest.len()));
            rest = after;
            let folded = self.fold_batch(batch, pending + rest.len() as u64).await?;
            if let Some(writing) = self.writing.take() {
                let written = writing.await;
                self.take_back(written, consumer).await?;
            }
            self.begin_to_write(folded);
        }
        Ok(())
    }

    /// After a lost connection the server may be another one, with another log, behind the same address.
    async fn sure_of_the_log(&mut self, events: &mut broadcast::Receiver<BusEvent>) -> Result<(), End> {
        let mut doubt = false;
        loop {
            match events.try_recv() {
                Ok(BusEvent::Disconnected | BusEvent::Reconnected) | Err(TryRecvError::Lagged(_)) => {
                    doubt = true;
                }
                Ok(BusEvent::SlowConsumer) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if doubt { self.worker.verify(&self.folded).await } else { Ok(()) }
    }

    /// Folds the facts that come next.
    async fn fold_batch(&mut self, facts: &[LogFact], pending: u64) -> Result<Folded, End> {
        let started = Instant::now();
        let prev = self.folded.pos;
        let plan = self.fold_facts(facts).await?;
        if let Some(last) = facts.last() {
            self.folded.pos = last.seq;
            self.folded.fingerprint = last.fingerprint;
        }
        self.worker.gauges.step("fold", started);
        Ok(Folded { plan, prev, to: self.folded, facts: facts.len(), pending })
    }

    async fn fold_facts(&mut self, facts: &[LogFact]) -> Result<Plan, End> {
        self.prepare(facts).await?;
        let mut batch = Batch::new();
        for fact in facts {
            self.step(&mut batch, fact).await?;
        }
        self.alarm(&batch);
        Ok(self.fold.finish(batch))
    }

    /// Loads what these facts will need, two queries per kind at the most.
    pub(super) async fn prepare(&mut self, facts: &[LogFact]) -> Result<(), End> {
        for wants in [Fold::wants_rooms, Fold::wants] {
            let wants = wants(&self.fold, facts);
            if !wants.is_empty() {
                self.fold.admit(self.writer.load(&wants).await?);
            }
        }
        Ok(())
    }

    /// Folds one fact, and gets what it turns out to need.
    pub(super) async fn step(&mut self, batch: &mut Batch, fact: &LogFact) -> Result<(), End> {
        while let Err(missing) = self.fold.step(batch, fact) {
            let loaded = match (Fold::wants_for(missing), missing) {
                (Some(wants), _) => self.writer.load(&wants).await?,
                (None, Missing::Lane { room, after, before }) => self.lane(room, after, before).await?,
                (None, _) => return Err(End::Trouble(format!("{missing:?} cannot be had"))),
            };
            self.fold.admit(loaded);
        }
        Ok(())
    }

    /// Reads a part of a state lane from the log.
    async fn lane(
        &self,
        room: chasqui_events::RoomId,
        after: chasqui_events::Seq,
        before: chasqui_events::Seq,
    ) -> Result<Loaded, End> {
        let subject = subject::room(room, Lane::State);
        let stored = self.worker.log.lane_range(&subject, after + 1, before - 1, usize::MAX).await?;
        // A state fact that cannot be read parks the room when its turn comes; it judges nobody.
        let facts = stored.iter().filter_map(|stored| Some((stored.seq, stored.decode().ok()?.event)));
        Ok(Loaded::lane(room, after, before, facts.collect()))
    }

    pub(super) fn alarm(&self, batch: &Batch) {
        for parked in batch.poison() {
            tracing::error!(
                stream = %self.worker.sign.stream, version = %self.worker.sign.version, at = parked.at,
                parked = %parked.aggregate, reason = parked.reason,
                "a fact cannot be read; what it belongs to is held from here on"
            );
        }
        if !batch.poison().is_empty() {
            self.worker.gauges.parked(self.fold.parked().count());
        }
    }

    fn begin_to_write(&mut self, folded: Folded) {
        let Some(mut hands) = self.hands.take() else { return };
        self.writing = Some(tokio::spawn(async move {
            let result = hands.write(&folded).await;
            (hands, folded, result)
        }));
    }

    async fn take_back(
        &mut self,
        written: Result<(Hands, Folded, Result<(), CommitError>), tokio::task::JoinError>,
        consumer: &mut PartitionConsumer,
    ) -> Result<(), End> {
        let folded = self.took_back(written)?;
        // Nothing depends on it: the checkpoint is the truth.
        if let Err(error) = consumer.ack_all(folded.to.pos).await {
            tracing::debug!(%error, "the server does not hear how far we are");
        }
        Ok(())
    }

    fn took_back(
        &mut self,
        written: Result<(Hands, Folded, Result<(), CommitError>), tokio::task::JoinError>,
    ) -> Result<Folded, End> {
        let (hands, folded, result) = written.map_err(|error| End::Trouble(error.to_string()))?;
        self.hands = Some(hands);
        result.map_err(|error| End::of_commit(error, folded.facts))?;
        self.fold.committed(folded.to.pos);
        self.worker.sign.behind(folded.pending, &mut self.was_there);
        // After a refusal, back to the usual size by and by.
        self.worker.batch =
            (self.worker.batch + self.worker.batch / 8 + 1).min(self.worker.settings.batch_max);
        Ok(folded)
    }

    /// Waits for what is being written, if anything is.
    async fn written(&mut self) -> Result<Option<Folded>, End> {
        match self.writing.take() {
            Some(writing) => {
                let written = writing.await;
                self.took_back(written).map(Some)
            }
            None => Ok(None),
        }
    }

    async fn beat(&mut self) -> Result<(), End> {
        if self.writing.is_some() {
            return Ok(());
        }
        self.writer.beat().await.map_err(|error| End::of_commit(error, 1))
    }
}

/// Resolves when the batch that is being written is; never when none is.
async fn finished(
    writing: &mut Option<Writing>,
) -> Result<(Hands, Folded, Result<(), CommitError>), tokio::task::JoinError> {
    match writing {
        Some(handle) => {
            let written = handle.await;
            *writing = None;
            written
        }
        None => std::future::pending().await,
    }
}
