use chasqui_events::room::{
    Erased, MemberBanned, MemberJoined, MemberLeft, MemberMuted, MemberUnbanned, MemberUnmuted,
};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp(1000);

fn user(n: u8) -> UserId {
    UserId::new(Timestamp(1), [n; 10])
}

/// Something that happens to somebody, by number.
fn fact(n: u8, what: u8) -> RoomEvent {
    let user = user(n);
    let muted = |until| RoomEvent::MemberMuted(MemberMuted { user, until, reason: None });
    match what {
        0 => RoomEvent::MemberJoined(MemberJoined { user }),
        1 => RoomEvent::MemberLeft(MemberLeft { user }),
        2 => RoomEvent::MemberBanned(MemberBanned { user, until: None, reason: None }),
        3 => RoomEvent::MemberUnbanned(MemberUnbanned { user }),
        4 => muted(None),
        5 => muted(Some(NOW)),
        6 => muted(Some(Timestamp(NOW.0 + 1))),
        _ => RoomEvent::MemberUnmuted(MemberUnmuted { user }),
    }
}

/// The verdict as plainly as it can be said.
fn plainly(facts: &[(Seq, u8)], basis: Seq, seq: Seq) -> Verdict {
    let between: Vec<u8> =
        facts.iter().filter(|(at, _)| *at > basis && *at < seq).map(|(_, what)| *what).collect();
    let last = |these: &[u8]| between.iter().rev().find(|what| these.contains(what)).copied();
    match (last(&[0, 1, 2]), last(&[4, 5, 6, 7])) {
        (Some(1), _) => Verdict::Void(VoidReason::NotAMember),
        (Some(2), _) => Verdict::Void(VoidReason::Banned),
        // The mute that ends at the very moment of recording is over.
        (_, Some(4 | 6)) => Verdict::Void(VoidReason::Muted),
        _ => Verdict::Valid,
    }
}

#[test]
fn a_post_after_its_author_left_is_void() {
    let mut trail = StateTrail::starting_after(0);
    trail.note(1, &fact(1, 0));
    trail.note(5, &fact(1, 1));
    assert_eq!(trail.verdict(user(1), 1, NOW, 6), Verdict::Void(VoidReason::NotAMember));
    assert_eq!(trail.verdict(user(1), 1, NOW, 4), Verdict::Valid, "stored before the leaving");
    assert_eq!(trail.verdict(user(2), 1, NOW, 6), Verdict::Valid, "somebody else");
    trail.note(7, &fact(1, 0));
    assert_eq!(trail.verdict(user(1), 1, NOW, 8), Verdict::Valid, "came back before it was stored");
}

#[test]
fn a_mute_is_held_against_the_time_of_recording() {
    let mut trail = StateTrail::starting_after(0);
    trail.note(1, &fact(1, 0));
    trail.note(5, &fact(1, 6));
    let verdict = |at| trail.verdict(user(1), 1, Timestamp(at), 6);
    assert_eq!(verdict(NOW.0), Verdict::Void(VoidReason::Muted));
    assert_eq!(verdict(NOW.0 + 1), Verdict::Valid, "over");
    assert_eq!(trail.verdict(user(1), 5, NOW, 6), Verdict::Valid, "decided knowing of it");
    trail.note(7, &fact(1, 1));
    trail.note(8, &fact(1, 0));
    assert_eq!(trail.verdict(user(1), 1, NOW, 9), Verdict::Void(VoidReason::Muted), "outlasts coming back");
}

#[test]
fn a_post_after_the_room_was_erased_is_void_whoever_it_is_by() {
    let erased = RoomEvent::Erased(Erased { reason: None });
    assert!(moves_posting(&erased) && forbids_posting(&erased));
    let mut trail = StateTrail::starting_after(4);
    trail.note(5, &erased);
    let void = Verdict::Void(VoidReason::RoomErased);
    assert_eq!(trail.verdict(user(1), 4, NOW, 6), void);
    assert_eq!(trail.verdict(user(1), 4, NOW, 5 - 1), Verdict::Valid, "before it");
    assert_eq!(trail.verdict(user(1), 2, NOW, 6), void, "also where the trail knows nothing else");
    let lane = [(5, &erased)];
    assert_eq!(verdict_from(lane, user(1), 4, NOW, 6), void);
    assert_eq!(verdict_from(lane, user(1), 4, NOW, 4), Verdict::Valid);
}

proptest! {
    /// The bounded trail never contradicts the whole lane; at most it does not know.
    #[test]
    fn forgetting_is_never_wrong(
        moves in proptest::collection::vec((0u8..4, 0u8..8), 1..600),
        author in 0u8..4, basis in 0u64..600, after in 1u64..600,
    ) {
        let mut trail = StateTrail::starting_after(0);
        for (seq, (who, what)) in (1u64..).zip(&moves) {
            trail.note(seq, &fact(*who, *what));
        }
        let seq = moves.len() as u64 + after;
        let own: Vec<(Seq, u8)> =
            (1u64..).zip(&moves).filter(|(_, (who, _))| *who == author).map(|(at, (_, what))| (at, *what)).collect();
        let expected = plainly(&own, basis, seq);
        let verdict = trail.verdict(user(author), basis, NOW, seq);
        prop_assert!(verdict == expected || (verdict == Verdict::Unknown && basis < trail.floor()));

        let lane: Vec<_> = (1u64..).zip(&moves).map(|(at, (who, what))| (at, fact(*who, *what))).collect();
        let lane = lane.iter().map(|(at, event)| (*at, event));
        prop_assert_eq!(verdict_from(lane, user(author), basis, NOW, seq), expected);
    }
}
