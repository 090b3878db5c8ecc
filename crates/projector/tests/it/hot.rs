//! The hot set may be lost, stopped, or made old, and no answer is wrong.

use std::time::Duration;

use chasqui_events::Seq;
use chasqui_read_model::ReadModel;
use pretty_assertions::assert_eq;

use crate::harness::{LONG, P, Room, STREAM, Servers, settled, until};

async fn places(model: &ReadModel, room: &Room, after: Seq) -> Vec<Seq> {
    let slice = model.timeline_after(room.id, after, 1000).await.unwrap();
    assert!(slice.complete);
    slice.items.iter().map(|item| item.seq).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hot_is_served_from_redis_alone() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let projector = servers.projector().await;
    let room = Room::create(&log).await;
    let mut all = vec![];
    for n in 0..5 {
        all.push(room.post(room.owner, &n.to_string()).await);
    }
    settled(&model, &log).await;
    until("the hot set has it", async || model.checkpoint(STREAM).await.unwrap().unwrap().pos == all[4])
        .await;
    projector.stop().await;
    // MongoDB is gone; the version was read less than a second ago, and is remembered.
    servers.mongo.pause().unwrap();
    let hot = tokio::time::timeout(Duration::from_secs(1), places(&model, &room, all[0])).await;
    servers.mongo.resume().unwrap();
    assert_eq!(hot.expect("asked MongoDB"), all[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn flushall_in_the_middle_of_everything_makes_no_answer_wrong() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let _projector = servers.projector().await;
    let rooms = [Room::create(&log).await, Room::create(&log).await];
    let mut redis = servers.redis().await;
    let mut all = [vec![rooms[0].basis], vec![rooms[1].basis]];
    for n in 0..120 {
        let which = usize::from(n % 3 == 0);
        let seq = rooms[which].post(rooms[which].owner, &n.to_string()).await;
        all[which].push(seq);
        if n % 7 == 0 {
            redis.say("FLUSHALL").await;
        }
        if n % 4 == 0 {
            model.wait_for(STREAM, seq, LONG).await.unwrap();
            for (room, all) in rooms.iter().zip(&all) {
                let after = all[all.len() / 2];
                assert_eq!(places(&model, room, after).await, all[all.len() / 2 + 1..]);
            }
            let since = model.heads_since(P, seq - 1).await.unwrap();
            assert!(since.rooms.iter().any(|(room, heads)| *room == rooms[which].id && heads.msg == seq));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projection_goes_on_without_redis_and_the_hot_set_begins_anew_after_it() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let _projector = servers.projector().await;
    let room = Room::create(&log).await;
    let before = room.post(room.owner, "before").await;
    settled(&model, &log).await;
    servers.redis.kill_9().unwrap();
    let during = room.post(room.owner, "during").await;
    settled(&model, &log).await;
    assert_eq!(places(&model, &room, 0).await, vec![room.basis, before, during]);
    assert!(!model.hot_is_up());
    servers.redis.restart().unwrap();
    until("the hot set is written again", async || {
        let seq = room.post(room.owner, "after").await;
        model.wait_for(STREAM, seq, LONG).await.unwrap();
        assert_eq!(places(&model, &room, seq - 1).await, vec![seq]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        servers.redis().await.say("EXISTS v1:{1}:meta").await.starts_with(":1")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_set_that_missed_a_batch_is_not_believed() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let _projector = servers.projector().await;
    let (room, other) = (Room::create(&log).await, Room::create(&log).await);
    room.post(room.owner, "hot").await;
    settled(&model, &log).await;
    // Redis takes no writes while one batch passes, and is back before the next, with all that it had.
    let mut redis = servers.redis().await;
    redis.say("CONFIG SET maxmemory 1").await;
    let missed = room.post(room.owner, "missed").await;
    model.wait_for(STREAM, missed, LONG).await.unwrap();
    until("the writing has failed", async || {
        servers.redis().await.say("INFO errorstats").await.contains("errorstat_OOM")
    })
    .await;
    redis.say("CONFIG SET maxmemory 0").await;
    // A batch about another room tells Redis of a later position.
    until("the hot set is written again", async || {
        let seq = other.post(other.owner, "later").await;
        model.wait_for(STREAM, seq, LONG).await.unwrap();
        assert_eq!(places(&model, &room, missed - 1).await, vec![missed]);
        let heads = model.heads_since(P, missed - 1).await.unwrap();
        assert!(heads.rooms.iter().any(|(of, heads)| *of == room.id && heads.msg == missed));
        tokio::time::sleep(Duration::from_millis(50)).await;
        model.hot_is_up()
            && servers.redis().await.say("HGET v1:{1}:meta pos").await.contains(&seq.to_string())
    })
    .await;
    assert_eq!(places(&model, &room, missed - 1).await, vec![missed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_bounded_and_says_how_far_it_is() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let _projector = servers.projector().await;
    let room = Room::create(&log).await;
    settled(&model, &log).await;
    let waited = model.wait_for(STREAM, room.basis + 1, Duration::from_millis(200)).await;
    assert_eq!(waited, Err(chasqui_read_model::WaitError::NotYet { at: room.basis }));
    // Many who wait for the same are told at once.
    let waits = (0..500).map(|_| model.wait_for(STREAM, room.basis + 1, LONG));
    let (seq, told) = tokio::join!(room.post(room.owner, "it"), futures::future::join_all(waits));
    assert!(told.into_iter().all(|at| at == Ok(seq)));
}
