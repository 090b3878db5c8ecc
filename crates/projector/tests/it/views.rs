//! What facts come to in the views, and who is told.

use chasqui_bus::{
    BusRole, Log,
    live::{Hint, Live},
    log::Append,
    subject,
};
use chasqui_events::{
    Partition, SessionId, Text, UserId,
    account::{AccountEvent, Deactivated},
    identity::{
        DirectClaimed, IdentityEvent, ProfileChanged, Registered, Renamed as NameChanged, RevocationReason,
        SessionOpened, SessionRevoked,
    },
    room::{MemberInvited, MemberLeft, MemberRemoved, MemberRoleChanged, Renamed, Role, RoomEvent},
};
use chasqui_protocol::{Happening, query::Standing};
use chasqui_read_model::{MemberStanding, Notice, NoticeKind, Stream};
use pretty_assertions::assert_eq;

use crate::harness::{LONG, Room, STREAM, Servers, bytes, fact, now, settled, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_room_with_its_people_its_messages_and_its_marks() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;

    let mut room = Room::create(&log).await;
    let (alice, bob) = (room.owner, room.join().await);
    let first = room.post(alice, "one").await;
    let carol = user();
    room.state(alice, RoomEvent::MemberInvited(MemberInvited { user: carol })).await;
    room.post(alice, "two").await;
    let third = room.post(alice, "three").await;
    room.receipt(bob, third, first).await;
    room.state(alice, RoomEvent::Renamed(Renamed { name: "Plaza Mayor".to_owned() })).await;
    room.state(alice, RoomEvent::MemberRoleChanged(MemberRoleChanged { user: bob, role: Role::Owner })).await;
    settled(&model, &log).await;

    let seen = &model.conversations(bob).await.unwrap()[0];
    assert_eq!((seen.unread, seen.read, seen.members, seen.role), (2, first, 2, Role::Owner));
    assert_eq!((seen.name.as_str(), seen.standing), ("Plaza Mayor", Standing::Joined));
    let last = seen.last.as_ref().unwrap();
    assert!(matches!(&last.what, Happening::Message { body, .. } if body == "three"), "{last:?}");
    let own = model.conversation(alice, room.id).await.unwrap().unwrap();
    assert_eq!((own.unread, own.read), (0, 0), "one's own posts are read, without a mark");
    let invited = model.conversation(carol, room.id).await.unwrap().unwrap();
    assert_eq!((invited.standing, invited.unread, invited.last), (Standing::Invited, 0, None));

    let receipts = model.receipts(room.id, first).await.unwrap();
    assert_eq!((receipts.delivered, receipts.read), (vec![bob], vec![bob]));
    let receipts = model.receipts(room.id, third).await.unwrap();
    assert_eq!((receipts.delivered, receipts.read), (vec![bob], vec![]));

    let fourth = room.post(bob, "four").await;
    room.state(bob, RoomEvent::MemberRemoved(MemberRemoved { user: carol, reason: None })).await;
    let left = room.state(alice, RoomEvent::MemberLeft(MemberLeft { user: alice })).await;
    settled(&model, &log).await;
    let bobs = model.conversation(bob, room.id).await.unwrap().unwrap();
    assert_eq!((bobs.unread, bobs.members), (0, 1), "who posts has read what was there");
    let gone = model.membership(room.id, alice).await.unwrap().unwrap();
    assert_eq!((gone.standing, gone.until), (MemberStanding::Left, Some(left)));
    assert_eq!(model.membership(room.id, carol).await.unwrap().unwrap().standing, MemberStanding::Removed);
    assert!(model.conversations(alice).await.unwrap().is_empty());
    let members = model.members(room.id, None, 10).await.unwrap();
    assert_eq!(members.members.iter().map(|member| member.user).collect::<Vec<_>>(), vec![bob]);

    let heads = model.room_heads(&[room.id]).await.unwrap()[&room.id];
    assert_eq!((heads.state, heads.msg, heads.held_at), (left, fourth, None));
    let since = model.heads_since(room.id.partition(), fourth).await.unwrap();
    assert_eq!((since.at, since.rooms), (left, vec![(room.id, heads)]));
    assert!(model.heads_since(room.id.partition(), left).await.unwrap().rooms.is_empty());
    assert_eq!(model.public_rooms("pLAZA m").await.unwrap()[0].room, room.id);
    assert!(model.public_rooms("plaza x").await.unwrap().is_empty());
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_comes_back_has_two_memberships() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let _projector = servers.projector().await;
    let mut room = Room::create(&log).await;
    let bob = room.join().await;
    let first = room.basis;
    let left = room.state(bob, RoomEvent::MemberLeft(MemberLeft { user: bob })).await;
    room.post(room.owner, "unseen").await;
    let again = RoomEvent::MemberJoined(chasqui_events::room::MemberJoined { user: bob });
    let second = room.state(bob, again).await;
    settled(&model, &log).await;
    let membership = model.membership(room.id, bob).await.unwrap().unwrap();
    assert_eq!((membership.since, membership.until, membership.earlier), (second, None, vec![(first, left)]));
    let unread = model.conversation(bob, room.id).await.unwrap().unwrap().unread;
    assert_eq!(unread, 0, "what was said while one was away is not unread");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_after_its_author_was_removed_is_void_and_so_is_a_repeated_one() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    let mut room = Room::create(&log).await;
    let bob = room.join().await;
    let basis = room.basis;
    // Decided while bob was in the room, stored when he was not any more.
    let removed = RoomEvent::MemberRemoved(MemberRemoved { user: bob, reason: None });
    room.state(room.owner, removed).await;
    let late = room.post_as(fact(bob, basis, crate::harness::posted("too late"))).await;
    // An id from long ago may come twice.
    let mut twice = fact(room.owner, room.basis, crate::harness::posted("once"));
    twice.id = chasqui_events::CommandId::new(chasqui_events::Timestamp(1), bytes());
    let once = room.post_as(twice.clone()).await;
    settled(&model, &log).await;
    // The broker forgets after two minutes; another message id stands for that.
    let mut append = Append::fact(subject::room(room.id, subject::Lane::Msg), &twice);
    append.id = crate::harness::command();
    let again = log.append(append).await.unwrap().seq;
    assert!(again > once);
    settled(&model, &log).await;
    let slice = model.timeline_after(room.id, room.basis, 10).await.unwrap();
    assert_eq!(slice.items.iter().map(|item| item.seq).collect::<Vec<_>>(), vec![once]);
    assert!(slice.complete && late < once);
    let found = model.message(room.id, room.owner, twice.id).await.unwrap().unwrap();
    assert_eq!(found.seq, once);
    projector.stop().await;
}

