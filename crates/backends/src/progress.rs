//! Telling somebody who waits how far it is, and being told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A request to stop, shared by everything that takes long. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Request>);

#[derive(Debug, Default)]
struct Request {
    made: AtomicBool,
    parent: Option<Interrupt>,
}

impl Interrupt {
    /// One that is triggered with this one, and can be without it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(Arc::new(Request { made: AtomicBool::new(false), parent: Some(self.clone()) }))
    }

    /// Asks everything that holds a clone or a child to stop.
    pub fn trigger(&self) {
        self.0.made.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.made.load(Ordering::SeqCst) || self.0.parent.as_ref().is_some_and(Self::is_triggered)
    }

    /// `Err(Interrupted)` when somebody asked to stop.
    pub fn check(&self) -> Result<(), crate::Error> {
        if self.is_triggered() { Err(crate::Error::Interrupted) } else { Ok(()) }
    }
}

/// One thing that happened while a backend is made ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another process is filling the same place in the cache.
    Waiting {
        /// The package.
        what: String,
    },
    /// A download began.
    Downloading {
        /// The package.
        what: String,
    },
    /// The compile reached its next package.
    Compiling {
        /// The package that was asked for.
        what: String,
        /// The dependency whose compile began.
        unit: String,
        /// How many have begun, this one included.
        begun: usize,
        /// How many there are, about.
        total: usize,
    },
    /// It is in the cache now.
    Fetched {
        /// The package.
        what: String,
    },
}

/// Where steps go.
pub trait Reporter: Send + Sync {
    /// Called from the thread that does the work; must not block for long.
    fn report(&self, step: Step);
}

/// Plain lines on standard error, a compile's at most every ten seconds.
#[derive(Debug, Default)]
pub struct PrintToStderr {
    compile: Mutex<Option<CompileLines>>,
}

#[derive(Debug)]
struct CompileLines {
    since: Instant,
    last: Option<Instant>,
}

const BETWEEN_LINES: Duration = Duration::from_secs(10);

impl Reporter for PrintToStderr {
    fn report(&self, step: Step) {
        match step {
            Step::Waiting { what } => eprintln!("backends: waiting for another process that fetches {what}"),
            Step::Downloading { what } => eprintln!("backends: downloading {what}"),
            Step::Fetched { what } => eprintln!("backends: {what} is in the cache"),
            Step::Compiling { what, unit, begun, total } => {
                if let Some(elapsed) = self.line_due() {
                    let seconds = elapsed.as_secs();
                    eprintln!(
                        "backends: compiling {what}, once for this user: {begun} of about {total} ({unit}), {}:{:02}",
                        seconds / 60,
                        seconds % 60
                    );
                }
            }
        }
    }
}

impl PrintToStderr {
    /// The time since the compile began, when its next line is due.
    fn line_due(&self) -> Option<Duration> {
        let mut guard = self.compile.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let lines = guard.get_or_insert(CompileLines { since: now, last: None });
        if lines.last.is_some_and(|last| now.duration_since(last) < BETWEEN_LINES) {
            return None;
        }
        lines.last = Some(now);
        Some(now.duration_since(lines.since))
    }
}
