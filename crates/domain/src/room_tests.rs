//! Given these facts, when this is asked, then that is decided.

use chasqui_events::Timestamp;
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;

fn user(n: u8) -> UserId {
    UserId::new(Timestamp(1), [n; 10])
}

const OWNER: u8 = 1;
const MODERATOR: u8 = 2;
const MEMBER: u8 = 3;
const STRANGER: u8 = 4;
const INVITED: u8 = 5;

fn room(kind: Kind) -> Room {
    let mut room = Room::default();
    let founding = [(OWNER, Role::Owner), (MODERATOR, Role::Moderator), (MEMBER, Role::Member)];
    room.apply(&RoomEvent::Created(Created {
        kind,
        name: "Plaza".to_owned(),
        members: founding.map(|(n, role)| FoundingMember { user: user(n), role }).to_vec(),
    }));
    room.apply(&RoomEvent::MemberInvited(MemberInvited { user: user(INVITED) }));
    room
}

/// What a decision comes to, in one word.
fn outcome(room: &Room, caller: u8, command: &RoomCommand) -> &'static str {
    match room.decide(user(caller), command, &Limits::default()) {
        Ok(Decision::Record(_)) => "record",
        Ok(Decision::AlreadySo) => "already",
        Err(rejection) => rejection.code(),
    }
}

#[test]
fn who_may_do_what() {
    let public = room(Kind::Public);
    let private = room(Kind::Private);
    let remove = |n| RoomCommand::Remove { user: user(n), reason: None };
    let role = |n, role| RoomCommand::ChangeRole { user: user(n), role };
    let rename = RoomCommand::Rename { name: "Other".to_owned() };
    let invite = |n| RoomCommand::Invite { user: user(n) };
    for (room, caller, command, expected) in [
        (&public, STRANGER, RoomCommand::Join, "record"),
        (&private, STRANGER, RoomCommand::Join, "invitation-needed"),
        (&private, INVITED, RoomCommand::Join, "record"),
        (&public, MEMBER, RoomCommand::Join, "already"),
        (&public, STRANGER, RoomCommand::Leave, "already"),
        (&public, INVITED, RoomCommand::Leave, "record"),
        (&public, OWNER, RoomCommand::Leave, "last-owner"),
        (&public, MEMBER, RoomCommand::Leave, "record"),
        (&public, STRANGER, invite(9), "not-a-member"),
        (&private, STRANGER, invite(9), "room-not-found"),
        (&private, MEMBER, invite(9), "record"),
        (&private, MEMBER, invite(MODERATOR), "already"),
        (&public, MEMBER, remove(MODERATOR), "role-too-low"),
        (&public, MODERATOR, remove(MEMBER), "record"),
        (&public, MODERATOR, remove(OWNER), "role-too-low"),
        (&public, MODERATOR, remove(INVITED), "record"),
        (&public, OWNER, remove(STRANGER), "already"),
        (&public, MODERATOR, rename.clone(), "role-too-low"),
        (&public, OWNER, rename, "record"),
        (&public, OWNER, RoomCommand::Rename { name: "Plaza".to_owned() }, "already"),
        (&public, MODERATOR, role(MEMBER, Role::Owner), "role-too-low"),
        (&public, OWNER, role(MEMBER, Role::Owner), "record"),
        (&public, OWNER, role(OWNER, Role::Member), "last-owner"),
        (&public, OWNER, role(STRANGER, Role::Member), "target-not-a-member"),
    ] {
        assert_eq!(outcome(room, caller, &command), expected, "{caller} {command:?}");
    }
}

#[test]
fn a_direct_conversation_is_for_two_and_for_ever() {
    let mut direct = Room::default();
    let open = RoomCommand::OpenDirect { with: user(2) };
    let Ok(Decision::Record(event)) = direct.decide(user(1), &open, &Limits::default()) else {
        panic!("opens")
    };
    direct.apply(&event);
    for (caller, command, expected) in [
        (1, open, "already"),
        (1, RoomCommand::Leave, "not-in-direct"),
        (1, RoomCommand::Invite { user: user(3) }, "not-in-direct"),
        (3, RoomCommand::Join, "room-not-found"),
        (1, RoomCommand::Rename { name: "x".to_owned() }, "not-in-direct"),
    ] {
        assert_eq!(outcome(&direct, caller, &command), expected, "{command:?}");
    }
    assert_eq!(outcome(&Room::default(), 1, &RoomCommand::OpenDirect { with: user(1) }), "direct-with-self");
}

#[test]
fn posting_needs_membership_and_a_sensible_size() {
    let private = room(Kind::Private);
    let limits = Limits { body_bytes: 10, ..Limits::default() };
    let post = |caller, body: &str| {
        private
            .decide_post(user(caller), body.to_owned(), vec![], &limits)
            .map_err(|rejection| rejection.code())
    };
    assert!(post(MEMBER, "hola").is_ok());
    assert_eq!(post(STRANGER, "hola"), Err("room-not-found"));
    assert_eq!(post(INVITED, "hola"), Err("not-a-member"));
    assert_eq!(post(MEMBER, ""), Err("size"));
    assert_eq!(post(MEMBER, "0123456789a"), Err("size"));
}

fn any_command() -> impl Strategy<Value = RoomCommand> {
    let someone = (0u8..6).prop_map(user);
    let role = prop_oneof![Just(Role::Member), Just(Role::Moderator), Just(Role::Owner)];
    prop_oneof![
        Just(RoomCommand::Create { kind: Kind::Private, name: "r".to_owned() }),
        Just(RoomCommand::Join),
        Just(RoomCommand::Leave),
        someone.clone().prop_map(|user| RoomCommand::Invite { user }),
        someone.clone().prop_map(|user| RoomCommand::Remove { user, reason: None }),
        (someone, role).prop_map(|(user, role)| RoomCommand::ChangeRole { user, role }),
    ]
}

proptest! {
    /// Whatever is asked, by whomever: a room with members has an owner, nobody is member and invited at once,
    /// and asking the same again changes nothing.
    #[test]
    fn rooms_stay_governed(steps in proptest::collection::vec((0u8..6, any_command()), 0..80)) {
        let limits = Limits { room_members: 5, ..Limits::default() };
        let mut room = Room::default();
        for (caller, command) in steps {
            if let Ok(Decision::Record(event)) = room.decide(user(caller), &command, &limits) {
                room.apply(&event);
                if let Ok(Decision::Record(again)) = room.decide(user(caller), &command, &limits) {
                    prop_assert!(false, "{command:?} again recorded {again:?}");
                }
            }
            let owners = room.members.values().filter(|member| member.role == Role::Owner).count();
            prop_assert!(room.members.is_empty() || owners > 0);
            prop_assert!(room.members.keys().all(|member| !room.invited.contains(member)));
            prop_assert!(room.members.len() + room.invited.len() <= limits.room_members);
        }
    }
}
