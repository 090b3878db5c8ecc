//! How a process runs and ends: two stages of shutdown, tracked tasks, and critical tasks whose early end ends
//! everything.
//!
//! The first SIGTERM or SIGINT asks softly: no new work, finish what is begun, tell clients where to resume. The
//! second signal, or the end of the grace time, is hard: stop now. State lives in NATS, MongoDB and Redis, so a
//! hard stop loses nothing that was acknowledged.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// After a hard stop, tasks have this long to notice it before they are aborted where they stand.
const ABORT_AFTER: Duration = Duration::from_secs(1);

/// The two stages of shutdown, to be watched by every part; cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// A shutdown that nobody has asked for.
    #[must_use]
    pub fn new() -> Self {
        Self { soft: CancellationToken::new(), hard: CancellationToken::new() }
    }

    /// Asks softly. Repeated calls do nothing.
    pub fn request(&self) {
        self.soft.cancel();
    }

    /// Stops hard; implies the soft stage.
    pub fn force(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Completes when the soft stage begins: take no new work, finish what is begun.
    pub async fn requested(&self) {
        self.soft.cancelled().await;
    }

    /// Completes when the hard stage begins: return now.
    pub async fn forced(&self) {
        self.hard.cancelled().await;
    }

    /// Whether the soft stage has begun.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Whether the hard stage has begun.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.hard.is_cancelled()
    }

    /// The soft stage as a token, for parts that want child tokens or owned futures.
    #[must_use]
    pub fn soft_token(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// The hard stage as a token.
    #[must_use]
    pub fn hard_token(&self) -> CancellationToken {
        self.hard.clone()
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// A critical task that ended when it should not have. `main` prints it and exits with a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task `{task}` {reason}")]
pub struct Failure {
    /// The name it was spawned under.
    pub task: String,
    /// What happened to it.
    pub reason: String,
}

/// Spawns the tasks of the process; cheap to clone, to be handed to every part.
#[derive(Debug, Clone)]
pub struct Tasks {
    shutdown: Shutdown,
    work: TaskTracker,
    services: TaskTracker,
    failure: Arc<Mutex<Option<Failure>>>,
}

impl Tasks {
    /// The shutdown that these tasks obey.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Spawns a task without which the process is useless.
    ///
    /// If it returns before shutdown was asked for, fails, or panics, the process logs its name and reason, shuts
    /// down softly, and [`Lifecycle::run`] returns the failure. After shutdown was asked for it should return by
    /// itself; what has not a second after the hard stage is aborted.
    pub fn spawn_critical(
        &self,
        name: impl Into<String>,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.supervise(&self.work, name.into(), task, true);
    }

    /// Spawns a task that may end at any time; an error or panic is logged. Shutdown waits for it.
    pub fn spawn(
        &self,
        name: impl Into<String>,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.supervise(&self.work, name.into(), task, false);
    }

    /// Spawns a critical task that outlives the others, such as the server of the operator's port: it is to
    /// return at the *hard* stage, which comes when all other tasks are done.
    pub fn spawn_service(
        &self,
        name: impl Into<String>,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.supervise(&self.services, name.into(), task, true);
    }

    fn supervise(
        &self,
        tracker: &TaskTracker,
        name: String,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
        critical: bool,
    ) {
        let tasks = self.clone();
        let mut running = tokio::spawn(task);
        tracker.spawn(async move {
            let outcome = tokio::select! {
                outcome = &mut running => outcome,
                () = tasks.past_hard() => {
                    running.abort();
                    running.await
                }
            };
            let reason = match outcome {
                Ok(Ok(())) if !critical || tasks.shutdown.is_requested() => return,
                Ok(Ok(())) => "ended before it was asked to".to_owned(),
                Ok(Err(error)) => format!("failed: {error:#}"),
                Err(error) if error.is_cancelled() => "was cut off: it did not stop when told to".to_owned(),
                Err(error) => format!("panicked: {}", panic_message(error)),
            };
            tasks.report(Failure { task: name, reason }, critical);
        });
    }

    async fn past_hard(&self) {
        self.shutdown.forced().await;
        tokio::time::sleep(ABORT_AFTER).await;
    }

    fn report(&self, failure: Failure, critical: bool) {
        let Failure { task, reason } = &failure;
        if !critical {
            tracing::error!(task, reason, "a task ended badly");
            return;
        }
        tracing::error!(task, reason, "a critical task ended; the process shuts down");
        self.failure.lock().get_or_insert(failure);
        self.shutdown.request();
    }
}

fn panic_message(error: tokio::task::JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return String::new() };
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast_ref::<&str>().map_or_else(String::new, ToString::to_string),
    }
}

/// The life of a process, owned by `main`.
#[derive(Debug)]
pub struct Lifecycle {
    tasks: Tasks,
    grace: Duration,
}

impl Lifecycle {
    /// A life whose soft stage lasts at most `grace` (`shutdown.grace_ms`).
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        let tasks = Tasks {
            shutdown: Shutdown::new(),
            work: TaskTracker::new(),
            services: TaskTracker::new(),
            failure: Arc::default(),
        };
        Self { tasks, grace }
    }

    /// The handle that parts spawn their tasks with.
    #[must_use]
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// The shutdown that all tasks obey.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.tasks.shutdown.clone()
    }

    /// Runs until a signal or the end of a critical task, then ends in two stages.
    ///
    /// # Errors
    /// The first critical task that ended when it should not have.
    pub async fn run(self) -> anyhow::Result<()> {
        let signals = listen_for_signals(self.shutdown())?;
        let ended = self.wait().await;
        signals.abort();
        Ok(ended?)
    }

    /// As [`Lifecycle::run`], without listening for signals: ends when [`Shutdown::request`] is called.
    pub async fn wait(self) -> Result<(), Failure> {
        let Self { tasks, grace } = self;
        let shutdown = &tasks.shutdown;
        shutdown.requested().await;
        tasks.work.close();
        tokio::select! {
            () = tasks.work.wait() => {}
            () = shutdown.forced() => tracing::warn!(left = tasks.work.len(), "hard stop asked for"),
            () = tokio::time::sleep(grace) => {
                tracing::warn!(left = tasks.work.len(), ?grace, "work is not finished in time; stopping hard");
            }
        }
        shutdown.force();
        tasks.services.close();
        let all_ended = async { tokio::join!(tasks.work.wait(), tasks.services.wait()) };
        // Supervision aborts what does not stop; only a task that blocks its thread can outlast that.
        if tokio::time::timeout(2 * ABORT_AFTER, all_ended).await.is_err() {
            let left = tasks.work.len() + tasks.services.len();
            tracing::error!(left, "tasks block their threads and cannot be aborted; leaving them");
        }
        let failure = tasks.failure.lock().take();
        failure.map_or(Ok(()), Err)
    }
}

/// The first SIGTERM or SIGINT asks softly, the second stops hard.
fn listen_for_signals(shutdown: Shutdown) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if shutdown.is_requested() {
                tracing::warn!(signal = name, "second signal: stopping now");
                shutdown.force();
                return;
            }
            tracing::info!(signal = name, "finishing work; a second signal stops at once");
            shutdown.request();
        }
    }))
}

#[cfg(test)]
mod tests;
