//! Every code that the server closes with, and what the client makes of it.

use std::time::{Duration, Instant};

use chasqui_client::{Event, Options};
use chasqui_protocol::{CloseCode, close::Reconnect};
use pretty_assertions::assert_eq;

use crate::server::{Server, disconnected, event, options, soon};

fn resuming() -> Options {
    Options { cursor: Some("c".to_owned()), ..options() }
}

fn with(reconnect: &[Reconnect]) -> impl Iterator<Item = CloseCode> {
    CloseCode::ALL.iter().copied().filter(|code| reconnect.contains(&code.reconnect()))
}

#[tokio::test]
async fn bye_says_how_long_to_stay_away() {
    let server = Server::start().await;
    let (_client, mut events) = server.client(resuming());
    let visit = server.visit().await;
    event(&mut events).await;
    let since = Instant::now();
    visit.bye(CloseCode::GoingAway, 600).await;
    let (_, pause) = disconnected(&mut events).await;
    assert!(pause >= Duration::from_millis(600) && pause < Duration::from_millis(700), "{pause:?}");
    let visit = server.visit().await;
    assert!(since.elapsed() >= Duration::from_millis(600), "came after {:?}", since.elapsed());
    event(&mut events).await;
    // It holds for one return.
    visit.close(CloseCode::GoingAway.code()).await;
    let (_, pause) = disconnected(&mut events).await;
    assert!(pause < Duration::from_millis(100), "{pause:?}");
}

#[tokio::test]
async fn codes_after_which_it_does_not_come_back() {
    let mut codes = 0;
    for code in with(&[Reconnect::No]) {
        let server = Server::start().await;
        let (client, mut events) = server.client(resuming());
        let mut visit = server.visit().await;
        event(&mut events).await;
        let answer = client.submit_message(crate::server::room(), "hola", vec![]).await.unwrap();
        visit.hears_send().await;
        visit.bye(code, 0).await;
        let stopped = event(&mut events).await;
        assert!(matches!(&stopped, Event::Stopped { code: Some(of), .. } if *of == code), "{stopped:?}");
        assert_eq!(soon("the end", events.next()).await, None);
        assert_eq!(answer.wait().await, Err(chasqui_client::ClientError::Stopped));
        codes += 1;
    }
    assert_eq!(codes, 3);
}

/// At once: the pause is the shortest each time. Later: it grows, although each connection had worked.
#[tokio::test]
async fn codes_after_which_it_comes_back_at_once_or_later() {
    for code in with(&[Reconnect::Yes, Reconnect::Later]) {
        let server = Server::start().await;
        let (_client, mut events) = server.client(resuming());
        for round in 0..4_u32 {
            let visit = server.visit().await;
            event(&mut events).await;
            visit.bye(code, 0).await;
            let (why, pause) = disconnected(&mut events).await;
            assert!(why.contains(&code.code().to_string()), "{why}");
            let doubled = if code.reconnect() == Reconnect::Later { 10 << round } else { 10 };
            let least = Duration::from_millis(doubled);
            assert!(pause + Duration::from_millis(1) >= least && pause <= least * 2, "{code:?}: {pause:?}");
        }
    }
}

/// A code that is not in the table, none at all, and the standard ones.
#[tokio::test]
async fn after_a_code_that_it_does_not_know_it_comes_back() {
    let server = Server::start().await;
    let (_client, mut events) = server.client(resuming());
    for code in [1000, 1011, 4999] {
        let visit = server.visit().await;
        event(&mut events).await;
        visit.close(code).await;
        let (why, _) = disconnected(&mut events).await;
        assert!(why.contains(&code.to_string()), "{why}");
    }
    let _visit = server.visit().await;
}

#[tokio::test]
async fn ended_by_the_application_it_says_goodbye() {
    let server = Server::start().await;
    let (client, mut events) = server.client(resuming());
    let visit = server.visit().await;
    event(&mut events).await;
    client.close().await;
    let (frames, _) = visit.hears_to_the_end().await;
    assert_eq!(frames, []);
    assert!(matches!(event(&mut events).await, Event::Stopped { code: None, .. }));
    // So it does when nobody holds it any more.
    let (client, mut events) = server.client(resuming());
    let visit = server.visit().await;
    event(&mut events).await;
    drop(client);
    visit.hears_to_the_end().await;
    // Nobody is left who would be told; the events may just end.
    while let Some(last) = soon("the end", events.next()).await {
        assert!(matches!(last, Event::Stopped { code: None, .. }), "{last:?}");
    }
}
