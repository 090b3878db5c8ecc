//! A log that is not the one that was folded is never folded on.

use chasqui_backends::NatsServer;
use chasqui_bus::BusRole;
use chasqui_read_model::{Checkpoint, ReadModel, Version};
use pretty_assertions::assert_eq;

use crate::harness::{Room, STREAM, Servers, settled, until};

/// The data of the server as it is now, to be put back later: a log shortened by an old backup.
struct Copy(tempfile::TempDir);

fn copy_of(nats: &NatsServer) -> Copy {
    nats.stop().unwrap();
    let copy = tempfile::tempdir().unwrap();
    copy_tree(nats.data().unwrap(), copy.path());
    nats.restart().unwrap();
    Copy(copy)
}

fn put_back(nats: &NatsServer, copy: &Copy) {
    nats.kill_9().unwrap();
    let data = nats.data().unwrap();
    std::fs::remove_dir_all(data).unwrap();
    copy_tree(copy.0.path(), data);
    nats.restart().unwrap();
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn stored(model: &ReadModel) -> Checkpoint {
    Checkpoint::load(model.store(), Version::FIRST, STREAM).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_made_anew() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    let room = Room::create(&log).await;
    room.post(room.owner, "old").await;
    settled(&model, &log).await;
    projector.stop().await;
    let before = stored(&model).await;

    let empty = tempfile::tempdir().unwrap();
    put_back(&servers.nats, &Copy(empty));
    servers.make_streams().await;
    let log = servers.log().await;
    for _ in 0..5 {
        Room::create(&log).await;
    }
    let projector = servers.projector().await;
    until("it says why", async || projector.reason().contains("CHAT_1: the log is not the one")).await;
    // Nothing moves, not even the epoch.
    assert_eq!(stored(&model).await, before);
    assert_eq!(model.timeline_after(room.id, 0, 10).await.unwrap().items.len(), 2);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_shortened_and_one_that_grew_past_it_again() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    let room = Room::create(&log).await;
    settled(&model, &log).await;
    projector.stop().await;
    let backup = copy_of(&servers.nats);

    let projector = servers.projector().await;
    let log = servers.log().await;
    let room = Room { log: log.clone(), ..room };
    for n in 0..3 {
        room.post(room.owner, &format!("lost {n}")).await;
    }
    settled(&model, &log).await;
    projector.stop().await;
    let before = stored(&model).await;

    put_back(&servers.nats, &backup);
    let projector = servers.projector().await;
    until("shortened is seen", async || projector.reason().contains("it ends at 1, and 4 facts were folded"))
        .await;
    projector.stop().await;

    let log = servers.log().await;
    let other = Room { log: log.clone(), ..room };
    for n in 0..5 {
        other.post(other.owner, &format!("other {n}")).await;
    }
    let projector = servers.projector().await;
    until("grown is seen", async || projector.reason().contains("another fact stands at 4")).await;
    assert_eq!(stored(&model).await.pos, before.pos);
    // The other partitions go on.
    let zero = Room::create_in(&log, chasqui_events::Partition::from_low_bits(0)).await;
    model.wait_for(chasqui_read_model::Stream::of(zero.id), zero.basis, crate::harness::LONG).await.unwrap();
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_exchanged_behind_a_running_projector() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    let room = Room::create(&log).await;
    settled(&model, &log).await;
    let backup = copy_of(&servers.nats);
    until("the connection is back", async || log.bus().is_connected()).await;
    room.post(room.owner, "lost").await;
    room.post(room.owner, "lost too").await;
    settled(&model, &log).await;
    let before = stored(&model).await;

    put_back(&servers.nats, &backup);
    let log = servers.log().await;
    let other = Room { log: log.clone(), ..room };
    for n in 0..6 {
        other.post(other.owner, &format!("other {n}")).await;
    }
    until("it says why", async || projector.reason().contains("CHAT_1: the log is not the one")).await;
    assert_eq!(stored(&model).await.pos, before.pos);
    let _ = servers.bus(BusRole::Admin).await;
    projector.stop().await;
}
