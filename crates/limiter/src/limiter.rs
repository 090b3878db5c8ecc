//! Decides: here, or with the other processes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chasqui_runtime::{config::Rate, metrics::names};

use crate::{
    Limit, Limited,
    attempts::{AttemptRule, Attempts},
    barred::Barred,
    key::{self, Key},
    local::Local,
    shared::{BadAddress, RedisSettings, Shared},
    tally::Tally,
};

/// How often [`Limiter::run`] tells the other processes what was admitted here.
pub const SETTLE_EVERY: Duration = Duration::from_millis(200);
/// How often keys that say nothing any more are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Holds limits. Cheap to clone; a process has one.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    local: Local,
    shared: Option<Shared>,
    barred: Barred,
    tally: Tally,
    attempts: Attempts,
    begun: Instant,
}

impl Limiter {
    /// Limits that hold for this process alone.
    #[must_use]
    pub fn local() -> Self {
        Self::new(None)
    }

    /// Limits that hold for all processes that share this Redis. It is connected to when it is first needed.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn shared(settings: &RedisSettings) -> Result<Self, BadAddress> {
        Ok(Self::new(Some(Shared::new(settings)?)))
    }

    fn new(shared: Option<Shared>) -> Self {
        Self(Arc::new(Inner {
            local: Local::default(),
            shared,
            barred: Barred::default(),
            tally: Tally::default(),
            attempts: Attempts::default(),
            begun: Instant::now(),
        }))
    }

    /// Takes one of a key: decided for all processes together, in one round trip unless this process knows already that
    /// there is none. Without Redis, decided here.
    ///
    /// # Errors
    /// [`Limited`] when there is none; nothing is counted then.
    pub async fn check(&self, limit: Limit, key: impl AsRef<[u8]>) -> Result<(), Limited> {
        let Some(rate) = limit.rate else { return Ok(()) };
        let key = Key::new(limit.name, key.as_ref());
        self.take_here(limit, rate, key)?;
        let Some(shared) = &self.0.shared else { return Ok(()) };
        match shared.take(&key, rate).await {
            Ok(None) => Ok(()),
            Ok(Some(wait)) => {
                self.0.barred.bar(key, Instant::now() + wait);
                Err(refused(limit.name, wait))
            }
            Err(_) => {
                alone();
                Ok(())
            }
        }
    }

    /// Takes one of a key: decided here and at once, settled with the other processes by [`Limiter::run`]. Between two
    /// settlements each process may give away what is left of the burst; what was given away too much is waited for
    /// afterwards.
    ///
    /// # Errors
    /// [`Limited`] when there is none.
    pub fn admit(&self, limit: Limit, key: impl AsRef<[u8]>) -> Result<(), Limited> {
        let Some(rate) = limit.rate else { return Ok(()) };
        let key = Key::new(limit.name, key.as_ref());
        self.take_here(limit, rate, key)?;
        if self.0.shared.is_some() && !self.0.tally.note(key, rate) {
            alone();
        }
        Ok(())
    }

    fn take_here(&self, limit: Limit, rate: Rate, key: Key) -> Result<(), Limited> {
        if let Some(wait) = self.0.barred.wait(&key, Instant::now()) {
            return Err(refused(limit.name, wait));
        }
        self.0.local.take(limit, rate, key).map_err(|wait| refused(limit.name, wait))
    }

    /// Begins an attempt on an account, which counts as failed until [`Limiter::succeed`] is told otherwise. `origin` is
    /// where it comes from, such as an address.
    ///
    /// # Errors
    /// [`Limited`] when it has to wait; it is not counted then.
    pub async fn begin_attempt(
        &self,
        rule: &AttemptRule,
        account: impl AsRef<[u8]>,
        origin: Option<&[u8]>,
    ) -> Result<(), Limited> {
        let key = Key::new(rule.name, account.as_ref());
        let origin = origin.map(|origin| key::hash(&[b"origin", account.as_ref(), origin]));
        let now = self.0.begun.elapsed();
        let Some(shared) = &self.0.shared else {
            return self.0.attempts.begin(key, rule, origin, now).map_err(|wait| refused(rule.name, wait));
        };
        let heard = self.0.attempts.failures(&key, rule, now);
        let Ok((wait, failures)) = shared.begin(&key, rule, origin, heard).await else {
            alone();
            return self.0.attempts.begin(key, rule, origin, now).map_err(|wait| refused(rule.name, wait));
        };
        if wait.is_zero() {
            // An attempt that had to wait is not the last one.
            self.0.attempts.heard(key, failures, now);
            return Ok(());
        }
        Err(refused(rule.name, wait))
    }

    /// The attempt succeeded: no failures in a row any more, and further attempts from its origin are not slowed down by
    /// those of others.
    pub async fn succeed(&self, rule: &AttemptRule, account: impl AsRef<[u8]>, origin: Option<&[u8]>) {
        let key = Key::new(rule.name, account.as_ref());
        let origin = origin.map(|origin| key::hash(&[b"origin", account.as_ref(), origin]));
        self.0.attempts.succeed(key, origin, self.0.begun.elapsed());
        if let Some(shared) = &self.0.shared
            && shared.succeed(&key, origin).await.is_err()
        {
            alone();
        }
    }

    /// Settles and sweeps until `stop`, then settles once more.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let mut settle = tokio::time::interval(SETTLE_EVERY);
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                _ = settle.tick() => self.settle().await,
                _ = sweep.tick() => self.sweep(),
                () = &mut stop => break,
            }
        }
        self.settle().await;
    }

    /// Tells the other processes what was admitted here, and hears what they have.
    async fn settle(&self) {
        let entries = self.0.tally.take();
        let Some(shared) = self.0.shared.as_ref().filter(|_| !entries.is_empty()) else { return };
        let Ok(waits) = shared.settle(&entries).await else {
            alone();
            return;
        };
        let now = Instant::now();
        for (entry, wait) in entries.iter().zip(waits) {
            if !wait.is_zero() {
                self.0.barred.bar(entry.key, now + wait);
            }
        }
    }

    fn sweep(&self) {
        self.0.barred.sweep(Instant::now());
        let keys = u32::try_from(self.0.local.sweep()).unwrap_or(u32::MAX);
        metrics::gauge!(names::LIMITER_KEYS).set(keys);
    }
}

fn refused(limit: &'static str, retry_after: Duration) -> Limited {
    metrics::counter!(names::LIMITED_TOTAL, "limit" => limit).increment(1);
    Limited { limit, retry_after }
}

/// A decision without the other processes.
fn alone() {
    metrics::counter!(names::LIMITER_ALONE_TOTAL).increment(1);
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("shared", &self.0.shared).finish_non_exhaustive()
    }
}
