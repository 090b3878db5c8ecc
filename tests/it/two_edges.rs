//! Two edges in two processes: nobody notices which one somebody is connected to.

use chasqui_testkit::{Checker, Layout, Person, Stack};
use pretty_assertions::assert_eq;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_receipts_cross() {
    let stack = Stack::with(Layout::core_and_edges(2)).await;
    let ana = stack.user_at("ana", stack.process("edge-1").endpoint(), Person::options()).await;
    let beto = stack.user_at("beto", stack.process("edge-2").endpoint(), Person::options()).await;
    let room = ana.direct_with(&beto).await;
    for round in 0..20 {
        let (one, other) = (format!("there {round}"), format!("back {round}"));
        let seq = ana.says(room, &one).await.position.unwrap().seq;
        beto.sees_message(room, &one).await;
        ana.delivered(room, beto.id, seq).await;
        let seq = beto.says(room, &other).await.position.unwrap().seq;
        ana.sees_message(room, &other).await;
        ana.client.read(room, seq).await.unwrap();
        beto.read(room, ana.id, seq).await;
    }
    // A second device on the other edge hears the same from then on.
    let also_ana = ana.device(stack.process("edge-2").endpoint(), Person::options()).await;
    beto.says(room, "to both devices").await;
    assert_eq!(
        also_ana.sees_message(room, "to both devices").await,
        ana.sees_message(room, "to both devices").await,
    );
    Checker::new().seen_by(&[&ana, &beto]).check(&stack).await;
}

/// An edge is killed; whoever was on it goes on at the other one with the cursor that the first one gave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_one_edge_is_good_at_the_other() {
    let stack = Stack::with(Layout::core_and_edges(2)).await;
    let ana = stack.user_at("ana", stack.process("edge-1").endpoint(), Person::options()).await;
    let beto = stack.user_at("beto", stack.process("edge-2").endpoint(), Person::options()).await;
    let room = ana.direct_with(&beto).await;
    ana.says(room, "before").await;
    let before = beto.sees_message(room, "before").await;
    ana.delivered(room, beto.id, before.seq).await;

    let cursor = beto.client.cursor();
    stack.process("edge-2").kill_9();
    for number in 0..10 {
        ana.says(room, &format!("meanwhile {number}")).await;
    }
    let options = chasqui_client::Options { cursor, ..Person::options() };
    let moved = beto.device(stack.process("edge-1").endpoint(), options).await;
    let last = moved.sees_message(room, "meanwhile 9").await;
    ana.delivered(room, beto.id, last.seq).await;
    let expected: Vec<String> = (0..10).map(|number| format!("meanwhile {number}")).collect();
    let bodies = moved.bodies(room);
    assert!(bodies.ends_with(&expected), "{bodies:?}");
    Checker::new().seen_by(&[&ana]).check(&stack).await;
}
