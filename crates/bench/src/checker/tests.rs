//! The checker must find what is injected, and nothing where nothing is.

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;

/// Two rooms of two; message n stands at place n + 1 in its room.
fn pairs(count: u32) -> Checker {
    let mut checker = Checker::new(Plan::new(2, 2), count, &[2, 2]);
    for n in 0..count {
        checker.sent(n, 0);
        assert!(checker.accepted(n, place(n)));
    }
    checker
}

fn place(n: u32) -> Seq {
    Seq::from(n) + 1
}

fn seats(checker: &Checker, n: u32) -> [usize; 2] {
    let room = checker.plan.room(n) as usize;
    [checker.seat(room, 0).unwrap(), checker.seat(room, 1).unwrap()]
}

fn deliver(checker: &mut Checker, n: u32) {
    for seat in seats(checker, n) {
        assert_eq!(checker.heard(seat, n, place(n)), Heard::First);
    }
}

#[test]
fn a_flawless_run_is_clean() {
    let mut checker = pairs(9);
    (0..9).for_each(|n| deliver(&mut checker, n));
    assert!(checker.is_settled());
    let expected = Verdict { sent: 9, accepted: 9, delivered: 18, ..Verdict::default() };
    assert_eq!(checker.verdict(), expected);
    assert!(checker.verdict().is_clean());
}

#[test]
fn a_lost_message_is_missed_at_the_seat_that_lacks_it() {
    let mut checker = pairs(4);
    for n in [0, 1, 3] {
        deliver(&mut checker, n);
    }
    let [first, _] = seats(&checker, 2);
    checker.heard(first, 2, place(2));
    assert!(!checker.is_settled());
    assert_eq!(checker.verdict().missed, 1);
    assert_eq!(checker.verdict().faults(), 1);
}

#[test]
fn a_message_twice_on_one_connection_is_doubled() {
    let mut checker = pairs(4);
    (0..4).for_each(|n| deliver(&mut checker, n));
    let [seat, _] = seats(&checker, 3);
    assert_eq!(checker.heard(seat, 3, place(3)), Heard::Fault);
    assert_eq!(checker.verdict().doubled, 1);
    assert_eq!(checker.verdict().faults(), 1);
}

#[test]
fn a_message_stored_twice_is_doubled_at_its_second_place() {
    let mut checker = pairs(2);
    (0..2).for_each(|n| deliver(&mut checker, n));
    let [seat, _] = seats(&checker, 0);
    assert_eq!(checker.heard(seat, 0, 77), Heard::Fault);
    assert_eq!((checker.verdict().doubled, checker.verdict().misplaced), (1, 1));
}

#[test]
fn wrong_order_is_reported_once_and_not_as_missed() {
    let mut checker = pairs(4);
    let [seat, other] = seats(&checker, 0);
    checker.heard(seat, 2, place(2));
    assert_eq!(checker.heard(seat, 0, place(0)), Heard::Fault);
    for n in [0, 2] {
        checker.heard(other, n, place(n));
    }
    for n in [1, 3] {
        deliver(&mut checker, n);
    }
    assert_eq!(checker.verdict().out_of_order, 1);
    assert_eq!(checker.verdict().faults(), 1);
}

#[test]
fn what_a_resume_sends_again_is_no_fault_but_a_late_hole_is() {
    let mut checker = pairs(6);
    for n in [0, 1, 3, 4, 5] {
        deliver(&mut checker, n);
    }
    let [seat, other] = seats(&checker, 2);
    for seat in [seat, other] {
        checker.reconnected(seat);
    }
    assert_eq!(checker.heard(seat, 0, place(0)), Heard::Replayed);
    // 2 was never shown, and 4 was: a client that follows its rule drops it now.
    assert_eq!(checker.heard(seat, 2, place(2)), Heard::Fault);
    assert_eq!(checker.heard(seat, 4, place(4)), Heard::Replayed);
    assert_eq!(checker.heard(seat, 4, place(4)), Heard::Fault);
    let verdict = checker.verdict();
    assert_eq!((verdict.replayed, verdict.out_of_order, verdict.doubled, verdict.missed), (2, 1, 1, 1));
}

#[test]
fn entries_that_are_no_messages_of_the_run_count_for_order() {
    let mut checker = pairs(2);
    let [seat, _] = seats(&checker, 0);
    checker.heard_other(seat, 40);
    assert_eq!(checker.heard(seat, 0, place(0)), Heard::Fault);
    assert_eq!(checker.verdict().out_of_order, 1);
}

