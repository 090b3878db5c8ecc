//! The proxies do what they say, in front of real servers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

use std::time::Duration;

use chasqui_testkit::{ChaosProxy, Direction, eventually, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// A server that repeats what it hears.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    port
}

async fn through(proxy: &ChaosProxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap()
}

async fn says(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; text.len()];
    within("an echo", stream.read_exact(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Everything until the connection is gone.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    within("the end of a connection", stream.read_to_end(&mut bytes)).await.ok();
    bytes
}

#[tokio::test]
async fn what_is_cut_ends_and_what_comes_after_goes_through() {
    let proxy = ChaosProxy::start(echo().await).await;
    let mut first = through(&proxy).await;
    assert_eq!(says(&mut first, "hola").await, "hola");
    proxy.cut_all();
    assert_eq!(rest(first).await, b"");
    let mut second = through(&proxy).await;
    assert_eq!(says(&mut second, "hola otra vez").await, "hola otra vez");
    assert_eq!((proxy.accepted(), proxy.bytes(Direction::Down)), (2, 17));
}

#[tokio::test]
async fn a_cut_falls_on_its_byte() {
    let proxy = ChaosProxy::start(echo().await).await;
    proxy.cut_next_after(Direction::Down, 5);
    proxy.cut_next_after(Direction::Up, 3);
    for expected in [&b"abcde"[..], b"abc"] {
        let mut stream = through(&proxy).await;
        stream.write_all(b"abcdefgh").await.unwrap();
        let heard = rest(stream).await;
        assert!(
            heard == expected || heard.is_empty() && expected.len() == 3,
            "{heard:?}, expected {expected:?}"
        );
    }
    assert_eq!(proxy.cuts_left(), 0);
    assert_eq!(proxy.bytes(Direction::Up), 8 + 3);
}

#[tokio::test]
async fn muted_is_lost_and_stalled_is_late() {
    const SHORT: Duration = Duration::from_millis(50);
    let proxy = ChaosProxy::start(echo().await).await;
    let mut stream = through(&proxy).await;
    proxy.mute(Direction::Down, true);
    stream.write_all(b"lost").await.unwrap();
    let mut answer = [0; 4];
    assert!(timeout(SHORT, stream.read_exact(&mut answer)).await.is_err());
    proxy.mute(Direction::Down, false);
    assert_eq!(says(&mut stream, "heard").await, "heard");

    // A piece that was awaited when the stall began still passes.
    proxy.stall(Direction::Down, true);
    assert_eq!(says(&mut stream, "piece").await, "piece");
    stream.write_all(b"late").await.unwrap();
    assert!(timeout(SHORT, stream.read_exact(&mut answer)).await.is_err());
    proxy.stall(Direction::Down, false);
    within("what is late", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"late");
}

#[tokio::test]
async fn refused_is_closed_at_once() {
    let proxy = ChaosProxy::start(echo().await).await;
    proxy.refuse(true);
    assert_eq!(rest(through(&proxy).await).await, b"");
    proxy.refuse(false);
    assert_eq!(says(&mut through(&proxy).await, "hola").await, "hola");
    let (port, refused) = (proxy.port(), Err("it still listens".to_owned()));
    drop(proxy);
    eventually("a dropped proxy to be gone", || async {
        TcpStream::connect(("127.0.0.1", port)).await.map_or(Ok(()), |_| refused.clone())
    })
    .await;
}
