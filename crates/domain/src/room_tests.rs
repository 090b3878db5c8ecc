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

const NOW: Timestamp = Timestamp(1_000);
const LATER: Timestamp = Timestamp(2_000);

fn asker(n: u8) -> Asker {
    Asker { user: user(n), role: GlobalRole::User, at: NOW }
}

/// What a decision comes to, in one word.
fn outcome(room: &Room, caller: u8, command: &RoomCommand) -> &'static str {
    outcome_of(room, asker(caller), command)
}

fn outcome_of(room: &Room, asker: Asker, command: &RoomCommand) -> &'static str {
    match room.decide(asker, command, &Limits::default()) {
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
    let Ok(Decision::Record(event)) = direct.decide(asker(1), &open, &Limits::default()) else {
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
        private.decide_post(asker(caller), body, &[], &limits).map_err(|rejection| rejection.code())
    };
    assert!(post(MEMBER, "hola").is_ok());
    assert_eq!(post(STRANGER, "hola"), Err("room-not-found"));
    assert_eq!(post(INVITED, "hola"), Err("not-a-member"));
    assert_eq!(post(MEMBER, ""), Err("size"));
    assert_eq!(post(MEMBER, "0123456789a"), Err("size"));
}

fn ban(n: u8, until: Option<Timestamp>) -> RoomCommand {
    RoomCommand::Ban { user: user(n), until, reason: None }
}

fn mute(n: u8, until: Option<Timestamp>) -> RoomCommand {
    RoomCommand::Mute { user: user(n), until, reason: None }
}

fn after(room: &Room, caller: u8, command: &RoomCommand) -> Room {
    let mut after = room.clone();
    match room.decide(asker(caller), command, &Limits::default()) {
        Ok(Decision::Record(event)) => after.apply(&event),
        other => panic!("{command:?}: {other:?}"),
    }
    after
}

#[test]
fn slow_mode_is_for_those_who_cannot_change_it() {
    let slow = after(&room(Kind::Public), MODERATOR, &RoomCommand::SetSlowMode { seconds: 30 });
    let waits = |n: u8| slow.slow_mode_for(user(n)).map(|time| time.as_secs());
    assert_eq!([MEMBER, MODERATOR, OWNER, STRANGER].map(waits), [Some(30), None, None, None]);
    let ended = after(&slow, OWNER, &RoomCommand::SetSlowMode { seconds: 0 });
    assert_eq!(ended.slow_mode_for(user(MEMBER)), None);
}

#[test]
fn order_is_kept_by_moderators_and_above() {
    let public = room(Kind::Public);
    for (caller, command, expected) in [
        (MEMBER, ban(STRANGER, None), "role-too-low"),
        (MODERATOR, ban(MEMBER, None), "record"),
        (MODERATOR, ban(STRANGER, Some(LATER)), "record"),
        (MODERATOR, ban(STRANGER, Some(NOW)), "time-has-passed"),
        (MODERATOR, ban(OWNER, None), "role-too-low"),
        (MODERATOR, ban(MODERATOR, None), "own-membership"),
        (STRANGER, ban(MEMBER, None), "not-a-member"),
        (MODERATOR, mute(MEMBER, None), "record"),
        (MODERATOR, mute(STRANGER, None), "target-not-a-member"),
        (MODERATOR, mute(OWNER, None), "role-too-low"),
        (MEMBER, mute(OWNER, None), "role-too-low"),
        (MODERATOR, RoomCommand::Unban { user: user(MEMBER) }, "already"),
        (MODERATOR, RoomCommand::Unmute { user: user(MEMBER) }, "already"),
        (MEMBER, RoomCommand::SetSlowMode { seconds: 30 }, "role-too-low"),
        (MODERATOR, RoomCommand::SetSlowMode { seconds: 30 }, "record"),
        (MODERATOR, RoomCommand::SetSlowMode { seconds: 21_601 }, "size"),
        (MODERATOR, RoomCommand::SetSlowMode { seconds: 0 }, "already"),
    ] {
        assert_eq!(outcome(&public, caller, &command), expected, "{caller} {command:?}");
    }
}

