//! Cursors that cannot be used: never a guess, never silence, always an explicit reset.

use chasqui_client::{Connection, Event, Options, SocketLimits};
use chasqui_protocol::{Codec, ServerFrame, frame::ResetReason};
use chasqui_testkit::{Checker, Layout, Person, Stack, within};
use pretty_assertions::assert_eq;

/// What the edge answers to a hello with this cursor, up to `caught_up`.
async fn hello(stack: &Stack, person: &Person, cursor: &str) -> (bool, Vec<ServerFrame>) {
    let mut connection = Connection::open(&stack.edge(), Codec::Json, SocketLimits::default()).await.unwrap();
    let welcome = connection.hello(&person.token().await, Some(cursor), None).await.unwrap();
    let mut frames = Vec::new();
    loop {
        match within("the end of catching up", connection.next()).await.unwrap() {
            ServerFrame::CaughtUp {} => return (welcome.resumed, frames),
            frame => frames.push(frame),
        }
    }
}

fn resets(frames: &[ServerFrame]) -> Vec<ResetReason> {
    let reason = |frame: &ServerFrame| match frame {
        ServerFrame::Reset { reason } => Some(*reason),
        _ => None,
    };
    frames.iter().filter_map(reason).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_cursor_is_answered_with_a_reset() {
    let stack = Stack::start().await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    ana.says(room, "before").await;
    let good = beto.client.cursor().unwrap();
    let long = "A".repeat(20_000);
    for bad in ["", "nonsense", "🪢🪢🪢", &good[..good.len() - 2], &format!("{good}AA"), &long] {
        let (resumed, frames) = hello(&stack, &beto, bad).await;
        assert!(!resumed, "{bad:?} was taken for a cursor");
        assert_eq!(resets(&frames), [ResetReason::Malformed], "{bad:?}");
        let pushed = frames.iter().any(|frame| matches!(frame, ServerFrame::Item(_)));
        assert!(!pushed, "after a reset the past comes by queries only: {frames:?}");
    }
    let (resumed, frames) = hello(&stack, &beto, &good).await;
    assert!(resumed && resets(&frames).is_empty(), "a good cursor was refused: {frames:?}");
}

/// A cursor from an installation whose log is another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_another_log() {
    let elsewhere = Stack::start().await;
    let stranger = elsewhere.user("ana").await;
    let room = stranger.room_with("elsewhere", &[]).await;
    stranger.says(room, "elsewhere").await;
    stranger.sees_message(room, "elsewhere").await;
    let cursor = stranger.client.cursor().unwrap();
    drop(elsewhere);

    let stack = Stack::start().await;
    let ana = stack.user("ana").await;
    let (resumed, frames) = hello(&stack, &ana, &cursor).await;
    assert!(!resumed, "a cursor of another log was taken");
    let reasons = resets(&frames);
    assert!(matches!(reasons[..], [ResetReason::AnotherLog | ResetReason::Malformed]), "{reasons:?}");
}

/// More was missed than an edge sends by itself: the client is told to read the room anew, and what follows is whole
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_was_missed() {
    let stack = Stack::with(Layout::one_process().set("edge.max_fill", 20)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    ana.says(room, "before").await;
    beto.sees_message(room, "before").await;
    beto.client.close().await;
    for number in 0..100 {
        ana.says(room, &format!("missed {number}")).await;
    }
    let options = Options { cursor: beto.client.cursor(), ..Person::options() };
    let later = beto.device(stack.edge(), options).await;
    let events = later.events();
    assert!(events.iter().any(|event| matches!(event, Event::Reset { .. })), "no reset: {events:?}");
    // What is read by a query and what is pushed from now on join without a hole.
    let history = later
        .client
        .history(
            room,
            chasqui_protocol::query::Page::Newest,
            None,
            chasqui_protocol::query::Freshness::Latest,
        )
        .await
        .unwrap();
    ana.says(room, "after").await;
    let after = later.sees_message(room, "after").await;
    let read = history.items.last().unwrap().seq;
    assert!(later.items(room).iter().all(|item| item.seq > read || history.items.contains(item)));
    assert!(after.seq > read);
    Checker::new().seen_by(&[&ana]).check(&stack).await;
}
