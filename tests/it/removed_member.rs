//! Who is not in a room learns nothing of it (reliability: non-members, void messages).

use std::time::Duration;

use chasqui_bus::{
    BusRole, Log,
    log::Append,
    subject::{self, Lane},
};
use chasqui_client::Event;
use chasqui_events::{
    Envelope, RoomId, Text,
    message::{MessageEvent, Posted},
};
use chasqui_protocol::{
    Code,
    query::{Freshness, Page},
    timeline::Happening,
};
use chasqui_testkit::{Checker, Layout, Load, Person, Rule, Stack};
use pretty_assertions::assert_eq;

fn is_about(event: &Event, room: RoomId) -> bool {
    match event {
        Event::Item(item) | Event::Late(item) => item.room == room,
        Event::Receipts { room: of, .. }
        | Event::Typing { room: of, .. }
        | Event::RoomEntered { room: of, .. }
        | Event::RoomLeft { room: of }
        | Event::Void { room: of, .. } => *of == room,
        Event::Connected(_)
        | Event::Presence { .. }
        | Event::Erased { .. }
        | Event::Reset { .. }
        | Event::CaughtUp
        | Event::Refused(_)
        | Event::Disconnected { .. }
        | Event::Reconnected { .. }
        | Event::Stopped { .. } => false,
    }
}

fn left(room: RoomId) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::RoomLeft { room: of } if *of == room)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_gets_nothing_after_the_removal() {
    let stack = Stack::start().await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.room_with("weavers", &[&beto, &carla]).await;
    ana.says(room, "all of us").await;
    beto.sees_message(room, "all of us").await;

    ana.client.remove(room, beto.id).await.unwrap();
    beto.after(0, "being told of the removal", left(room)).await;
    let mark = beto.mark();
    let last = beto.items(room).pop().unwrap();
    assert!(matches!(last.what, Happening::Removed { user, .. } if user == beto.id), "{last:?}");

    talk_type_and_read(&ana, &carla, room, "without beto").await;
    beto.fence().await;
    let about: Vec<Event> =
        beto.events().split_off(mark).into_iter().filter(|event| is_about(event, room)).collect();
    assert_eq!(about, [], "a removed member was told of the room");
    let refused = beto.client.send(room, "let me in").await.unwrap_err();
    assert!(matches!(refused.problem().unwrap().code, Code::NotAMember | Code::RoomNotFound), "{refused:?}");
    let refused = beto.client.receipts(room, last.seq, Freshness::Latest).await;
    assert!(refused.is_err(), "a removed member could read receipts: {refused:?}");

    // Nor after a new connection with a cursor from before.
    let mark = beto.mark();
    beto.client.cut().await;
    beto.back_after(mark).await;
    talk_type_and_read(&ana, &carla, room, "still without beto").await;
    beto.fence().await;
    assert!(!beto.bodies(room).iter().any(|body| body.contains("without")), "{:?}", beto.bodies(room));
    Checker::new().seen_by(&[&ana, &beto, &carla]).check(&stack).await;
}

/// Somebody who was never in a room hears no message, no receipt, no typing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_learns_nothing() {
    let stack = Stack::start().await;
    let (ana, carla, dora) = (stack.user("ana").await, stack.user("carla").await, stack.user("dora").await);
    let room = ana.room_with("weavers", &[&carla]).await;
    // The edge has reason to know dora: she shares another room with ana.
    let other = ana.direct_with(&dora).await;
    talk_type_and_read(&ana, &carla, room, "between us").await;
    ana.says(other, "hello").await;
    dora.sees_message(other, "hello").await;
    dora.fence().await;
    let about: Vec<Event> = dora.events().into_iter().filter(|event| is_about(event, room)).collect();
    assert_eq!(about, []);
    for attempt in [
        dora.client.history(room, Page::Newest, None, Freshness::Any).await.map(drop),
        dora.client.members(room, None).await.map(drop),
        dora.client.conversation(room, Freshness::Any).await.map(drop),
    ] {
        let code = attempt.unwrap_err().problem().unwrap().code;
        assert!(matches!(code, Code::RoomNotFound | Code::NotAMember), "{code:?}");
    }
}

async fn talk_type_and_read(ana: &Person, carla: &Person, room: RoomId, body: &str) {
    ana.client.typing(room, true).await.unwrap();
    let seq = ana.says(room, body).await.position.unwrap().seq;
    carla.sees_message(room, body).await;
    carla.client.read(room, seq).await.unwrap();
    ana.read(room, carla.id, seq).await;
}

/// The announcement of a removal is lost on its way to the edge, and a message follows that was decided before the
/// removal and stored after it. It is void: whoever was shown it is told to forget it, and its author is told, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_does_not_stand_is_taken_back() {
    let stack = Stack::with(Layout::core_and_edges(1).lossy_nats("edge-1")).await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.room_with("weavers", &[&beto, &carla]).await;
    let basis = carla.items(room).last().unwrap().seq;
    stack.lossy("edge-1").lose(Rule::next(1, |message| {
        message.subject.starts_with("live.") && message.subject.rsplit('.').next() == Some("state")
    }));
    ana.client.remove(room, beto.id).await.unwrap();
    let id = beto.client.new_id();
    let event = MessageEvent::Posted(Posted {
        body: Text::Plain("too late".to_owned()),
        size: 8,
        replies_to: vec![],
    });
    let fact = Envelope { id, at: beto.client.now(), by: beto.id, basis, import: None, event };
    let log = Log::new(stack.bus(BusRole::CommandApi).await);
    log.append(Append::fact(subject::room(room, Lane::Msg), &fact)).await.unwrap();

    let told = |event: &Event| matches!(event, Event::Void { id: of, .. } if *of == id);
    beto.after(0, "being told that it does not stand", told).await;
    ana.says(room, "after").await;
    for other in [&ana, &carla] {
        other.sees_message(room, "after").await;
        if other.bodies(room).contains(&"too late".to_owned()) {
            other.after(0, "being told to forget it", told).await;
        }
    }
    let report = Checker::new().seen_by(&[&ana, &beto, &carla]).check(&stack).await;
    assert_eq!((report.standing, report.void), (1, 1));
}

/// Somebody posts without pause while being removed, again and again: each message stands for everybody, or is
/// refused, or is void for everybody and its author is told. Nothing in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posting_while_being_removed() {
    const ROUNDS: usize = 8;
    let stack = Stack::start().await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.room_with("weavers", &[&beto, &carla]).await;
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let mark = beto.mark();
        let load = Load::start(&[(&beto, room), (&carla, room)], Duration::from_millis(2));
        load.acked_further(10).await;
        ana.client.remove(room, beto.id).await.unwrap();
        beto.after(mark, "being told of the removal", left(room)).await;
        all.extend(load.stop().await);
        ana.client.invite(room, beto.id).await.unwrap();
        let mark = beto.mark();
        beto.client.join(room).await.unwrap();
        let entered = |event: &Event| matches!(event, Event::RoomEntered { room: of, .. } if *of == room);
        beto.after(mark, "coming back", entered).await;
    }
    assert!(all.iter().any(|sent| sent.outcome.is_err()), "nothing was said after a removal");
    let report = Checker::new().sent(all).seen_by(&[&ana, &beto, &carla]).check(&stack).await;
    assert!(report.standing > 0, "{report:?}");
}
