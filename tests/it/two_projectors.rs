//! Two projectors (reliability: the older is fenced): one folds, the other stands by.

use std::time::Duration;

use chasqui_events::{Position, RoomId};
use chasqui_protocol::query::{Freshness, Page};
use chasqui_testkit::{Checker, Layout, Load, Person, Role, Stack, eventually};
use pretty_assertions::assert_eq;

fn layout() -> Layout {
    Layout::empty()
        .process("core", &[Role::Auth, Role::QueryApi, Role::CommandApi, Role::WsEdge])
        .process("projector-1", &[Role::Projector])
        .process("projector-2", &[Role::Projector])
}

/// Waits until somebody has folded the log up to here.
async fn taken_over(ana: &Person, room: RoomId, position: Position) {
    eventually("the other one to take over", || async {
        let fresh = Freshness::AtLeast(position);
        let history = ana.client.history(room, Page::Newest, None, fresh).await;
        let history = history.map_err(|error| error.to_string())?;
        assert!(history.items.last().unwrap().seq >= position.seq);
        Ok(())
    })
    .await;
}

/// Whichever is killed, the other goes on; nothing is folded twice or left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_goes_on_when_the_other_is_killed() {
    let stack = Stack::with(layout()).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let load = Load::start(&[(&ana, room), (&beto, room)], Duration::from_millis(10));
    for victim in ["projector-1", "projector-2", "projector-1"] {
        load.acked_further(50).await;
        stack.process(victim).kill_9();
        let position = ana.says(room, &format!("without {victim}")).await.position.unwrap();
        taken_over(&ana, room, position).await;
        stack.process(victim).restart().await;
    }
    drop(load.stop().await);
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// A projector that stood still for longer than the other one's patience, with facts in its hands, goes on: it finds
/// itself fenced, and what it had in hand is not written again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_is_fenced() {
    let stack = Stack::with(layout()).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let load = Load::start(&[(&ana, room), (&beto, room)], Duration::from_millis(5));
    for sleeper in ["projector-1", "projector-2"] {
        load.acked_further(50).await;
        stack.process(sleeper).pause();
        let position = ana.says(room, &format!("while {sleeper} sleeps")).await.position.unwrap();
        taken_over(&ana, room, position).await;
        stack.process(sleeper).resume();
        load.acked_further(50).await;
    }
    let sent = load.stop().await;
    assert_eq!(sent.iter().filter(|sent| sent.outcome.is_err()).count(), 0);
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}
