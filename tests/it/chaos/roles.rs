//! The roles are killed.

use chasqui_testkit::{Layout, Role};

use super::Town;

/// kill -9 of the projector, so often that it happens between each pair of its steps: no double effect, no hole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_projector_is_killed() {
    let town = Town::found(Layout::process_per_role(1), &["edge-1"]).await;
    town.lives_through(20, async |stack, _| {
        stack.process("projector").kill_9();
        stack.process("projector").restart().await;
    })
    .await;
}

/// kill -9 of one of two processes that decide commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_api_is_killed() {
    let layout = Layout::empty()
        .process("core", &[Role::Auth, Role::QueryApi, Role::Projector, Role::WsEdge])
        .process("commands-1", &[Role::CommandApi])
        .process("commands-2", &[Role::CommandApi]);
    let town = Town::found(layout, &["core"]).await;
    town.lives_through(10, async |stack, time| {
        let victim = if time % 2 == 0 { "commands-1" } else { "commands-2" };
        stack.process(victim).kill_9();
        stack.process(victim).restart().await;
    })
    .await;
}

/// kill -9 of one of two edges, with everybody on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_is_killed() {
    let town = Town::found(Layout::core_and_edges(2), &["edge-1", "edge-2"]).await;
    town.lives_through(10, async |stack, time| {
        let victim = if time % 2 == 0 { "edge-1" } else { "edge-2" };
        stack.process(victim).kill_9();
        stack.process(victim).restart().await;
    })
    .await;
}

/// kill -9 of everything at once, as when a machine goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_killed() {
    let town = Town::found(Layout::one_process(), &["chasqui"]).await;
    town.lives_through(3, async |stack, _| {
        stack.process("chasqui").kill_9();
        tokio::task::block_in_place(|| {
            stack.nats().kill_9().unwrap();
            stack.mongo().kill_9().unwrap();
            stack.redis().kill_9().unwrap();
            stack.nats().restart().unwrap();
            stack.mongo().restart().unwrap();
            stack.redis().restart().unwrap();
        });
        stack.process("chasqui").restart().await;
    })
    .await;
}
