//! Connections that are lost, and how the client comes back.

use std::time::{Duration, Instant};

use chasqui_client::{Event, Options, SocketLimits};
use chasqui_protocol::{ClientFrame, ServerFrame};
use pretty_assertions::assert_eq;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use crate::server::{Server, cursor, disconnected, event, item, options, room, soon, welcome};

#[tokio::test]
async fn it_comes_back_with_its_cursor_and_drops_what_it_has() {
    let server = Server::start().await;
    let (client, mut events) = server.client(options());
    let mut visit = server.visit().await;
    assert_eq!((visit.hello.cursor.as_deref(), visit.hello.token.as_str()), (None, "a token"));
    assert_eq!(event(&mut events).await, Event::Connected(welcome()));
    visit.say(ServerFrame::Item(item(5))).await;
    assert_eq!(visit.hears().await, ClientFrame::Ack { room: room(), seq: 5 });
    visit.say(cursor("at 5")).await;
    visit.say(ServerFrame::Item(item(6))).await;
    assert_eq!(visit.hears().await, ClientFrame::Ack { room: room(), seq: 6 });
    drop(visit);

    for seq in [5, 6] {
        assert_eq!(event(&mut events).await, Event::Item(item(seq)));
    }
    disconnected(&mut events).await;
    let mut visit = server.visit().await;
    assert_eq!(visit.hello.cursor.as_deref(), Some("at 5"));
    assert_eq!(client.cursor().as_deref(), Some("at 5"));
    assert_eq!(event(&mut events).await, Event::Reconnected { resumed: true });
    visit.say(ServerFrame::Item(item(6))).await;
    assert_eq!(visit.hears().await, ClientFrame::Ack { room: room(), seq: 6 }, "else the cursor never moves");
    visit.say(ServerFrame::Item(item(9))).await;
    assert_eq!(event(&mut events).await, Event::Item(item(9)), "and not 6 once more");
}

#[tokio::test]
async fn a_cursor_of_an_earlier_run_is_shown_at_once() {
    let server = Server::start().await;
    let (_client, _events) = server.client(Options { cursor: Some("kept".to_owned()), ..options() });
    assert_eq!(server.visit().await.hello.cursor.as_deref(), Some("kept"));
}

/// Pauses double from the shortest to the longest, each with as much again by chance at the most; they are kept; and
/// they begin anew after a connection that worked.
#[tokio::test]
async fn pauses_grow_until_a_connection_works() {
    let server = Server::start().await;
    let (_client, mut events) = server.client(options());
    drop(server.socket().await);
    let mut paused_since = Instant::now();
    for doubled in [10, 20, 40, 80, 80] {
        let (_, pause) = disconnected(&mut events).await;
        let least = Duration::from_millis(doubled);
        // What is told is in whole milliseconds.
        assert!(
            pause + Duration::from_millis(1) >= least && pause <= least * 2,
            "{pause:?}, expected {least:?}"
        );
        let again = server.socket().await;
        assert!(
            paused_since.elapsed() >= pause,
            "came after {:?} instead of {pause:?}",
            paused_since.elapsed()
        );
        paused_since = Instant::now();
        drop(again);
    }
    disconnected(&mut events).await;
    for round in 0..3 {
        drop(server.visit().await);
        assert!(matches!(event(&mut events).await, Event::Connected(_) | Event::Reconnected { .. }));
        if round > 0 {
            assert_eq!(event(&mut events).await, Event::Reset { reason: None });
        }
        let (why, pause) = disconnected(&mut events).await;
        assert!(pause <= Duration::from_millis(20), "{why}: {pause:?} after a connection that worked");
    }
}

#[tokio::test]
async fn nonsense_and_half_a_frame_end_the_connection_and_nothing_else() {
    let server = Server::start().await;
    let limits = SocketLimits { max_frame: 10_000, ..SocketLimits::default() };
    let (client, mut events) =
        server.client(Options { cursor: Some("kept".to_owned()), limits, ..options() });
    let texts = ["", "{", "[]", "null", r#"{"item":{}}"#, r#"{"cursor":{"cursor":7}}"#, "\u{0}"];
    let mut nonsense: Vec<Message> = texts.into_iter().map(Message::text).collect();
    nonsense.push(Message::binary(vec![0xff; 100]));
    nonsense.push(Message::text("x".repeat(20_000)));
    for message in nonsense {
        let mut visit = server.visit().await;
        assert_eq!(visit.hello.cursor.as_deref(), Some("kept"), "before {message:?}");
        assert!(matches!(
            event(&mut events).await,
            Event::Connected(_) | Event::Reconnected { resumed: true }
        ));
        visit.say_anything(message).await;
        disconnected(&mut events).await;
    }
    let visit = server.visit().await;
    assert_eq!(event(&mut events).await, Event::Reconnected { resumed: true });
    visit.break_off().await;
    disconnected(&mut events).await;
    let mut visit = server.visit().await;
    visit.say(ServerFrame::Item(item(1))).await;
    assert_eq!(event(&mut events).await, Event::Reconnected { resumed: true });
    assert_eq!(event(&mut events).await, Event::Item(item(1)));
    assert_eq!(client.user(), Some(welcome().user));
}

#[tokio::test]
async fn a_server_that_is_no_chasqui_is_told_of_and_tried_again() {
    let server = Server::start().await;
    let (_client, mut events) = server.client(options());
    let answers = [
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200"),
        ("220 smtp.example ESMTP\r\n", "ws://127.0.0.1"),
    ];
    for (answer, says) in answers {
        let mut socket = server.socket().await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let (why, _) = disconnected(&mut events).await;
        assert!(why.contains(says) || says.starts_with("ws"), "{why}");
    }
    let _visit = server.visit().await;
    assert_eq!(event(&mut events).await, Event::Connected(welcome()));
}

/// Neither the handshake nor the hello is waited for without an end.
#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let server = Server::start().await;
    let limits = SocketLimits { connect_timeout: Duration::from_secs(1), ..SocketLimits::default() };
    let (_client, mut events) = server.client(Options { limits, ..options() });
    let _never_answered = server.socket().await;
    let (why, _) = disconnected(&mut events).await;
    assert!(why.contains("did not answer within 1s"), "{why}");
    let _never_welcomed = server.hello().await;
    let (why, _) = disconnected(&mut events).await;
    assert!(why.contains("did not answer within 1s"), "{why}");
    let _visit = server.visit().await;
    assert_eq!(event(&mut events).await, Event::Connected(welcome()));
}

#[tokio::test]
async fn it_can_be_ended_while_it_waits_to_come_back() {
    let server = Server::start().await;
    let forever = Duration::from_hours(1);
    let (client, mut events) =
        server.client(Options { backoff_min: forever, backoff_max: forever, ..options() });
    drop(server.socket().await);
    disconnected(&mut events).await;
    client.close().await;
    assert!(matches!(event(&mut events).await, Event::Stopped { code: None, .. }));
    assert_eq!(soon("the end", events.next()).await, None);
}
