//! A query that demands a position sees what was recorded there (read your writes), or says that it is not there yet.

use std::time::{Duration, Instant};

use chasqui_client::ClientError;
use chasqui_events::Position;
use chasqui_protocol::{
    Code, Problem,
    query::{Freshness, History, Page, Query},
};
use chasqui_testkit::{Layout, Message, Person, Role, Stack};
use pretty_assertions::assert_eq;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_just_said_is_in_the_history() {
    // A projector that waits makes every query without a position come too early.
    let layout = Layout::one_process().set("projector.batch_wait_ms", 50);
    let stack = Stack::with(layout).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    for number in 0..30 {
        let body = format!("number {number}");
        let position = ana.says(room, &body).await.position.unwrap();
        let history = newest(&beto, room, Freshness::AtLeast(position)).await.unwrap();
        let last = history.items.last().and_then(Message::of).unwrap();
        assert_eq!((last.seq, last.body), (position.seq, body));
    }
    let position = ana.says(room, "the last").await.position.unwrap();
    let latest = newest(&beto, room, Freshness::Latest).await.unwrap();
    assert_eq!(latest.items.last().unwrap().seq, position.seq);
}

/// While the projector stands still, a query that demands is refused within its bound, and one that does not is
/// answered; when it goes on, both are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demand_that_cannot_be_met_is_refused_in_time() {
    const BOUND: Duration = Duration::from_millis(300);
    let layout = Layout::process_per_role(1).set("query.barrier_wait_ms", BOUND.as_millis());
    let stack = Stack::with(layout).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let before = ana.says(room, "before").await.position.unwrap();
    newest(&beto, room, Freshness::AtLeast(before)).await.unwrap();

    stack.process("projector").pause();
    let position = ana.says(room, "unseen").await.position.unwrap();
    // Push does not wait for the projection.
    beto.sees_message(room, "unseen").await;
    let asked = Instant::now();
    let refused = demanding(&stack, &beto, room, position).await.unwrap_err();
    assert_eq!(refused.code, Code::NotYetProjected);
    assert!(asked.elapsed() >= BOUND, "it did not wait");
    assert!(asked.elapsed() < BOUND * 10, "it waited {:?}", asked.elapsed());
    let stale = newest(&beto, room, Freshness::Any).await.unwrap();
    assert_eq!(stale.items.last().unwrap().seq, before.seq);

    stack.process("projector").resume();
    let fresh = newest(&beto, room, Freshness::AtLeast(position)).await.unwrap();
    assert_eq!(fresh.items.last().unwrap().seq, position.seq);
    // Nothing stands there, and to ask again would not help.
    let nowhere = Position { seq: position.seq + 1_000, ..position };
    assert_eq!(demanding(&stack, &beto, room, nowhere).await.unwrap_err().code, Code::Malformed);
}

/// Over HTTP, because the client would repeat by itself.
async fn demanding(
    stack: &Stack,
    person: &Person,
    room: chasqui_events::RoomId,
    position: Position,
) -> Result<History, Problem> {
    let url = stack.url(Role::QueryApi, &format!("/v1/rooms/{room}/messages?at_least={position}"));
    let answer = stack.http().get(url).bearer_auth(person.token().await).send().await.unwrap();
    if answer.status().is_success() {
        Ok(answer.json().await.unwrap())
    } else {
        Err(answer.json().await.unwrap())
    }
}

async fn newest(
    person: &Person,
    room: chasqui_events::RoomId,
    fresh: Freshness,
) -> Result<History, ClientError> {
    let ask = Query::History { room, page: Page::Newest, limit: Some(10) };
    person.client.ask_for(ask, fresh).await
}
