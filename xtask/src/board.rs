//! What is shown while something takes long: a bar per job in a terminal, now and then a line elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chasqui_backends::{Interrupt, Preparation, Reporter, Step};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All jobs that run now. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Board {
    bars: MultiProgress,
    jobs: Arc<Mutex<HashMap<String, Job>>>,
}

/// One thing that takes long.
#[derive(Clone)]
pub(crate) struct Job {
    title: String,
    bar: ProgressBar,
    since: Instant,
    last_line: Arc<Mutex<Option<Instant>>>,
}

/// Where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

impl Board {
    pub(crate) fn new() -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        Self { bars, jobs: Arc::default() }
    }

    /// The process's environment, with its steps shown here.
    pub(crate) fn preparation(&self, interrupt: &Interrupt) -> Preparation {
        Preparation {
            reporter: Arc::new(self.clone()),
            interrupt: interrupt.clone(),
            ..Preparation::default()
        }
    }

    /// Writes a line above the bars.
    pub(crate) fn line(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }

    /// Begins a job.
    pub(crate) fn job(&self, title: &str) -> Job {
        let bar = self.bars.add(ProgressBar::no_length().with_message("…"));
        bar.set_style(spinner());
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        let job = Job { title: title.to_owned(), bar, since: Instant::now(), last_line: Arc::default() };
        if self.bars.is_hidden() {
            job.plain_line("begins");
        }
        job
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn job_of(&self, what: &str) -> Job {
        if let Some(job) = self.known().get(what) {
            return job.clone();
        }
        let job = self.job(what);
        self.known().insert(what.to_owned(), job.clone());
        job
    }
}

impl Reporter for Board {
    fn report(&self, step: Step) {
        match step {
            Step::Waiting { what } => self.job_of(&what).say("another process is fetching it"),
            Step::Downloading { what } => self.job_of(&what).say("downloading"),
            Step::Compiling { what, unit, begun, total } => {
                let job = self.job_of(&what);
                job.advance(begun, total, &format!("compiling, once for this user: {unit}"));
            }
            Step::Fetched { what } => {
                for (_, job) in self.known().drain() {
                    if job.is_part_of(&what) {
                        job.done("in the cache");
                    }
                }
            }
        }
    }
}

impl Job {
    /// So many of so many.
    pub(crate) fn advance(&self, begun: usize, total: usize, what: &str) {
        self.bar.set_style(counted());
        self.bar.set_length(total as u64);
        self.bar.set_position(begun as u64);
        self.bar.set_message(what.to_owned());
        self.line_if_due(|| format!("{begun} of about {total}, {what}"));
    }

    /// What it does now, where nothing can be counted.
    pub(crate) fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.line_if_due(|| what.to_owned());
    }

    /// It is over.
    pub(crate) fn done(&self, how: &str) {
        if self.bar.is_hidden() {
            self.plain_line(how);
        } else {
            self.bar.set_style(finished());
            self.bar.finish_with_message(how.to_owned());
        }
    }

    /// A step names its package with a version, its place in the cache is named after the program.
    fn is_part_of(&self, entry: &str) -> bool {
        let version = |text: &str| text.rsplit([' ', '=']).next().map(str::to_owned);
        version(&self.title).is_some_and(|version| entry.ends_with(&version))
    }

    fn line_if_due(&self, text: impl FnOnce() -> String) {
        if !self.bar.is_hidden() {
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= BETWEEN_LINES) {
            *last = Some(Instant::now());
            self.plain_line(&text());
        }
    }

    fn plain_line(&self, text: &str) {
        let seconds = self.since.elapsed().as_secs();
        eprintln!("[{}:{:02}] {}: {text}", seconds / 60, seconds % 60, self.title);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // The last handle of a job that did not get to its end: no bar of it stays behind.
        if Arc::strong_count(&self.last_line) == 1 && !self.bar.is_finished() {
            self.bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .progress_chars("=> ")
}

fn spinner() -> ProgressStyle {
    style("{spinner} {prefix:<32} {elapsed:>4}  {wide_msg}")
}

fn counted() -> ProgressStyle {
    style("{spinner} {prefix:<32} {elapsed:>4}  [{bar:20}] {pos}/{len} {wide_msg}")
}

fn finished() -> ProgressStyle {
    style("✓ {prefix:<32} {elapsed:>4}  {wide_msg}")
}
