//! What the workers say about themselves, and what that means for the process.

use std::{collections::BTreeMap, sync::Arc};

use chasqui_events::Seq;
use chasqui_read_model::{Stream, Version};
use chasqui_runtime::health::Readiness;
use parking_lot::Mutex;

/// How a worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It has not begun.
    Starting,
    /// It folds what was stored before it came.
    CatchingUp {
        /// So many facts are left.
        lag: u64,
    },
    /// It has been at the end of the stream, and keeps up.
    Working,
    /// Another process folds the stream; this one waits.
    Standby,
    /// Something does not answer; it tries again.
    Trouble(String),
    /// The log is not the one that was folded. It has stopped for good.
    Stopped(String),
}

impl Status {
    fn reason(&self) -> Option<String> {
        match self {
            Self::Working | Self::Standby => None,
            Self::Starting => Some("starting".to_owned()),
            Self::CatchingUp { .. } => Some("catching up".to_owned()),
            Self::Trouble(reason) | Self::Stopped(reason) => Some(reason.clone()),
        }
    }
}

/// All workers of the process. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Board(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    readiness: Readiness,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Only the version that is read decides on readiness.
    active: Version,
    workers: BTreeMap<(Version, Stream), Status>,
}

impl Board {
    pub(crate) fn new(readiness: Readiness) -> Self {
        let state = State { active: Version::FIRST, workers: BTreeMap::new() };
        Self(Arc::new(Inner { readiness, state: Mutex::new(state) }))
    }

    pub(crate) fn set_active(&self, active: Version) {
        self.0.state.lock().active = active;
        self.publish();
    }

    /// Workers for these streams begin.
    pub(crate) fn start(&self, version: Version, streams: impl Iterator<Item = Stream>) {
        let workers = streams.map(|stream| ((version, stream), Status::Starting));
        self.0.state.lock().workers.extend(workers);
        self.publish();
    }

    pub(crate) fn set(&self, version: Version, stream: Stream, status: Status) {
        self.0.state.lock().workers.insert((version, stream), status);
        self.publish();
    }

    pub(crate) fn remove(&self, version: Version, stream: Stream) {
        self.0.state.lock().workers.remove(&(version, stream));
        self.publish();
    }

    /// Not ready for a reason that is no worker's.
    pub(crate) fn trouble(&self, reason: String) {
        self.0.readiness.set_not_ready(reason);
    }

    fn publish(&self) {
        let state = self.0.state.lock();
        let active = state.workers.iter().filter(|((version, _), _)| *version == state.active);
        let reasons: Vec<String> = active
            .filter_map(|((_, stream), status)| status.reason().map(|reason| format!("{stream}: {reason}")))
            .collect();
        let none = !state.workers.keys().any(|(version, _)| *version == state.active);
        drop(state);
        match reasons.as_slice() {
            [] if none => self.0.readiness.set_not_ready("starting"),
            [] => self.0.readiness.set_ready(),
            reasons => self.0.readiness.set_not_ready(reasons.join("; ")),
        }
    }
}

/// One worker's place on the board.
#[derive(Clone, Debug)]
pub(crate) struct Sign {
    pub(crate) board: Board,
    pub(crate) version: Version,
    pub(crate) stream: Stream,
}

impl Sign {
    pub(crate) fn set(&self, status: Status) {
        self.board.set(self.version, self.stream, status);
    }

    /// Says how much is left. Who has been at the end once keeps working, unless it falls far behind again.
    pub(crate) fn behind(&self, lag: u64, was_there: &mut bool) {
        const FAR: Seq = 50_000;
        *was_there = if lag == 0 { true } else { *was_there && lag < FAR };
        self.set(if *was_there { Status::Working } else { Status::CatchingUp { lag } });
    }
}

#[cfg(test)]
mod tests {
    use chasqui_runtime::health::Registry;

    use super::*;

    #[test]
    fn only_the_active_version_decides() {
        let registry = Registry::new();
        let board = Board::new(registry.register("projector"));
        assert!(!registry.report().ready, "no worker yet");
        board.set(Version(1), Stream::Ident, Status::Working);
        board.set(Version(2), Stream::Ident, Status::CatchingUp { lag: 7 });
        assert!(registry.report().ready);
        board.set_active(Version(2));
        let report = registry.report();
        assert_eq!(report.checks[0].reason.as_deref(), Some("IDENT: catching up"));
        board.set(Version(2), Stream::Ident, Status::Standby);
        assert!(registry.report().ready);
    }
}
