//! Which receipts have come back to the authors. A message is delivered, or read, for its author when the mark of
//! every other member of its room has reached its place.

use std::collections::VecDeque;

use crate::checker::Seq;

/// The two receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// A device of the other side has it.
    Delivered,
    /// The other side has read it.
    Read,
}

/// One author's messages in one room that wait for one kind of receipt, and how far the other side is.
#[derive(Clone, Debug, Default)]
struct Lane {
    mark: Seq,
    waiting: VecDeque<(Seq, u32)>,
}

impl Lane {
    /// Answers overtake each other: the place is found from the end, where it nearly always is.
    fn add(&mut self, seq: Seq, n: u32) {
        let at = self.waiting.iter().rposition(|(other, _)| *other < seq).map_or(0, |before| before + 1);
        self.waiting.insert(at, (seq, n));
    }

    fn take(&mut self) -> Option<u32> {
        let (seq, n) = *self.waiting.front()?;
        (seq <= self.mark).then(|| {
            self.waiting.pop_front();
            n
        })
    }
}

/// One author's view of one direct conversation.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    delivered: Lane,
    read: Lane,
}

impl Marks {
    /// A message of the author's stands at this place; receipts that are already there are told at once.
    pub fn accepted(&mut self, n: u32, seq: Seq, told: impl FnMut(u32, Receipt)) {
        self.delivered.add(seq, n);
        self.read.add(seq, n);
        self.tell(told);
    }

    /// The other side's marks came, 0 for one that did not move. Marks only rise, lower ones are old news.
    pub fn moved(&mut self, delivered: Seq, read: Seq, told: impl FnMut(u32, Receipt)) {
        self.read.mark = self.read.mark.max(read);
        // Reading implies delivery.
        self.delivered.mark = self.delivered.mark.max(delivered).max(read);
        self.tell(told);
    }

    /// How many receipts are still to come.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.delivered.waiting.len() + self.read.waiting.len()
    }

    fn tell(&mut self, mut told: impl FnMut(u32, Receipt)) {
        while let Some(n) = self.delivered.take() {
            told(n, Receipt::Delivered);
        }
        while let Some(n) = self.read.take() {
            told(n, Receipt::Read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        marks: &mut Marks,
        act: impl FnOnce(&mut Marks, &mut Vec<(u32, Receipt)>),
    ) -> Vec<(u32, Receipt)> {
        let mut list = Vec::new();
        act(marks, &mut list);
        list
    }

    #[test]
    fn a_mark_tells_of_everything_up_to_it_once() {
        let mut marks = Marks::default();
        for (n, seq) in [(0, 10), (2, 30), (1, 20)] {
            marks.accepted(n, seq, |_, _| panic!("nothing has come back yet"));
        }
        let first = told(&mut marks, |m, list| m.moved(25, 10, |n, receipt| list.push((n, receipt))));
        assert_eq!(first, [(0, Receipt::Delivered), (1, Receipt::Delivered), (0, Receipt::Read)]);
        assert_eq!(marks.waiting(), 3);
        let second = told(&mut marks, |m, list| m.moved(0, 30, |n, receipt| list.push((n, receipt))));
        assert_eq!(second, [(2, Receipt::Delivered), (1, Receipt::Read), (2, Receipt::Read)]);
        assert_eq!(marks.waiting(), 0);
    }

    #[test]
    fn a_receipt_before_the_answer_is_told_with_the_answer() {
        let mut marks = Marks::default();
        marks.moved(7, 7, |_, _| panic!("no message yet"));
        let list = told(&mut marks, |m, list| m.accepted(4, 7, |n, receipt| list.push((n, receipt))));
        assert_eq!(list, [(4, Receipt::Delivered), (4, Receipt::Read)]);
    }

    #[test]
    fn an_old_mark_changes_nothing() {
        let mut marks = Marks::default();
        marks.moved(9, 0, |_, _| {});
        marks.moved(3, 0, |_, _| {});
        let list = told(&mut marks, |m, list| m.accepted(0, 9, |n, receipt| list.push((n, receipt))));
        assert_eq!(list, [(0, Receipt::Delivered)]);
    }
}