#[test]
fn who_is_banned_stays_out_until_then() {
    let banned = after(&room(Kind::Public), MODERATOR, &ban(MEMBER, Some(LATER)));
    assert!(!banned.members.contains_key(&user(MEMBER)));
    assert_eq!(outcome(&banned, MEMBER, &RoomCommand::Join), "banned");
    assert_eq!(outcome(&banned, OWNER, &RoomCommand::Invite { user: user(MEMBER) }), "target-banned");
    assert_eq!(outcome(&banned, OWNER, &ban(MEMBER, Some(LATER))), "already");
    assert_eq!(outcome(&banned, OWNER, &ban(MEMBER, None)), "record", "for longer");
    let then = Asker { at: LATER, ..asker(MEMBER) };
    assert_eq!(outcome_of(&banned, then, &RoomCommand::Join), "record");
    let lifted = after(&banned, OWNER, &RoomCommand::Unban { user: user(MEMBER) });
    assert_eq!(outcome(&lifted, MEMBER, &RoomCommand::Join), "record");
}

#[test]
fn who_is_muted_reads_but_does_not_post() {
    let limits = Limits::default();
    let muted = after(&room(Kind::Public), MODERATOR, &mute(MEMBER, Some(LATER)));
    let post = |room: &Room, at| {
        let asker = Asker { at, ..asker(MEMBER) };
        room.decide_post(asker, "hola", &[], &limits).map_err(|rejection| rejection.code())
    };
    assert_eq!(post(&muted, NOW), Err("muted"));
    assert!(post(&muted, LATER).is_ok(), "over");
    let back = after(&after(&muted, MEMBER, &RoomCommand::Leave), MEMBER, &RoomCommand::Join);
    assert_eq!(post(&back, NOW), Err("muted"), "leaving does not help");
    let lifted = after(&back, OWNER, &RoomCommand::Unmute { user: user(MEMBER) });
    assert!(post(&lifted, NOW).is_ok());
}

#[test]
fn a_guest_posts_and_does_not_invite() {
    let role = RoomCommand::ChangeRole { user: user(MEMBER), role: Role::Guest };
    let with_guest = after(&room(Kind::Private), OWNER, &role);
    assert_eq!(outcome(&with_guest, MEMBER, &RoomCommand::Invite { user: user(9) }), "role-too-low");
    let post = with_guest.decide_post(asker(MEMBER), "hola", &[], &Limits::default());
    assert!(post.is_ok());
}

#[test]
fn global_roles_keep_order_in_public_rooms_only() {
    let (public, private) = (room(Kind::Public), room(Kind::Private));
    let as_global = |role| Asker { role, ..asker(STRANGER) };
    let rename = RoomCommand::Rename { name: "Other".to_owned() };
    let invite = RoomCommand::Invite { user: user(9) };
    for (role, command, expected) in [
        (GlobalRole::Service, ban(MEMBER, None), "not-a-member"),
        (GlobalRole::Moderator, ban(MEMBER, None), "record"),
        (GlobalRole::Moderator, ban(MODERATOR, None), "role-too-low"),
        (GlobalRole::Moderator, rename.clone(), "role-too-low"),
        (GlobalRole::Moderator, invite.clone(), "not-a-member"),
        (GlobalRole::Admin, ban(MODERATOR, None), "record"),
        (GlobalRole::Admin, ban(OWNER, None), "last-owner"),
        (GlobalRole::Admin, rename, "record"),
        (GlobalRole::Admin, invite, "not-a-member"),
    ] {
        assert_eq!(outcome_of(&public, as_global(role), &command), expected, "{role:?} {command:?}");
        assert_eq!(outcome_of(&private, as_global(role), &command), "room-not-found", "{role:?} {command:?}");
    }
}

