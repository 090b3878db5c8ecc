//! What waits for one socket: bounded in bytes.

use std::collections::VecDeque;

use crate::frame::Frame;

/// The frames that wait for one socket, oldest first.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: VecDeque<Frame>,
    bytes: usize,
    limit: usize,
}

/// The client does not read fast enough: its budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, limit }
    }

    /// Queues a frame, unless that would pass the budget. A single frame always finds place in an empty outbox.
    pub(crate) fn push(&mut self, frame: Frame) -> Result<(), Full> {
        let weight = frame.weight();
        if self.bytes + weight > self.limit && !self.queue.is_empty() {
            return Err(Full);
        }
        self.bytes += weight;
        self.queue.push_back(frame);
        Ok(())
    }

    /// Queues the last frame of a connection, which is small, whatever the budget says.
    pub(crate) fn push_last(&mut self, frame: Frame) {
        self.bytes += frame.weight();
        self.queue.push_back(frame);
    }

    pub(crate) fn pop(&mut self) -> Option<Frame> {
        let frame = self.queue.pop_front()?;
        self.bytes -= frame.weight();
        if self.queue.is_empty() {
            // Most connections are idle most of the time: their queues take no memory.
            self.queue = VecDeque::new();
        }
        Some(frame)
    }

    pub(crate) fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.bytes = 0;
    }

    /// Bytes that wait.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn frame(size: usize) -> Frame {
        Frame::Binary(Bytes::from(vec![0; size]))
    }

    proptest! {
        /// Whatever is pushed and popped: never more than the budget waits, and nothing that was taken is lost.
        #[test]
        fn the_budget_holds(steps in proptest::collection::vec((any::<bool>(), 0usize..500), 0..200)) {
            let limit = 2_000;
            let mut outbox = Outbox::new(limit);
            let mut model = VecDeque::new();
            for (push, size) in steps {
                if push {
                    if outbox.push(frame(size)).is_ok() {
                        model.push_back(frame(size));
                    }
                } else {
                    prop_assert_eq!(outbox.pop(), model.pop_front());
                }
                prop_assert_eq!(outbox.bytes(), model.iter().map(Frame::weight).sum::<usize>());
                prop_assert!(outbox.bytes() <= limit || model.len() == 1);
            }
        }
    }
}
