//! Receipts say what happened (reliability: watermarks only rise, delivered only after the client's
//! acknowledgement).

use chasqui_client::{Connection, SocketLimits};
use chasqui_protocol::{ClientFrame, Codec, ServerFrame, command::Read, query::Freshness};
use chasqui_testkit::{Checker, Role, Stack, within};
use pretty_assertions::assert_eq;
use serde_json::json;

/// A device that has been sent a message and has not acknowledged it: nobody is told that it was delivered. What it
/// then acknowledges counts, up to what it was sent and never down again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_is_what_was_acknowledged() {
    let stack = Stack::start().await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.room_with("weavers", &[&beto, &carla]).await;
    beto.client.close().await;
    let mut device = Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await.unwrap();
    device.hello(&beto.token().await, None, None).await.unwrap();
    // Without a cursor, what is said before this is for a query to read.
    within("the device is live", until(&mut device, |frame| matches!(frame, ServerFrame::CaughtUp {}))).await;

    let mut places = Vec::new();
    for number in 0..3 {
        let seq = ana.says(room, &format!("number {number}")).await.position.unwrap().seq;
        let brings = |frame: &ServerFrame| matches!(frame, ServerFrame::Item(item) if item.seq == seq);
        within("the message", until(&mut device, brings)).await;
        // Marks of one moment are told together: had beto's been noted, it would have come with carla's.
        ana.delivered(room, carla.id, seq).await;
        places.push(seq);
    }
    assert_eq!(ana.marks(room, beto.id).delivered, 0, "delivered without an acknowledgement");

    device.send(&ClientFrame::Ack { room, seq: places[1] }).await.unwrap();
    ana.delivered(room, beto.id, places[1]).await;
    device.send(&ClientFrame::Ack { room, seq: places[0] }).await.unwrap();
    device.send(&ClientFrame::Read(Read { room, seq: places[0] })).await.unwrap();
    ana.read(room, beto.id, places[0]).await;
    let marks = ana.marks(room, beto.id);
    assert_eq!((marks.delivered, marks.read), (places[1], places[0]));
    device.send(&ClientFrame::Ack { room, seq: u64::MAX }).await.unwrap();
    ana.delivered(room, beto.id, places[2]).await;

    let receipts = ana.client.receipts(room, places[2], Freshness::Latest).await.unwrap();
    let mark = receipts.marks.iter().find(|mark| mark.user == beto.id).unwrap();
    assert!(mark.delivered >= places[2] && mark.delivered < u64::MAX, "{mark:?}");
    assert_eq!(mark.read, places[0]);
    Checker::new().seen_by(&[&ana, &carla]).check(&stack).await;
}

/// Whoever says that they have read nothing yet changes nothing: what is known of them stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_at_the_beginning_changes_nothing() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.room_with("weavers", &[&beto]).await;
    let token = beto.token().await;
    for command in ["read", "delivered"] {
        let url = stack.url(Role::CommandApi, &format!("/v1/commands/{command}"));
        let mark = json!({"room": room, "seq": 0});
        let answer = stack.http().post(url).bearer_auth(&token).json(&mark).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let seq = ana.says(room, "hola").await.position.unwrap().seq;
    ana.delivered(room, beto.id, seq).await;
    let shown = beto.client.conversation(room, Freshness::Latest).await.unwrap();
    assert_eq!((shown.members, shown.unread), (2, 1));
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

async fn until(device: &mut Connection, wanted: impl Fn(&ServerFrame) -> bool) {
    while !wanted(&device.next().await.unwrap()) {}
}
