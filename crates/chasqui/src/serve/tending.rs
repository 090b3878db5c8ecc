//! Keys are looked after while everything runs, by the role that keeps them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chasqui_crypto::{Keyring, OwnerKind};
use chasqui_events::Timestamp;
use chasqui_runtime::{clock::now_ms, metrics::names};
use tokio::time::Instant;

use super::Process;

/// How often the key-encryption key is looked at: when there is another one, all keys are wrapped anew.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often all keys are gone through in any case.
const TEND_EVERY: Duration = Duration::from_hours(1);

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Process<'_> {
    /// Looks after the keys of all owners of a kind for as long as the process lives.
    pub(super) fn tend_keys(&self, kind: OwnerKind, keyring: Arc<Keyring>) {
        let (shutdown, days) = (self.shutdown.clone(), self.config.crypto.rotate_days);
        self.tasks.spawn_service(format!("keys.{}", kind.as_str()), async move {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            let mut done: Option<(String, Instant)> = None;
            let mut counted = BTreeSet::new();
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = shutdown.requested() => return Ok(()),
                }
                let Ok(current) = keyring.kek().current().await else { continue };
                let is_done = |(kek, at): &(String, Instant)| *kek == current && at.elapsed() < TEND_EVERY;
                if done.as_ref().is_some_and(is_done) {
                    continue;
                }
                if tend(&keyring, kind, days).await {
                    done = Some((current, Instant::now()));
                }
                count(&keyring, kind, &mut counted).await;
            }
        });
    }
}

/// Goes through all keys; false when something is left to do.
async fn tend(keyring: &Keyring, kind: OwnerKind, days: u32) -> bool {
    let now = Timestamp(now_ms());
    let older_than = (days > 0).then(|| now.plus_millis(-i64::from(days) * DAY_MS));
    let tended = match keyring.tend(kind, older_than, now).await {
        Ok(tended) => tended,
        Err(error) => {
            tracing::warn!(kind = kind.as_str(), %error, "looking after the keys is put off");
            return false;
        }
    };
    if let Some(error) = tended.failed.first() {
        let failed = tended.failed.len();
        tracing::error!(kind = kind.as_str(), failed, %error, "keys cannot be wrapped anew or replaced");
    }
    if tended.rewrapped + tended.rotated > 0 {
        let (rewrapped, rotated) = (tended.rewrapped, tended.rotated);
        tracing::info!(kind = kind.as_str(), rewrapped, rotated, "keys were wrapped anew or replaced");
    }
    tended.failed.is_empty()
}

/// `counted` are the key-encryption keys that were told of before: one without keys is told as such.
async fn count(keyring: &Keyring, kind: OwnerKind, counted: &mut BTreeSet<String>) {
    let Ok(census) = keyring.census(kind).await else { return };
    counted.extend(census.keys.keys().cloned());
    for kek in &*counted {
        let keys = census.keys.get(kek).map_or(0, |share| share.keys);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; keys are far below 2^53")]
        metrics::gauge!(names::CRYPTO_KEYS, "kind" => kind.as_str(), "kek" => kek.clone()).set(keys as f64);
    }
}
