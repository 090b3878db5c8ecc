//! A fact that cannot be read holds its room, and nothing else; and is healed by who can read it.

use chasqui_bus::{BusRole, log::Append, subject};
use chasqui_events::{
    Seq, Text,
    identity::{IdentityEvent, ProfileChanged, Registered},
    room::{Renamed, RoomEvent},
};
use chasqui_projector::admin;
use chasqui_protocol::query::Page;
use chasqui_read_model::{
    Checkpoint, Stream, Version, Visible,
    fold::{Batch, Fold, Lane, LogFact, Source, Undecodable},
    projection::Writer,
    view::parked,
};
use pretty_assertions::assert_eq;

use crate::harness::{PARTITIONS, Room, STREAM, Servers, fact, now, settled, user};

#[tokio::test(flavor = "multi_thread")]
async fn it_parks_its_room_only_and_says_so() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    let (mut room, other) = (Room::create(&log).await, Room::create(&log).await);
    let good = room.post(room.owner, "good").await;
    let poison = room.poison().await;
    let held = room.post(room.owner, "held").await;
    room.state(room.owner, RoomEvent::Renamed(Renamed { name: "held too".to_owned() })).await;
    let flows = other.post(other.owner, "flows").await;
    settled(&model, &log).await;

    let slice = model.timeline_after(other.id, other.basis, 10).await.unwrap();
    assert_eq!((slice.items[0].seq, slice.held_at), (flows, None));
    for hot in [true, false] {
        let slice = model.timeline_after(room.id, room.basis.min(good) - 1, 10).await.unwrap();
        assert_eq!((slice.items.last().unwrap().seq, slice.held_at), (good, Some(poison)), "hot: {hot}");
        let history = model.history(room.id, Page::Newest, 10, Visible::ALL).await.unwrap();
        assert_eq!(history.held_at, Some(poison));
        servers.redis().await.say("FLUSHALL").await;
    }
    let heads = model.room_heads(&[room.id]).await.unwrap()[&room.id];
    assert_eq!((heads.msg, heads.state, heads.held_at), (held, room.basis, Some(poison)));
    let report = admin::list(model.store(), &log, PARTITIONS).await.unwrap();
    let stream = report[0].streams.iter().find(|report| report.stream == STREAM).unwrap();
    assert_eq!((stream.parked[0].at, stream.parked[0].held, stream.lag()), (poison, 2, 0));
    assert!(stream.parked[0].reason.contains("message.sung"), "{}", stream.parked[0].reason);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_healed_in_order_by_a_program_that_can_read_it() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let first = servers.projector().await;
    let (mut room, other) = (Room::create(&log).await, Room::create(&log).await);
    let bob = room.join().await;
    let mut expected = vec![room.basis - 2, room.basis];
    expected.push(room.post(room.owner, "good").await);
    settled(&model, &log).await;
    first.stop().await;

    // More than fits into one transaction of a healing.
    let unreadable = room.post(room.owner, "of another time").await;
    expected.push(unreadable);
    for n in 0..450 {
        expected.push(room.post(bob, &n.to_string()).await);
    }
    room.receipt(room.owner, unreadable, unreadable).await;
    expected.push(room.state(room.owner, RoomEvent::Renamed(Renamed { name: "healed".to_owned() })).await);
    other.post(other.owner, "flows").await;
    older_program(&servers, unreadable).await;
    // It wrote no hot set; whoever knows of its checkpoint does not ask an older one.
    model.stored_checkpoint(STREAM).await.unwrap();
    let slice = model.timeline_after(room.id, 0, 1000).await.unwrap();
    assert_eq!((slice.items.len(), slice.held_at), (3, Some(unreadable)));

    let newer = servers.projector().await;
    newer.ready().await;
    let slice = model.timeline_after(room.id, 0, 1000).await.unwrap();
    assert_eq!(slice.items.iter().map(|item| item.seq).collect::<Vec<_>>(), expected);
    assert_eq!(slice.held_at, None);
    let seen = model.conversation(room.owner, room.id).await.unwrap().unwrap();
    assert_eq!((seen.name.as_str(), seen.unread, seen.read), ("healed", 450, unreadable));
    assert!(parked::load(model.store(), Version::FIRST, STREAM).await.unwrap().is_empty());
    newer.stop().await;
}

/// Folds what is new as a program that cannot read one of the facts.
pub(crate) async fn older_program(servers: &Servers, unreadable: Seq) {
    let (log, model) = (servers.log().await, servers.model().await);
    let head = log.head(&STREAM.to_string()).await.unwrap();
    let (writer, from) =
        Writer::claim(model.store(), Version::FIRST, STREAM, head.incarnation, now(), None).await.unwrap();
    let mut facts = vec![];
    let mut next = from.pos + 1;
    while let Some(stored) = log.next(&STREAM.to_string(), next, "chat.>").await.unwrap() {
        next = stored.seq + 1;
        let place = subject::parse(&stored.subject).unwrap();
        let lane = match place.lane {
            subject::Lane::State => Lane::State,
            subject::Lane::Msg => Lane::Msg,
            subject::Lane::Rcpt => Lane::Rcpt,
        };
        let body = stored.decode().map_err(Undecodable::from);
        facts.push(LogFact {
            seq: stored.seq,
            source: Source::Room(place.room, lane),
            time: stored.time,
            fingerprint: stored.fingerprint(),
            body: if stored.seq == unreadable { Err(Undecodable("too new".to_owned())) } else { body },
        });
    }
    let mut fold = Fold::new(STREAM, from.pos, vec![], 10);
    let mut batch = Batch::new();
    for wants in [Fold::wants_rooms, Fold::wants] {
        let wants = wants(&fold, &facts);
        fold.admit(writer.load(&wants).await.unwrap());
    }
    for fact in &facts {
        fold.step(&mut batch, fact).unwrap();
    }
    let last = facts.last().unwrap();
    let to = Checkpoint { pos: last.seq, fingerprint: last.fingerprint, ..from };
    writer.commit(&fold.finish(batch), from.pos, &to).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_identity_stream_it_holds_its_subject_only() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let _projector = servers.projector().await;
    let (alice, bob) = (user(), user());
    let name = |who, name: &str| {
        let registered =
            Registered { user: who, name: Text::Plain(name.to_owned()), display_name: Text::EMPTY };
        Append::fact(subject::ident_name(name), &fact(who, 0, IdentityEvent::Registered(registered)))
    };
    let auth = chasqui_bus::Log::new(servers.bus(BusRole::Auth).await);
    let mut broken = name(alice, "alice");
    broken.payload = broken.payload[..20].to_vec().into();
    auth.append(broken).await.unwrap();
    auth.append(name(bob, "bob")).await.unwrap();
    let profile = ProfileChanged { display_name: Text::Plain("B".to_owned()) };
    let profile = fact(bob, 0, IdentityEvent::ProfileChanged(profile));
    auth.append(Append::fact(subject::ident_user(bob), &profile)).await.unwrap();
    settled(&model, &log).await;
    assert_eq!(model.user_by_name("alice").await.unwrap(), None);
    assert_eq!(model.user_by_name("bob").await.unwrap().unwrap().display_name, Text::Plain("B".to_owned()));
    let report = admin::list(model.store(), &log, PARTITIONS).await.unwrap();
    let ident = report[0].streams.iter().find(|report| report.stream == Stream::Ident).unwrap();
    assert_eq!(ident.parked.len(), 1);
}
