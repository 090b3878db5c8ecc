//! Telling who waits how far it is, on standard error: a bar where a person looks, lines where a file is written.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress goes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
}

impl Progress {
    /// To standard error.
    #[must_use]
    pub fn to_stderr() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, lines: !terminal }
    }

    /// Nowhere.
    #[must_use]
    pub fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), lines: false }
    }

    /// Something begins that has no measure.
    pub fn step(&self, what: impl Into<String>) {
        self.begin(what.into(), None);
    }

    /// Something begins that is done after so many.
    pub fn count(&self, what: impl Into<String>, total: usize) {
        self.begin(what.into(), Some(total as u64));
    }

    /// So many are done.
    pub fn done(&self, so_far: usize) {
        self.bar.set_position(so_far as u64);
    }

    /// Makes room for something that is written meanwhile.
    pub fn hide<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }

    /// Nothing goes on any more.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn begin(&self, what: String, total: Option<u64>) {
        if self.lines {
            eprintln!("{what}");
        }
        let template = match total {
            Some(_) => "{spinner} [{elapsed}] {msg} {wide_bar} {pos}/{len}",
            None => "{spinner} [{elapsed}] {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_length(total.unwrap_or(0));
        self.bar.set_position(0);
        self.bar.set_message(what);
    }
}
