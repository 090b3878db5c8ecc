//! Making sure of the backends: as a task of its own, or beside something else.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::anyhow;
use chasqui_backends::{Found, Interrupt, Kind, Preparation, PrintToStderr};

use crate::board::Board;

/// `cargo xtask backends`.
pub(crate) fn run(interrupt: &Interrupt) -> anyhow::Result<()> {
    let board = Board::new();
    let preparation = board.preparation(interrupt);
    for kind in Kind::ALL {
        let found = preparation.ensure(kind)?;
        board.line(&format!("{:<8} {}", kind.name(), describe(kind, &found)));
    }
    Ok(())
}

/// Where a backend comes from, for people.
fn describe(kind: Kind, found: &Found) -> String {
    match found {
        // The URL may hold a password.
        Found::Url(_) => format!("named by {}", kind.url_variable()),
        Found::Program(program) => program.describe(),
        Found::Nothing => "missing".into(),
    }
}

/// All backends being made ready while something else has the terminal: plain lines, no bars.
pub(crate) struct Beside {
    thread: Option<JoinHandle<anyhow::Result<()>>>,
    stop: Interrupt,
}

impl Beside {
    pub(crate) fn begin(interrupt: &Interrupt) -> Self {
        let stop = interrupt.child();
        let reporter = Arc::new(PrintToStderr::default());
        let preparation = Preparation { reporter, interrupt: stop.clone(), ..Preparation::default() };
        let thread = std::thread::spawn(move || {
            for kind in Kind::ALL {
                preparation.ensure(kind)?;
            }
            Ok(())
        });
        Self { thread: Some(thread), stop }
    }

    /// Does something else, then waits. A failure of that something ends both.
    pub(crate) fn through<T>(mut self, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let done = act()?;
        self.join()?;
        Ok(done)
    }

    fn join(&mut self) -> anyhow::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow!("making the backends ready panicked"))?
    }
}

impl Drop for Beside {
    /// Ends a download or compile that nobody waits for any more, so that nothing half done stays behind.
    fn drop(&mut self) {
        self.stop.trigger();
        self.join().ok();
    }
}
