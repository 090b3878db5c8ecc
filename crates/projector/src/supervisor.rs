//! Runs a worker for every stream of every version that the pointer lists.

use std::collections::BTreeMap;

use anyhow::Context as _;
use chasqui_bus::Bus;
use chasqui_read_model::{ReadModel, Stream, Version, version::Pointer, view};
use chasqui_runtime::{health::Readiness, lifecycle::Shutdown};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    Settings,
    status::{Board, Sign},
    worker::Worker,
};

/// The role `projector`.
#[derive(Debug)]
pub struct Projector {
    bus: Bus,
    model: ReadModel,
    settings: Settings,
    board: Board,
    running: BTreeMap<Version, Running>,
}

/// The workers of one version.
#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    workers: Vec<JoinHandle<()>>,
}

impl Projector {
    /// A projector over a connection of the role `projector` and the stores. It says on `readiness` whether every
    /// stream of the active version has been caught up with, or why not.
    #[must_use]
    pub fn new(bus: Bus, model: ReadModel, settings: Settings, readiness: Readiness) -> Self {
        Self { bus, model, settings, board: Board::new(readiness), running: BTreeMap::new() }
    }

    /// Works until it is told to stop; then finishes the batches in hand.
    ///
    /// # Errors
    /// When a worker has died of a defect. Never for a store or a log that does not answer: it says so and tries
    /// again.
    pub async fn run(mut self, shutdown: Shutdown) -> anyhow::Result<()> {
        loop {
            self.nobody_died().await?;
            if let Err(reason) = self.follow_pointer().await {
                tracing::warn!(%reason, "the projector cannot read which versions there are; it tries again");
                self.board.trouble(reason);
            }
            tokio::select! {
                () = tokio::time::sleep(self.settings.versions_poll) => {}
                () = shutdown.requested() => break,
            }
        }
        for running in self.running.values() {
            running.stop.cancel();
        }
        let versions: Vec<Version> = self.running.keys().copied().collect();
        for version in versions {
            self.stop(version).await;
        }
        Ok(())
    }

    /// A worker ends by itself only when its version is dropped.
    async fn nobody_died(&mut self) -> anyhow::Result<()> {
        for (version, running) in &mut self.running {
            for worker in running.workers.extract_if(.., |worker| worker.is_finished()) {
                worker.await.with_context(|| format!("a worker of {version} has died"))?;
            }
        }
        Ok(())
    }

    async fn follow_pointer(&mut self) -> Result<(), String> {
        let store = self.model.store().clone();
        let pointer = Pointer::load_or_begin(&store).await.map_err(|error| error.to_string())?;
        let gone: Vec<Version> =
            self.running.keys().copied().filter(|version| !pointer.versions.contains(version)).collect();
        for version in gone {
            self.stop(version).await;
            tracing::info!(%version, "this version of the views is not projected any more");
        }
        for version in &pointer.versions {
            if !self.running.contains_key(version) {
                view::prepare(&store, *version).await.map_err(|error| error.to_string())?;
                self.start(*version);
            }
        }
        self.board.set_active(pointer.active);
        Ok(())
    }

    fn start(&mut self, version: Version) {
        let stop = CancellationToken::new();
        self.board.start(version, Stream::all(self.settings.partitions));
        let workers = Stream::all(self.settings.partitions).map(|stream| {
            let sign = Sign { board: self.board.clone(), version, stream };
            let worker =
                Worker::new(self.bus.clone(), self.model.clone(), self.settings.clone(), sign, stop.clone());
            tokio::spawn(worker.run())
        });
        let workers = workers.collect();
        self.running.insert(version, Running { stop, workers });
    }

    async fn stop(&mut self, version: Version) {
        let Some(running) = self.running.remove(&version) else { return };
        running.stop.cancel();
        for worker in running.workers {
            if let Err(error) = worker.await {
                tracing::error!(%version, %error, "a projector's worker has died");
            }
        }
        for stream in Stream::all(self.settings.partitions) {
            self.board.remove(version, stream);
        }
    }
}