#[test]
fn a_room_is_erased_by_its_owner_who_names_it_or_by_an_admin_who_says_why() {
    let erase = |name: &str, reason: Option<&str>| RoomCommand::Erase {
        name: name.to_owned(),
        reason: reason.map(str::to_owned),
    };
    let (public, private, direct) = (room(Kind::Public), room(Kind::Private), room(Kind::Direct));
    for (room, caller, command, expected) in [
        (&private, OWNER, erase("Plaza", None), "record"),
        (&private, OWNER, erase(" Plaza ", Some("asked for")), "record"),
        (&private, OWNER, erase("plaza", None), "another-name"),
        (&private, OWNER, erase("Plaza", Some("")), "size"),
        (&private, MODERATOR, erase("Plaza", None), "role-too-low"),
        (&private, STRANGER, erase("Plaza", None), "room-not-found"),
        (&public, STRANGER, erase("Plaza", None), "not-a-member"),
        (&direct, OWNER, erase("Plaza", None), "not-in-direct"),
        (&Room::default(), OWNER, erase("Plaza", None), "room-not-found"),
    ] {
        assert_eq!(outcome(room, caller, &command), expected, "{caller} {command:?} {:?}", room.kind);
    }
    let admin = |n| Asker { role: GlobalRole::Admin, ..asker(n) };
    for room in [&public, &private] {
        assert_eq!(outcome_of(room, admin(STRANGER), &erase("Plaza", Some("asked for"))), "record");
        assert_eq!(outcome_of(room, admin(STRANGER), &erase("Plaza", None)), "size");
        assert_eq!(outcome_of(room, admin(OWNER), &erase("Plaza", None)), "record", "their own");
    }
}

#[test]
fn nothing_happens_in_an_erased_room_but_that_people_go() {
    let mut room = room(Kind::Private);
    room.apply(&RoomEvent::Erased(Erased { reason: None }));
    assert_eq!(room.name, "");
    let limits = Limits::default();
    let posted = room.decide_post(asker(MEMBER), "hola", &[], &limits);
    assert_eq!(posted, Err(Rejection::RoomErased));
    for (caller, command, expected) in [
        (INVITED, RoomCommand::Join, "room-not-found"),
        (OWNER, RoomCommand::Rename { name: "Other".to_owned() }, "room-erased"),
        (OWNER, RoomCommand::Invite { user: user(STRANGER) }, "room-erased"),
        (STRANGER, RoomCommand::Join, "room-not-found"),
        (OWNER, RoomCommand::Create { kind: Kind::Private, name: "Plaza".to_owned() }, "room-erased"),
        (OWNER, RoomCommand::Erase { name: "Plaza".to_owned(), reason: None }, "already"),
        (OWNER, RoomCommand::Leave, "record"),
    ] {
        assert_eq!(outcome(&room, caller, &command), expected, "{caller} {command:?}");
    }
}

fn any_command() -> impl Strategy<Value = RoomCommand> {
    let someone = (0u8..6).prop_map(user);
    let role = prop::sample::select(Role::ALL.to_vec());
    prop_oneof![
        Just(RoomCommand::Create { kind: Kind::Private, name: "r".to_owned() }),
        Just(RoomCommand::Join),
        Just(RoomCommand::Leave),
        someone.clone().prop_map(|user| RoomCommand::Invite { user }),
        someone.clone().prop_map(|user| RoomCommand::Remove { user, reason: None }),
        (someone.clone(), role).prop_map(|(user, role)| RoomCommand::ChangeRole { user, role }),
        someone.clone().prop_map(|user| RoomCommand::Ban { user, until: None, reason: None }),
        someone.clone().prop_map(|user| RoomCommand::Unban { user }),
        someone.clone().prop_map(|user| RoomCommand::Mute { user, until: Some(LATER), reason: None }),
        someone.prop_map(|user| RoomCommand::Unmute { user }),
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
            if let Ok(Decision::Record(event)) = room.decide(asker(caller), &command, &limits) {
                room.apply(&event);
                if let Ok(Decision::Record(again)) = room.decide(asker(caller), &command, &limits) {
                    prop_assert!(false, "{command:?} again recorded {again:?}");
                }
            }
            let owners = room.members.values().filter(|member| member.role == Role::Owner).count();
            prop_assert!(room.members.is_empty() || owners > 0);
            prop_assert!(room.members.keys().all(|member| !room.invited.contains(member)));
            let inside = room.members.keys().chain(&room.invited);
            prop_assert!(inside.copied().all(|inside| !room.is_banned(inside, NOW)));
            prop_assert!(room.members.len() + room.invited.len() <= limits.room_members);
        }
    }
}
