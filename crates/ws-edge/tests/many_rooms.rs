//! An edge that follows many rooms of a partition hears them by one subscription, and narrows again: on real servers,
//! in the middle of a conversation.

use std::time::Duration;

use chasqui_events::room::Kind;
use chasqui_testkit::{Checker, Layout, Load, Stack, within};
use futures::future::try_join_all;

/// More rooms than a partition listens to one by one.
const ROOMS: usize = 280;
const AT_ONCE: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_goes_wide_and_narrow_under_a_conversation() {
    let layout =
        Layout::one_process().set("chat.partitions", 1).set("edge.tick_ms", 100).set("edge.linger_ms", 200);
    let stack = Stack::with(layout).await;
    let (ana, beto, carla) = (stack.user("ana").await, stack.user("beto").await, stack.user("carla").await);
    let room = ana.direct_with(&beto).await;
    let load = Load::start(&[(&ana, room), (&beto, room)], Duration::from_millis(5));
    for _ in 0..ROOMS / AT_ONCE {
        let opened = (0..AT_ONCE).map(|n| carla.client.create_room(Kind::Private, format!("room {n}")));
        try_join_all(opened).await.expect("rooms can be opened");
    }
    until_the_log_says(&stack, "one subscription hears all rooms").await;
    load.acked_further(50).await;
    // Nobody hears Carla's rooms any more, so they are let go and the partition is small again.
    carla.client.close().await;
    until_the_log_says(&stack, "each room of the partition is heard by itself").await;
    load.acked_further(50).await;
    let sent = load.stop().await;
    let report = Checker::new().sent(sent).seen_by(&[&ana, &beto]).check(&stack).await;
    assert_eq!(report.standing, report.acked);
}

async fn until_the_log_says(stack: &Stack, words: &str) {
    let process = stack.role(chasqui_testkit::Role::WsEdge);
    let said = async {
        while !process.log_text().contains(words) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(words, said).await;
}
