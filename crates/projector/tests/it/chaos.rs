//! Servers that are killed under load. What must hold: every acked fact is in the log once and in the views once,
//! as a clean fold into a second version shows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chasqui_events::{Seq, UserId};
use chasqui_projector::admin;
use chasqui_read_model::{Checkpoint, Version};
use pretty_assertions::assert_eq;

use crate::harness::{LONG, Room, STREAM, Servers, fact, posted, settings, settled, until};

/// Posts and reads until told to stop; gives what was acked.
async fn talk(room: Room, bob: UserId, stop: Arc<AtomicBool>) -> (Room, Vec<Seq>) {
    let mut acked = vec![];
    while !stop.load(Ordering::Relaxed) {
        let by = if acked.len() % 2 == 0 { bob } else { room.owner };
        acked.push(room.post_as(fact(by, room.basis, posted(&acked.len().to_string()))).await);
        if acked.len() % 5 == 0 {
            let last = *acked.last().unwrap();
            room.receipt(bob, last, last).await;
        }
    }
    (room, acked)
}

async fn under_load(servers: &Servers, torment: impl AsyncFnOnce()) -> Vec<(Room, Vec<Seq>)> {
    let log = servers.log().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut talks = vec![];
    for _ in 0..6 {
        let mut room = Room::create(&log).await;
        let bob = room.join().await;
        talks.push(tokio::spawn(talk(room, bob, Arc::clone(&stop))));
    }
    torment().await;
    stop.store(true, Ordering::Relaxed);
    let mut said = vec![];
    for talk in talks {
        said.push(talk.await.unwrap());
    }
    said
}

async fn check(servers: &Servers, said: &[(Room, Vec<Seq>)]) {
    let (log, model) = (servers.log().await, servers.model().await);
    settled(&model, &log).await;
    for (room, acked) in said {
        let items = model.timeline_after(room.id, room.basis, 1_000_000).await.unwrap().items;
        assert_eq!(items.iter().map(|item| item.seq).collect::<Vec<_>>(), *acked);
    }
    same_as_a_clean_fold(servers).await;
}

/// Folds the log once more, into a second version, and compares. A projector must be at work.
pub(crate) async fn same_as_a_clean_fold(servers: &Servers) {
    let (log, model) = (servers.log().await, servers.model().await);
    let second = admin::rebuild(model.store()).await.unwrap();
    let head = log.head(&STREAM.to_string()).await.unwrap().last_seq;
    until("a clean fold is there", async || {
        let checkpoint = Checkpoint::load(model.store(), second, STREAM).await.unwrap();
        checkpoint.is_some_and(|checkpoint| checkpoint.pos == head)
    })
    .await;
    assert_eq!(
        admin::content_hash(model.store(), second).await.unwrap(),
        admin::content_hash(model.store(), Version::FIRST).await.unwrap()
    );
}

async fn a_while() {
    tokio::time::sleep(Duration::from_millis(400)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_is_killed_again_and_again() {
    let servers = Servers::start().await;
    let projector = servers.projector().await;
    projector.ready().await;
    let said = under_load(&servers, async || {
        for _ in 0..4 {
            a_while().await;
            servers.mongo.kill_9().unwrap();
            servers.mongo.restart().unwrap();
        }
        a_while().await;
    })
    .await;
    check(&servers, &said).await;
    projector.ready().await;
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_and_emptied_again_and_again() {
    let servers = Servers::start().await;
    let projector = servers.projector().await;
    let said = under_load(&servers, async || {
        for _ in 0..4 {
            a_while().await;
            servers.redis().await.say("FLUSHALL").await;
            a_while().await;
            servers.redis.kill_9().unwrap();
            servers.redis.restart().unwrap();
        }
    })
    .await;
    check(&servers, &said).await;
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projector_is_cut_off_again_and_again() {
    let servers = Servers::start().await;
    let said = under_load(&servers, async || {
        for n in 0..12 {
            // A process of its own cannot be had here; what counts is that it stops anywhere, without a word.
            let dying = servers.runtime_of_its_own(settings());
            tokio::time::sleep(Duration::from_millis(60 + 37 * n)).await;
            dying.cut_off();
        }
    })
    .await;
    let projector = servers.projector().await;
    check(&servers, &said).await;
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_killed_while_it_is_read() {
    let servers = Servers::start().await;
    let projector = servers.projector().await;
    let said = under_load(&servers, async || {
        for _ in 0..3 {
            a_while().await;
            servers.nats.kill_9().unwrap();
            servers.nats.restart().unwrap();
        }
        a_while().await;
    })
    .await;
    check(&servers, &said).await;
    tokio::time::timeout(LONG, projector.stop()).await.unwrap();
}
