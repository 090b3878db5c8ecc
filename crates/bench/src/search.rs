//! Finds the highest rate that is sustained: up in steps until one fails, then between, bounded in tries.

/// A search that is told of each try and says what to try next.
#[derive(Clone, Debug)]
pub struct Search {
    best: Option<f64>,
    worst: Option<f64>,
    next: f64,
    step: f64,
    close: f64,
    tries_left: u32,
}

impl Search {
    /// Begins at a rate, multiplies it by `step` while it holds, and ends when the highest rate that held and the
    /// lowest that failed are within the share `close` of each other, or after so many tries.
    #[must_use]
    pub fn new(from: f64, step: f64, close: f64, tries: u32) -> Self {
        Self { best: None, worst: None, next: from, step: step.max(1.01), close, tries_left: tries }
    }

    /// The rate to try next, `None` when the search is over.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        if self.tries_left == 0 {
            return None;
        }
        match (self.best, self.worst) {
            (Some(best), Some(worst)) if worst <= best * (1.0 + self.close) => None,
            _ => Some(self.next),
        }
    }

    /// What came of trying [`Self::next`].
    pub fn tried(&mut self, held: bool) {
        self.tries_left = self.tries_left.saturating_sub(1);
        if held {
            self.best = Some(self.best.map_or(self.next, |best| best.max(self.next)));
        } else {
            self.worst = Some(self.worst.map_or(self.next, |worst| worst.min(self.next)));
        }
        self.next = match (self.best, self.worst) {
            (Some(best), Some(worst)) => f64::midpoint(best, worst),
            (Some(best), None) => best * self.step,
            (None, Some(worst)) => worst / self.step,
            (None, None) => self.next,
        };
    }

    /// The highest rate that held so far.
    #[must_use]
    pub const fn best(&self) -> Option<f64> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(mut search: Search, limit: f64) -> (Option<f64>, u32) {
        let mut tries = 0;
        while let Some(rate) = search.next() {
            tries += 1;
            search.tried(rate <= limit);
        }
        (search.best(), tries)
    }

    proptest! {
        #[test]
        fn it_ends_close_below_the_limit(limit in 100.0f64..20_000.0) {
            let (best, tries) = run(Search::new(1000.0, 1.5, 0.05, 40), limit);
            let best = best.unwrap();
            prop_assert!(best <= limit && limit <= best * 1.06, "{best} for {limit}");
            prop_assert!(tries <= 20);
        }
    }

    #[test]
    fn it_is_bounded_when_nothing_or_everything_holds() {
        assert_eq!(run(Search::new(1000.0, 1.5, 0.05, 8), 0.0), (None, 8));
        let (best, tries) = run(Search::new(1000.0, 2.0, 0.05, 4), f64::MAX);
        assert_eq!((best, tries), (Some(8000.0), 4));
    }
}
