//! A log that is not the one that was folded (reliability: recreated behind a checkpoint): the projector stops and
//! says so; it never folds on.

use chasqui_read_model::{Checkpoint, Stream};
use chasqui_testkit::{Layout, Stack, eventually};
use pretty_assertions::assert_eq;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recreated_log_is_not_folded() {
    let stack = Stack::with(Layout::process_per_role(1)).await;
    let (ana, beto) = (stack.user("ana").await, stack.user("beto").await);
    let room = ana.direct_with(&beto).await;
    let last = ana.says(room, "folded").await.position.unwrap().seq;
    let views = stack.read_model().await;
    let of_room = Stream::of(room);
    views.wait_for(of_room, last, chasqui_testkit::PATIENCE).await.unwrap();
    ana.client.close().await;
    beto.client.close().await;
    for role in ["projector", "command-api", "query-api", "auth", "edge-1"] {
        stack.process(role).kill_9();
    }
    let mut before = Vec::new();
    for stream in Stream::all(stack.partitions()) {
        before.push((stream, views.checkpoint(stream).await.unwrap()));
    }

    recreate(&stack);
    stack.process("projector").launch();
    eventually("the projector to say that the log is another one", || async {
        match stack.process("projector").readiness().await {
            Err(says) if says.contains("not the one that was folded") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    // New facts come, also past the old checkpoint.
    stack.process("auth").restart().await;
    for number in 0..20 {
        let name = format!("new-{number}");
        stack.accounts().register(&name, "", &chasqui_testkit::Person::password()).await.unwrap();
    }
    // Nothing tells one empty log from another.
    let folded = |checkpoint: &Option<Checkpoint>| checkpoint.is_some_and(|checkpoint| checkpoint.pos > 0);
    for (stream, checkpoint) in before.into_iter().filter(|(_, checkpoint)| folded(checkpoint)) {
        assert_eq!(views.checkpoint(stream).await.unwrap(), checkpoint, "{stream} was folded on");
    }
    let still = stack.process("projector").readiness().await;
    assert!(still.is_err(), "the projector is ready over another log");
}

/// Throws the log away and makes an empty one.
fn recreate(stack: &Stack) {
    tokio::task::block_in_place(|| {
        stack.nats().kill_9().unwrap();
        std::fs::remove_dir_all(stack.nats().data().unwrap()).unwrap();
        stack.nats().restart().unwrap();
        let applied = stack.command(&["admin", "topology", "apply"]).output().unwrap();
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    });
}