#[test]
fn the_wrong_room_and_the_wrong_place_are_misplaced() {
    let mut checker = pairs(2);
    let [wrong, _] = seats(&checker, 1);
    checker.heard(wrong, 0, place(0));
    assert_eq!(checker.verdict().misplaced, 1);

    let mut checker = pairs(2);
    let [seat, _] = seats(&checker, 0);
    checker.heard(seat, 0, 9);
    assert_eq!(checker.verdict().misplaced, 1);
}

#[test]
fn a_refused_message_must_not_come_and_an_unknown_one_may() {
    let mut checker = Checker::new(Plan::new(1, 1), 3, &[1]);
    (0..3).for_each(|n| checker.sent(n, 0));
    checker.refused(0);
    checker.accepted(2, 7);
    checker.heard(0, 0, 5);
    checker.heard(0, 1, 6);
    checker.heard(0, 2, 7);
    let verdict = checker.verdict();
    assert_eq!((verdict.refused, verdict.unknown, verdict.unwanted, verdict.missed), (1, 1, 1, 0));
    assert_eq!(verdict.faults(), 1);
}

#[test]
fn a_void_message_is_expected_nowhere() {
    let mut checker = pairs(2);
    checker.void(0);
    deliver(&mut checker, 1);
    assert!(checker.is_settled());
    let verdict = checker.verdict();
    assert_eq!((verdict.void, verdict.accepted, verdict.missed), (1, 1, 0));
    assert!(verdict.is_clean());
}

#[test]
fn a_later_message_that_stands_before_an_answered_one_is_overtaken() {
    let mut checker = Checker::new(Plan::new(1, 1), 2, &[1]);
    checker.sent(0, 0);
    checker.accepted(0, 8);
    checker.sent(1, 8);
    checker.accepted(1, 4);
    assert_eq!(checker.verdict().overtaken, 1);
}

#[test]
fn an_answer_after_the_entry_and_a_second_answer_change_nothing() {
    let mut checker = Checker::new(Plan::new(1, 1), 1, &[1]);
    checker.sent(0, 0);
    checker.heard(0, 0, 3);
    assert!(checker.accepted(0, 3));
    checker.sent(0, 0);
    assert!(!checker.accepted(0, 3));
    assert!(checker.is_settled());
    assert_eq!(checker.verdict(), Verdict { sent: 1, accepted: 1, delivered: 1, ..Verdict::default() });
}

proptest! {
    /// Drop some entries and send some twice: the checker counts exactly those.
    #[test]
    fn loss_and_doubling_are_counted_exactly(
        count in 1u32..80,
        fates in proptest::collection::vec(0u8..4, 160),
    ) {
        let mut checker = pairs(count);
        let (mut lost, mut doubled) = (0, 0);
        for n in 0..count {
            for (side, seat) in seats(&checker, n).into_iter().enumerate() {
                match fates[n as usize * 2 + side] {
                    0 => lost += 1,
                    1 => {
                        checker.heard(seat, n, place(n));
                        checker.heard(seat, n, place(n));
                        doubled += 1;
                    }
                    _ => { checker.heard(seat, n, place(n)); }
                }
            }
        }
        let verdict = checker.verdict();
        prop_assert_eq!((verdict.missed, verdict.doubled), (lost, doubled));
        prop_assert_eq!(verdict.faults(), lost + doubled);
    }

    /// Any cut with any overlap on resume is clean as long as the resume begins at or before what was shown last.
    #[test]
    fn a_resume_with_any_overlap_is_clean(count in 2u32..60, cut in 0u32..60, back in 0u32..60) {
        let cut = cut % count;
        let mut checker = Checker::new(Plan::new(1, 1), count, &[1]);
        for n in 0..count {
            checker.sent(n, 0);
            checker.accepted(n, place(n));
        }
        (0..cut).for_each(|n| { checker.heard(0, n, place(n)); });
        checker.reconnected(0);
        (cut.saturating_sub(back)..count).for_each(|n| { checker.heard(0, n, place(n)); });
        prop_assert!(checker.verdict().is_clean());
        prop_assert_eq!(checker.verdict().replayed, u64::from(cut - cut.saturating_sub(back)));
    }
}
