//! Calls at fixed times, from a thread of its own: the timers of an async runtime are exact to a millisecond
//! only, which is more than some of the latencies to be measured.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::schedule::Schedule;

/// Longest sleep, so that a stop is noticed.
const NAP: Duration = Duration::from_millis(20);

/// A thread that works off a schedule. Stops when dropped.
#[derive(Debug)]
pub struct Pacer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Calls `act(n)` for every message when it is due, counted from `start`; late ones at once, one after the
    /// other. `act` must not block.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        schedule: Schedule,
        start: Instant,
        mut act: impl FnMut(u32) + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("pacer".to_owned()).spawn(move || {
            for n in 0..schedule.count() {
                if !sleep_until(start + schedule.due(n), &stopped) {
                    return;
                }
                act(n);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Whether the last call has been made.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of `act` was already reported by its thread.
            thread.join().ok();
        }
    }
}

/// False when it was told to stop.
fn sleep_until(due: Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(NAP));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn every_message_is_called_in_order_and_never_early() {
        let schedule = Schedule::of_count(500.0, 50);
        let start = Instant::now();
        let (tell, told) = sync_channel(64);
        let pacer = Pacer::start(schedule, start, move |n| tell.send((n, start.elapsed())).unwrap()).unwrap();
        let calls: Vec<(u32, Duration)> = told.iter().collect();
        drop(pacer);
        assert_eq!(calls.len(), 50);
        for (expected, (n, at)) in (0..).zip(calls) {
            assert_eq!(n, expected);
            assert!(at >= schedule.due(n), "{n} came at {at:?}");
        }
    }

    #[test]
    fn dropping_it_ends_it() {
        let pacer = Pacer::start(Schedule::of_count(0.01, 1000), Instant::now(), |_| {}).unwrap();
        assert!(!pacer.is_finished());
        drop(pacer);
    }
}
