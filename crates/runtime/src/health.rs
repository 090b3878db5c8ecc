//! Readiness: what each part of the process says about itself, and since when.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use crate::clock::now_ms;

/// All checks of the process. A clone is another handle on the same checks.
#[derive(Clone)]
pub struct Registry {
    checks: Arc<Mutex<Vec<Check>>>,
    changed: watch::Sender<()>,
}

impl Registry {
    /// A registry without checks; a process without checks is not ready.
    #[must_use]
    pub fn new() -> Self {
        Self { checks: Arc::default(), changed: watch::Sender::new(()) }
    }

    /// Adds a check, not ready for the reason "starting". Name it after its role or part: `projector.0`.
    ///
    /// A name that exists already is taken over by the new handle, as when a part is started again.
    #[must_use]
    pub fn register(&self, name: impl Into<String>) -> Readiness {
        let name: Arc<str> = name.into().into();
        let check =
            Check { name: Arc::clone(&name), reason: Some("starting".to_owned()), since_ms: now_ms() };
        let mut checks = self.checks.lock();
        match checks.iter_mut().find(|check| check.name == name) {
            Some(existing) => *existing = check,
            None => checks.push(check),
        }
        drop(checks);
        self.changed.send_replace(());
        Readiness { name, registry: self.clone() }
    }

    /// What every check says now.
    #[must_use]
    pub fn report(&self) -> Report {
        let checks: Vec<_> = self.checks.lock().iter().map(Check::report).collect();
        Report { ready: !checks.is_empty() && checks.iter().all(|check| check.ready), checks }
    }

    /// Waits until every check is ready. The caller bounds the wait.
    pub async fn wait_until_ready(&self) {
        let mut changed = self.changed.subscribe();
        // The sender lives in `self`, so the wait cannot end by its loss.
        let _ = changed.wait_for(|()| self.report().ready).await;
    }

    fn set(&self, name: &str, reason: Option<String>) {
        let mut checks = self.checks.lock();
        let Some(check) = checks.iter_mut().find(|check| &*check.name == name) else { return };
        if check.reason == reason {
            return;
        }
        match &reason {
            None => tracing::info!(check = name, "ready"),
            Some(reason) if check.reason.is_none() => tracing::warn!(check = name, reason, "not ready"),
            // Still on its way, as at every start: no cause for alarm.
            Some(reason) => tracing::info!(check = name, reason, "not ready yet"),
        }
        check.reason = reason;
        check.since_ms = now_ms();
        drop(checks);
        self.changed.send_replace(());
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.report()).finish()
    }
}

/// One check's handle, held by the part that it speaks for; cheap to clone.
#[derive(Debug, Clone)]
pub struct Readiness {
    name: Arc<str>,
    registry: Registry,
}

impl Readiness {
    /// The part can do its work.
    pub fn set_ready(&self) {
        self.registry.set(&self.name, None);
    }

    /// The part cannot do its work. The reason is for operators: one clause, without secrets. The time of the
    /// change is kept when the same reason is given again.
    pub fn set_not_ready(&self, reason: impl Into<String>) {
        self.registry.set(&self.name, Some(reason.into()));
    }
}

#[derive(Debug)]
struct Check {
    name: Arc<str>,
    /// Why not; none when ready.
    reason: Option<String>,
    since_ms: i64,
}

impl Check {
    fn report(&self) -> CheckReport {
        CheckReport {
            name: self.name.to_string(),
            ready: self.reason.is_none(),
            reason: self.reason.clone(),
            since: rfc3339(self.since_ms),
        }
    }
}

/// The body of `/health/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every check is ready, and there is at least one.
    pub ready: bool,
    /// The checks in the order of their registration.
    pub checks: Vec<CheckReport>,
}

/// What one check says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it came into this state: RFC 3339, UTC.
    pub since: String,
}

impl CheckReport {
    /// A check that is not ready, for a reason that began at `since_ms` (unix milliseconds).
    pub(crate) fn not_ready(name: &str, reason: &str, since_ms: i64) -> Self {
        Self {
            name: name.to_owned(),
            ready: false,
            reason: Some(reason.to_owned()),
            since: rfc3339(since_ms),
        }
    }
}

fn rfc3339(unix_ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_checks_are_and_says_why_not() {
        let registry = Registry::new();
        assert!(!registry.report().ready, "a process that has not registered anything is still starting");
        let (edge, projector) = (registry.register("ws-edge"), registry.register("projector.0"));
        edge.set_ready();
        let report = registry.report();
        assert!(!report.ready);
        assert_eq!(report.checks[1].reason.as_deref(), Some("starting"));
        projector.set_ready();
        assert!(registry.report().ready);
        projector.clone().set_not_ready("MongoDB does not answer");
        let report = registry.report();
        assert!(!report.ready && report.checks[0].ready);
        assert_eq!(report.checks[1].reason.as_deref(), Some("MongoDB does not answer"));
    }

    #[test]
    fn the_time_of_a_state_is_that_of_its_change() {
        let registry = Registry::new();
        let check = registry.register("a");
        registry.checks.lock()[0].since_ms = 0;
        check.set_not_ready("starting");
        assert_eq!(registry.report().checks[0].since, "1970-01-01T00:00:00Z");
        check.set_ready();
        assert_ne!(registry.report().checks[0].since, "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_name_registered_again_is_one_check_that_starts_again() {
        let registry = Registry::new();
        registry.register("a").set_ready();
        let again = registry.register("a");
        assert_eq!(registry.report().checks.len(), 1);
        assert!(!registry.report().ready);
        again.set_ready();
        assert!(registry.report().ready);
    }

    #[tokio::test]
    async fn waiting_ends_when_the_last_check_is_ready() {
        let registry = Registry::new();
        let (first, second) = (registry.register("a"), registry.register("b"));
        first.set_ready();
        let waiting = tokio::spawn({
            let registry = registry.clone();
            async move { registry.wait_until_ready().await }
        });
        second.set_ready();
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    }
}
