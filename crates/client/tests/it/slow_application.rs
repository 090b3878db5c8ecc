//! An application that does not take its events.

use chasqui_client::{Event, Options};
use chasqui_events::Seq;
use chasqui_protocol::{ClientFrame, ServerFrame};
use pretty_assertions::assert_eq;

use crate::server::{Server, Visit, cursor, event, item, ok, options, room, soon};

/// What was acknowledged until the connection ended.
async fn acknowledged(visit: Visit) -> Seq {
    let (frames, _) = soon("the client to go", visit.hears_to_the_end()).await;
    let acks = frames.into_iter().map(|frame| match frame {
        ClientFrame::Ack { seq, .. } => seq,
        other => panic!("{other:?} is no acknowledgement"),
    });
    acks.max().unwrap_or(0)
}

/// The client holds no more than it may, goes on answering, acknowledges nothing that the application has no place for,
/// keeps its cursor where the application is, and resumes from there once there is room again.
#[tokio::test]
async fn nothing_is_lost_or_held_without_bound() {
    const ALL: Seq = 40;
    let server = Server::start().await;
    let slow = Options { event_capacity: 8, cursor: Some("at 0".to_owned()), ..options() };
    let (client, mut events) = server.client(slow);
    let mut visit = server.visit().await;
    for seq in 1..=ALL {
        visit.say(ServerFrame::Item(item(seq))).await;
    }
    // A cursor over what the application never got would lose it.
    visit.say(cursor("at 40")).await;
    visit.ping(b"are you there?").await;
    assert_eq!(client.cursor().as_deref(), Some("at 0"));
    let answer = client.submit_message(room(), "meanwhile", vec![]).await.unwrap();
    let sent = loop {
        match visit.hears().await {
            ClientFrame::Send(sent) => break sent,
            ClientFrame::Ack { seq, .. } => assert!(seq < 8, "{seq} was acknowledged, and nobody has it"),
            other => panic!("{other:?}"),
        }
    };
    visit.say(ok(sent.id, 41)).await;
    assert!(soon("the answer", answer.wait()).await.is_ok(), "answers need no room among the events");

    let mut seen = vec![];
    let mut acked = 0;
    assert!(matches!(event(&mut events).await, Event::Connected(_)));
    while seen.last() != Some(&ALL) {
        // Takes what there is; the client comes back when half of the room is free.
        while let Some(event) = events.try_next() {
            match event {
                Event::Item(item) => seen.push(item.seq),
                Event::Reconnected { resumed: true } => {}
                other => panic!("{other:?}"),
            }
        }
        if seen.last() == Some(&ALL) {
            break;
        }
        acked = acknowledged(visit).await.max(acked);
        visit = server.visit().await;
        assert_eq!(visit.hello.cursor.as_deref(), Some("at 0"));
        for seq in 1..=ALL {
            visit.say(ServerFrame::Item(item(seq))).await;
        }
        visit.ping(b"has it come?").await;
    }
    assert_eq!(seen, (1..=ALL).collect::<Vec<_>>());
    assert!(acked <= ALL);
}

/// One that has dropped its events takes everything, and its commands go on.
#[tokio::test]
async fn who_wants_no_events_is_not_waited_for() {
    let server = Server::start().await;
    let (client, events) = server.client(Options { event_capacity: 2, ..options() });
    drop(events);
    let mut visit = server.visit().await;
    for seq in 1..=10 {
        visit.say(ServerFrame::Item(item(seq))).await;
    }
    while visit.hears().await != (ClientFrame::Ack { room: room(), seq: 10 }) {}
    let answer = client.submit_message(room(), "hola", vec![]).await.unwrap();
    let sent = visit.hears_send().await;
    visit.say(ok(sent.id, 11)).await;
    assert!(soon("the answer", answer.wait()).await.is_ok());
    drop(visit);
    server.visit().await;
}
