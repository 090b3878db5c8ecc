//! Keeps a server that does not answer from being asked again and again, where there is another way.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// After a failure nothing passes for a while, which grows while failures go on.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    closed_until: Option<Instant>,
    rest: Duration,
}

const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(3);

impl Gate {
    /// Whether the last question was answered.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.lock().closed_until.is_none()
    }

    /// Whether to ask now. After a rest, one question at a time passes until one is answered.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let mut state = self.0.lock();
        match state.closed_until {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                state.closed_until = Some(Instant::now() + state.rest);
                true
            }
        }
    }

    /// A question was answered.
    pub fn succeeded(&self) {
        let mut state = self.0.lock();
        if state.closed_until.is_some() {
            *state = State::default();
        }
    }

    /// A question was not answered.
    pub fn failed(&self) {
        let mut state = self.0.lock();
        state.rest = (state.rest * 2).clamp(FIRST_REST, LONGEST_REST);
        state.closed_until = Some(Instant::now() + state.rest);
    }
}