/// The broker keeps ids single for two minutes. Should it ever fail to, the store notices, and the second copy is
/// void like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_that_the_broker_let_through_does_not_stop_the_partition() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let _projector = servers.projector().await;
    let room = Room::create(&log).await;
    let said = fact(room.owner, room.basis, crate::harness::posted("once"));
    let once = room.post_as(said.clone()).await;
    settled(&model, &log).await;
    let mut again = Append::fact(subject::room(room.id, subject::Lane::Msg), &said);
    again.id = crate::harness::command();
    log.append(again).await.unwrap();
    let after = room.post(room.owner, "after").await;
    settled(&model, &log).await;
    let slice = model.timeline_after(room.id, room.basis, 10).await.unwrap();
    assert_eq!(slice.items.iter().map(|item| item.seq).collect::<Vec<_>>(), vec![once, after]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_begins_later_comes_to_the_same_verdict() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let mut room = Room::create(&log).await;
    let bob = room.join().await;
    let basis = room.basis;
    room.state(room.owner, RoomEvent::MemberRemoved(MemberRemoved { user: bob, reason: None })).await;
    let first = servers.projector().await;
    settled(&model, &log).await;
    first.stop().await;
    // The next worker has not seen the removal; it must read the lane.
    room.post_as(fact(bob, basis, crate::harness::posted("too late"))).await;
    let valid = room.post(room.owner, "valid").await;
    let _second = servers.projector().await;
    settled(&model, &log).await;
    let slice = model.timeline_after(room.id, room.basis, 10).await.unwrap();
    assert_eq!(slice.items.iter().map(|item| item.seq).collect::<Vec<_>>(), vec![valid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_names_sessions_and_pairs() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let _projector = servers.projector().await;
    let auth = Log::new(servers.bus(BusRole::Auth).await);
    let append = async |subject: String, by: UserId, event: IdentityEvent| {
        // Only the command side may claim the room of a pair.
        let log = if subject.starts_with("ident.direct") { &log } else { &auth };
        log.append(Append::fact(subject, &fact(by, 0, event))).await.unwrap().seq
    };
    let (alice, bob) = (user(), user());
    for (who, name) in [(alice, "Alice"), (bob, "Bob")] {
        let registered =
            Registered { user: who, name: Text::Plain(name.to_owned()), display_name: Text::EMPTY };
        append(subject::ident_name(&format!("{name}00")), who, IdentityEvent::Registered(registered)).await;
    }
    let profile = ProfileChanged { display_name: Text::Plain("Al".to_owned()) };
    append(subject::ident_user(alice), alice, IdentityEvent::ProfileChanged(profile)).await;
    let renamed = NameChanged { user: bob, name: Text::Plain("Bobby".to_owned()) };
    append(subject::ident_name("Bobby00"), bob, IdentityEvent::Renamed(renamed)).await;
    let session = SessionId::new(now(), bytes());
    let opened = SessionOpened { session, device: Text::Plain("test".to_owned()) };
    append(subject::ident_user(alice), alice, IdentityEvent::SessionOpened(opened)).await;
    let room = Room::direct(&log, alice, bob).await;
    let claimed = DirectClaimed { room: room.id, pair: [alice.min(bob), alice.max(bob)] };
    append(subject::ident_direct(alice, bob), alice, IdentityEvent::DirectClaimed(claimed)).await;
    settled(&model, &log).await;

    let found = model.user_by_name("Alice00").await.unwrap().unwrap();
    let text = |text: &str| Text::Plain(text.to_owned());
    assert_eq!((found.user, found.name, found.display_name), (alice, text("Alice"), text("Al")));
    assert_eq!(model.user_by_name("Carol00").await.unwrap(), None);
    assert_eq!(model.profile(bob).await.unwrap().unwrap().name, text("Bobby"));
    for token in ["Bobby00", "Bob00"] {
        let found = model.user_by_name(token).await.unwrap().unwrap();
        assert_eq!((found.user, found.name), (bob, text("Bobby")), "by {token}");
    }
    assert!(!model.profile(bob).await.unwrap().unwrap().deactivated);
    let gone = fact(bob, 0, AccountEvent::Deactivated(Deactivated { user: bob }));
    let at = auth.append(Append::fact(subject::ident_account(bob), &gone)).await.unwrap().seq;
    model.wait_for(Stream::Ident, at, LONG).await.unwrap();
    assert!(model.profile(bob).await.unwrap().unwrap().deactivated);
    assert_eq!(model.direct(bob, alice).await.unwrap(), Some(room.id));
    assert_eq!(model.conversation(bob, room.id).await.unwrap().unwrap().peer, Some(alice));
    assert_eq!(model.revoked_sessions(&[session]).await.unwrap(), vec![]);
    let revoked = SessionRevoked { session, reason: RevocationReason::LoggedOut };
    let at = append(subject::ident_user(alice), alice, IdentityEvent::SessionRevoked(revoked)).await;
    model.wait_for(Stream::Ident, at, LONG).await.unwrap();
    assert_eq!(model.revoked_sessions(&[session]).await.unwrap(), vec![session]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_after_the_commit() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let edge = Live::new(servers.bus(BusRole::WsEdge).await);
    let mut hints = edge.subscribe_notify_all().await.unwrap();
    edge.bus().flush().await.unwrap();
    let _projector = servers.projector().await;
    let mut room = Room::create(&log).await;
    let bob = room.join().await;
    for (who, at) in [(room.owner, room.basis - 1), (bob, room.basis)] {
        let hint = tokio::time::timeout(LONG, hints.recv()).await.unwrap().unwrap();
        let Hint::Notify { user, payload } = hint else { panic!("{hint:?}") };
        let notice = Notice::decode(&payload).unwrap();
        assert_eq!((user, notice), (who, Notice::of_room(NoticeKind::Joined, room.id, at)));
        assert!(model.stored_checkpoint(STREAM).await.unwrap().unwrap().pos >= at, "told before it was so");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_apart_and_rooms_stand_in_their_own() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    projector.ready().await;
    let zero = Partition::from_low_bits(0);
    let (here, there) = (Room::create(&log).await, Room::create_in(&log, zero).await);
    assert_eq!(here.basis, there.basis, "both are the first of their streams");
    settled(&model, &log).await;
    for room in [&here, &there] {
        let slice = model.timeline_after(room.id, 0, 10).await.unwrap();
        assert!(matches!(slice.items[0].what, Happening::Created { .. }));
        let since = model.heads_since(room.id.partition(), 0).await.unwrap();
        assert_eq!(since.rooms.iter().map(|(room, _)| *room).collect::<Vec<_>>(), vec![room.id]);
    }
}
