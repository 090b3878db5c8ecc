//! Republished facts and hints.

use bytes::Bytes;
use chasqui_bus::{
    Bus, BusEvent, BusRole, Log,
    live::{Hint, Live},
    log::Append,
    subject::{self, Lane},
};

use crate::harness::{Nats, post, room, soon, user};

#[tokio::test]
async fn every_lane_is_republished_with_its_predecessor() {
    let nats = Nats::start().await;
    let (log, here) = (nats.log().await, room());
    let edge = nats.bus(BusRole::WsEdge).await;
    let mut live = Live::new(edge.clone()).subscribe_room(here).await.unwrap();
    // An answer on the same connection: the subscription stands.
    Log::new(edge).partition_head(here.partition()).await.unwrap();

    let mut sent: Vec<(Lane, u64, u64, _, _)> = Vec::new();
    for lane in [Lane::State, Lane::Msg, Lane::Rcpt, Lane::Msg, Lane::State, Lane::Msg] {
        log.append(post(room(), "elsewhere")).await.unwrap();
        let append = Append { subject: subject::room(here, lane), ..post(here, "here") };
        let (id, payload) = (append.id, append.payload.clone());
        let seq = log.append(append).await.unwrap().seq;
        let prev = sent.iter().rev().find(|(other, ..)| *other == lane).map_or(0, |(_, seq, ..)| *seq);
        sent.push((lane, seq, prev, id, payload));
    }
    for (lane, seq, prev, id, payload) in sent {
        let fact = soon("a live fact", live.recv()).await.unwrap();
        assert_eq!((fact.room, fact.partition, fact.lane), (here, here.partition(), lane));
        assert_eq!((fact.seq, fact.prev), (seq, prev));
        assert_eq!((fact.msg_id, fact.payload), (Some(id), payload));
        assert!((crate::harness::now().since(fact.time)).abs() < 60_000);
    }
}

#[tokio::test]
async fn one_lane_of_all_rooms() {
    let nats = Nats::start().await;
    let log = nats.log().await;
    let mut live = Live::new(log.bus().clone()).subscribe_lane(Lane::State).await.unwrap();
    let rooms = [room(), room()];
    for room in rooms {
        log.append(post(room, "not this lane")).await.unwrap();
        log.append(Append { subject: subject::room(room, Lane::State), ..post(room, "this") }).await.unwrap();
    }
    for room in rooms {
        let fact = soon("a live fact", live.recv()).await.unwrap();
        assert_eq!((fact.room, fact.lane), (room, Lane::State));
    }
}

#[tokio::test]
async fn hints_reach_whom_they_concern() {
    let nats = Nats::start().await;
    let projector = Live::new(nats.bus(BusRole::Projector).await);
    let (one, other) = (nats.bus(BusRole::WsEdge).await, nats.bus(BusRole::WsEdge).await);
    let (me, plaza) = (user(), room());
    let listening = Live::new(one.clone());
    let mut notified = listening.subscribe_notify(me).await.unwrap();
    let mut typing = listening.subscribe_eph_room(plaza).await.unwrap();
    let mut presence = listening.subscribe_eph_user(me).await.unwrap();
    Log::new(one).head("CHAT_0").await.unwrap();

    let payload = Bytes::from_static(b"{}");
    projector.notify(user(), payload.clone()).await.unwrap();
    projector.notify(me, payload.clone()).await.unwrap();
    let other = Live::new(other);
    other.publish_eph_room(plaza, "typing", payload.clone()).await.unwrap();
    other.publish_eph_user(me, "presence", payload.clone()).await.unwrap();
    let hint = soon("the notice", notified.recv()).await.unwrap();
    assert_eq!(hint, Hint::Notify { user: me, payload: payload.clone() });
    let hint = soon("typing", typing.recv()).await.unwrap();
    assert_eq!(hint, Hint::Room { room: plaza, kind: "typing".to_owned(), payload: payload.clone() });
    let hint = soon("presence", presence.recv()).await.unwrap();
    assert_eq!(hint, Hint::User { user: me, kind: "presence".to_owned(), payload });
}

#[tokio::test]
async fn a_full_subscription_is_told() {
    let nats = Nats::start().await;
    let (log, here) = (nats.log().await, room());
    let mut settings = nats.settings(BusRole::WsEdge);
    settings.subscription_capacity = 4;
    let edge = Bus::connect(settings).await.unwrap();
    let mut events = edge.events();
    let mut live = Live::new(edge.clone()).subscribe_room(here).await.unwrap();
    Log::new(edge).partition_head(here.partition()).await.unwrap();
    for n in 0..10 {
        log.append(post(here, &n.to_string())).await.unwrap();
    }
    assert_eq!(soon("the event", events.recv()).await, Ok(BusEvent::SlowConsumer));
    // What is there is right, and the hole shows.
    let mut last = 0;
    for _ in 0..4 {
        let fact = live.recv().await.unwrap();
        assert_eq!(fact.prev, last);
        last = fact.seq;
    }
    let next = log.append(post(here, "after")).await.unwrap().seq;
    let fact = soon("the next", live.recv()).await.unwrap();
    assert_eq!(fact.seq, next);
    assert_ne!(fact.prev, last);
}
