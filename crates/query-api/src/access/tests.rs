use chasqui_events::{Partition, Timestamp, room::Role};
use chasqui_read_model::RoomHeads;
use pretty_assertions::assert_eq;

use super::*;

const NOW: Timestamp = Timestamp(1000);

fn info(kind: Kind) -> RoomInfo {
    RoomInfo {
        room: RoomId::new(Partition::from_low_bits(0), Timestamp(1), [1; 10]),
        kind,
        name: "Plaza".to_owned(),
        pair: None,
        erased: false,
        members: 2,
        messages: 9,
        top: 40,
        heads: RoomHeads::default(),
    }
}

fn membership(standing: MemberStanding) -> Membership {
    Membership {
        room: info(Kind::Private).room,
        user: UserId::new(Timestamp(1), [2; 10]),
        standing,
        role: Role::Member,
        since: 7,
        until: None,
        earlier: vec![],
        delivered: 0,
        read: 0,
        ban: None,
        muted: None,
    }
}

/// From where the room is seen, or the code of the refusal; and whether its receipts are.
fn seen(kind: Kind, standing: Option<MemberStanding>) -> (Result<Seq, &'static str>, bool) {
    let membership = standing.map(membership);
    match judge(info(kind), membership.as_ref(), NOW) {
        Ok(access) => (Ok(access.visible.from), access.members_only().is_ok()),
        Err(problem) => (Err(problem.code.as_str()), false),
    }
}

#[test]
fn public_rooms_are_open_and_others_are_their_members_business() {
    use MemberStanding::{Invited, Joined, Left, Removed};
    for (standing, public, private) in [
        (None, (Ok(0), false), (Err("room-not-found"), false)),
        (Some(Joined), (Ok(0), true), (Ok(7), true)),
        (Some(Invited), (Ok(0), false), (Err("not-a-member"), false)),
        (Some(Left), (Ok(0), false), (Err("room-not-found"), false)),
        (Some(Removed), (Ok(0), false), (Err("room-not-found"), false)),
    ] {
        assert_eq!(seen(Kind::Public, standing), public, "{standing:?}");
        assert_eq!(seen(Kind::Private, standing), private, "{standing:?}");
        assert_eq!(seen(Kind::Direct, standing), private, "{standing:?}");
    }
}

#[test]
fn what_came_before_the_join_is_not_shown() {
    let access = judge(info(Kind::Private), Some(&membership(MemberStanding::Joined)), NOW).unwrap();
    assert!(!access.shows(6) && access.shows(7) && access.shows(8));
}

#[test]
fn who_is_banned_sees_nothing_while_that_lasts() {
    let banned = |until| Membership {
        ban: Some(chasqui_read_model::Ban {
            by: UserId::new(Timestamp(1), [1; 10]),
            at: Timestamp(1),
            term: chasqui_domain::room::Term { until },
            reason: None,
        }),
        ..membership(MemberStanding::Banned)
    };
    let seen =
        |kind, until| judge(info(kind), Some(&banned(until)), NOW).map(drop).map_err(|p| p.code.as_str());
    assert_eq!(seen(Kind::Public, None), Err("banned"));
    assert_eq!(seen(Kind::Public, Some(Timestamp(NOW.0 + 1))), Err("banned"));
    assert_eq!(seen(Kind::Public, Some(NOW)), Ok(()));
    assert_eq!(seen(Kind::Private, Some(NOW)), Err("room-not-found"));
}
