//! What Redis holds may be lost at any time (reliability: FLUSHALL is served slower, never wrong).

use std::time::Duration;

use chasqui_protocol::query::{Freshness, Page};
use chasqui_testkit::{Checker, Layout, Load, Message, Stack};
use pretty_assertions::assert_eq;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn flush(stack: &Stack) {
    let mut connection = TcpStream::connect(stack.redis().address()).await.unwrap();
    connection.write_all(b"FLUSHALL\r\n").await.unwrap();
    let mut answer = [0; 5];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

/// Flushed again and again while people talk, are cut off and come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushed_under_load() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let load = Load::start(&[(&ana, room), (&beto, room)], Duration::from_millis(10));
    for _ in 0..5 {
        load.acked_further(30).await;
        flush(&stack).await;
        let mark = beto.mark();
        beto.client.cut().await;
        beto.back_after(mark).await;
    }
    let sent = load.stop().await;
    Checker::new().sent(sent).seen_by(&[&ana, &beto]).check(&stack).await;
}

/// Nothing is said after the flush, so nothing refills Redis: queries and resumes are answered all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushed_and_then_silence() {
    // Without the tick nobody but the resume asks for heads.
    let stack = Stack::with(Layout::one_process().set("edge.tick_ms", 60_000)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let mut last = None;
    for number in 0..10 {
        last = ana.says(room, &format!("number {number}")).await.position;
    }
    beto.sees_message(room, "number 9").await;
    let fresh = Freshness::AtLeast(last.unwrap());
    let before = beto.client.history(room, Page::Newest, None, fresh).await.unwrap();
    let cursor = beto.client.cursor();
    beto.client.close().await;
    let position = ana.says(room, "missed").await.position.unwrap();
    ana.client.history(room, Page::Newest, None, Freshness::AtLeast(position)).await.unwrap();

    flush(&stack).await;
    let options = chasqui_client::Options { cursor, ..chasqui_testkit::Person::options() };
    let later = beto.device(stack.edge(), options).await;
    later.sees_message(room, "missed").await;
    let history = later.client.history(room, Page::Newest, None, Freshness::Any).await.unwrap();
    assert_eq!(history.items[..before.items.len()], before.items[..]);
    assert_eq!(history.items.last().and_then(Message::of).unwrap().body, "missed");
    let conversation = later.client.conversation(room, Freshness::Any).await.unwrap();
    assert_eq!(conversation.last.unwrap().preview, "missed");
    Checker::new().seen_by(&[&ana]).check(&stack).await;
}

/// A Redis that hangs costs its timeout, not the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stands_still() {
    let stack = Stack::with(Layout::one_process().set("redis.timeout_ms", 200)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    stack.redis().pause().unwrap();
    let position = ana.says(room, "while Redis hangs").await.position.unwrap();
    beto.sees_message(room, "while Redis hangs").await;
    let history = beto.client.history(room, Page::Newest, None, Freshness::AtLeast(position)).await.unwrap();
    assert_eq!(history.items.last().unwrap().seq, position.seq);
    let mark = beto.mark();
    beto.client.cut().await;
    beto.back_after(mark).await;
    stack.redis().resume().unwrap();
    ana.says(room, "and after").await;
    beto.sees_message(room, "and after").await;
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}
