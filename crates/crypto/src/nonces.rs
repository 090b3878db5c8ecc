//! Nonces that never repeat under a key: a process counts, and its keys are its own.
//!
//! A process draws a random id, which goes into every key that it derives, and counts what it seals with any of them.
//! No two seals of any process have both the same key and the same number, and nobody has to be asked. Before the
//! count could become large for one key, the process draws another id.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::RwLock;

use crate::sealed::SealerId;

/// Counts what this process seals.
#[derive(Debug)]
pub(crate) struct Nonces {
    /// The most seals under one id.
    most: u64,
    current: RwLock<Arc<Counter>>,
}

#[derive(Debug)]
struct Counter {
    id: SealerId,
    next: AtomicU64,
}

impl Counter {
    fn new() -> Arc<Self> {
        Arc::new(Self { id: rand::random(), next: AtomicU64::new(0) })
    }
}

impl Nonces {
    pub(crate) fn new(most: u64) -> Self {
        Self { most: most.max(1), current: RwLock::new(Counter::new()) }
    }

    /// An id and a number that were never given out together.
    pub(crate) fn take(&self) -> (SealerId, u64) {
        loop {
            let counter = Arc::clone(&self.current.read());
            let number = counter.next.fetch_add(1, Relaxed);
            if number < self.most {
                return (counter.id, number);
            }
            let mut current = self.current.write();
            if current.id == counter.id {
                *current = Counter::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_pair_is_given_out_twice_and_none_has_a_number_past_the_limit() {
        let nonces = Nonces::new(10);
        let taken: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).map(|_| nonces.take()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert!(taken.iter().all(|(_, number)| *number < 10));
        assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 4000);
    }
}
