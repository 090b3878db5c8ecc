//! Signs of life, and peers that give none.

use std::time::{Duration, Instant};

use chasqui_client::{Event, Options};
use chasqui_protocol::{ClientFrame, ServerFrame, frame::Welcome};
use pretty_assertions::assert_eq;
use tokio_tungstenite::tungstenite::Message;

use crate::server::{Server, disconnected, event, ok, options, room, soon, welcome};

/// Long enough that a slow machine is not taken for a dead peer.
const PING: Duration = Duration::from_millis(500);

fn quick() -> Welcome {
    Welcome { ping_interval_ms: 500, ..welcome() }
}

fn resuming() -> Options {
    Options { cursor: Some("c".to_owned()), ..options() }
}

#[tokio::test]
async fn pings_are_answered() {
    let server = Server::start().await;
    let (_client, _events) = server.client(resuming());
    let mut visit = server.visit().await;
    visit.ping(b"1").await;
    visit.ping(b"2").await;
}

/// A peer that is silent is asked; one that answers is kept, one that does not is left after three intervals.
#[tokio::test]
async fn a_half_open_peer_is_asked_and_left() {
    let server = Server::start().await;
    let (client, mut events) = server.client(resuming());
    let mut visit = server.hello().await;
    visit.welcome(quick()).await;
    event(&mut events).await;
    for _ in 0..2 {
        let asked = visit.hears().await;
        assert_eq!(asked, ClientFrame::Ping(0));
        visit.say(ServerFrame::Pong(0)).await;
    }
    let answer = client.submit_message(room(), "hola", vec![]).await.unwrap();
    visit.hears_send().await;
    // From here on the network swallows everything.
    let since = Instant::now();
    let (why, _) = disconnected(&mut events).await;
    assert!(why.contains("nothing heard"), "{why}");
    assert!(since.elapsed() >= PING, "left after {:?}", since.elapsed());
    let mut again = server.visit().await;
    assert_eq!(again.hello.cursor.as_deref(), Some("c"));
    let sent = again.hears_send().await;
    assert!(sent.retry);
    again.say(ok(sent.id, 1)).await;
    assert!(soon("the answer", answer.wait()).await.is_ok());
}

#[tokio::test]
async fn who_pings_is_alive() {
    let server = Server::start().await;
    let (_client, mut events) = server.client(resuming());
    let mut visit = server.hello().await;
    visit.welcome(quick()).await;
    assert!(matches!(event(&mut events).await, Event::Connected(_)));
    // Longer than the silence that would end it, with pings in each interval.
    let since = Instant::now();
    while since.elapsed() < PING * 5 {
        tokio::time::sleep(PING / 5).await;
        visit.ping(b"still here").await;
    }
    assert_eq!(events.try_next(), None);
}

/// A dead peer takes no bytes either: once the buffers on the way are full, the client hangs in the middle of a frame.
#[tokio::test]
async fn a_peer_that_takes_nothing_is_left_too() {
    let server = Server::start().await;
    let (client, mut events) = server.client(resuming());
    let mut visit = server.hello().await;
    visit.welcome(quick()).await;
    event(&mut events).await;
    // More than the kernel takes in; the server reads none of it.
    let large = "x".repeat(1 << 20);
    let mut answers = vec![];
    for _ in 0..32 {
        answers.push(client.submit_message(room(), large.clone(), vec![]).await.unwrap());
    }
    let (why, _) = disconnected(&mut events).await;
    assert!(why.contains("took nothing"), "{why}");
    drop(visit);
    let mut again = server.visit().await;
    for answer in &answers {
        assert_eq!(again.hears_send().await.id, answer.id());
    }
}

/// A server that is newer than the client has frames that the client does not know: they are passed over.
#[tokio::test]
async fn frames_of_a_newer_server_are_passed_over() {
    let server = Server::start().await;
    let (_client, mut events) = server.client(resuming());
    let mut visit = server.visit().await;
    event(&mut events).await;
    visit.say_anything(Message::text(r#"{"reaction":{"room":"here","of":[1,2]}}"#)).await;
    visit.say(ServerFrame::CaughtUp {}).await;
    assert_eq!(event(&mut events).await, Event::CaughtUp);
}
