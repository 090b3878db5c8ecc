//! Two projectors, one stream.

use std::time::Duration;

use chasqui_events::Timestamp;
use chasqui_read_model::{
    Checkpoint, CommitError, Version,
    hot::{HotError, HotWriter},
    plan::Plan,
    projection::{ClaimError, Writer},
};
use pretty_assertions::assert_eq;

use crate::harness::{LONG, Room, STREAM, Servers, now, settled, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_older_worker_is_fenced_in_both_stores() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    chasqui_read_model::view::prepare(model.store(), Version::FIRST).await.unwrap();
    let incarnation = log.head("CHAT_1").await.unwrap().incarnation;
    let claim = async |at: Timestamp| {
        Writer::claim(model.store(), Version::FIRST, STREAM, incarnation, at, None).await.unwrap()
    };
    let (older, from) = claim(now()).await;
    let to = Checkpoint { pos: 1, fingerprint: 7, ..from };
    let mine = Some(older.epoch());
    // A clock that goes backwards does not make a claim older.
    let (newer, claimed) = claim(Timestamp(5)).await;
    assert!(newer.epoch() > older.epoch() && claimed.pos == 0);
    assert_eq!(older.commit(&Plan::default(), 0, &to).await, Err(CommitError::Fenced));
    assert_eq!(older.beat().await, Err(CommitError::Fenced));
    let renewed = Writer::claim(model.store(), Version::FIRST, STREAM, incarnation, now(), mine).await;
    assert_eq!(renewed.err(), Some(ClaimError::Fenced));
    let to = Checkpoint { epoch: newer.epoch(), ..to };
    newer.commit(&Plan::default(), 0, &to).await.unwrap();
    let again = newer.commit(&Plan::default(), 0, &to).await;
    assert_eq!(again, Err(CommitError::Diverged { expected: 0, stored: 1 }));

    let writer = |epoch| HotWriter::new(model.hot().clone(), Version::FIRST, STREAM, epoch);
    let mut old_hot = writer(older.epoch());
    old_hot.write(0, &from, &[]).await.unwrap();
    writer(newer.epoch()).write(0, &to, &[]).await.unwrap();
    assert_eq!(old_hot.write(0, &to, &[]).await, Err(HotError::Older));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_takes_over_and_the_first_stands_by_until_it_is_needed() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let first = servers.projector().await;
    let room = Room::create(&log).await;
    settled(&model, &log).await;
    let epoch = async || model.stored_checkpoint(STREAM).await.unwrap().unwrap().epoch;
    let before = epoch().await;
    let second = servers.projector().await;
    until("the second has claimed", async || epoch().await > before).await;
    second.ready().await;
    let seq = room.post(room.owner, "to the second").await;
    model.wait_for(STREAM, seq, LONG).await.unwrap();
    // Both are there, neither fights: the epoch stays.
    let claimed = epoch().await;
    first.ready().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(epoch().await, claimed);
    second.stop().await;
    let seq = room.post(room.owner, "to the first").await;
    model.wait_for(STREAM, seq, LONG).await.unwrap();
    assert_eq!(model.timeline_after(room.id, 0, 10).await.unwrap().items.len(), 3);
    first.stop().await;
}
