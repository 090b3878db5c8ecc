//! A batch that the store refuses as too large is halved until it passes: nothing is lost, nothing doubled.

use std::time::Duration;

use chasqui_events::Seq;
use chasqui_read_model::{Version, view::parked};
use futures::future::join_all;
use pretty_assertions::assert_eq;

use crate::{
    chaos::same_as_a_clean_fold,
    harness::{Room, Running, STREAM, Servers, settings, settled, until},
    poison::older_program,
    small_store::SmallStore,
};

/// What some 20 of these messages come to as documents.
const SMALL: usize = 3_000;

async fn projector_on(servers: &Servers, store: &SmallStore) -> Running {
    let mut stores = servers.store_settings();
    stores.mongodb_url = store.url().into();
    servers.projector_at(&stores, settings()).await
}

async fn timeline(servers: &Servers, room: &Room) -> Vec<Seq> {
    let slice = servers.model().await.timeline_after(room.id, 0, 10_000).await.unwrap();
    assert!(slice.complete && slice.held_at.is_none());
    slice.items.iter().map(|item| item.seq).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn until_it_passes() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let rooms = join_all((0..3).map(|_| async {
        let mut room = Room::create(&log).await;
        let mut all = vec![room.basis];
        let bob = room.join().await;
        all.push(room.basis);
        for n in 0..120 {
            all.push(room.post(if n % 2 == 0 { bob } else { room.owner }, &n.to_string()).await);
            if n % 10 == 0 {
                room.receipt(bob, *all.last().unwrap(), room.basis).await;
            }
        }
        (room, all)
    }))
    .await;
    let store = SmallStore::before(servers.mongo.address(), SMALL).await;
    let projector = projector_on(&servers, &store).await;
    settled(&model, &log).await;
    projector.ready().await;
    for (room, all) in &rooms {
        assert_eq!(timeline(&servers, room).await, *all);
    }
    let refused = store.refused();
    // All of them at once, then half of them, then a quarter …
    assert!(refused[0] > 10 * SMALL, "not refused as a whole: {refused:?}");
    let halves = refused.windows(2).take_while(|pair| pair[1] * 10 < pair[0] * 7).count();
    assert!(halves >= 3, "{refused:?}");
    assert!(store.largest_taken() > SMALL / 3, "halved further than needed: {}", store.largest_taken());

    // After a refusal, back to the usual size by and by.
    store.take_at_most(usize::MAX);
    let (room, _) = &rooms[0];
    for round in 0.. {
        join_all((0..100).map(|_| room.post(room.owner, "again"))).await;
        settled(&model, &log).await;
        if store.largest_taken() > 2 * SMALL {
            break;
        }
        assert!(round < 50, "batches stay small: {}", store.largest_taken());
    }
    projector.stop().await;
    let _clean = servers.projector().await;
    same_as_a_clean_fold(&servers).await;
}

/// One fact that is too large alone holds the stream, says why, and goes through as soon as the store takes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_is_too_large_alone_is_said_and_waited_for() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let store = SmallStore::before(servers.mongo.address(), SMALL).await;
    let projector = projector_on(&servers, &store).await;
    let room = Room::create(&log).await;
    let mut all = vec![room.basis, room.post(room.owner, "small").await];
    settled(&model, &log).await;
    all.push(room.post(room.owner, &"x".repeat(SMALL)).await);
    all.push(room.post(room.owner, "behind it").await);
    until("it says why", async || projector.reason().contains("Total size of all transaction operations"))
        .await;
    assert_eq!(model.stored_checkpoint(STREAM).await.unwrap().unwrap().pos, all[1]);
    assert_eq!(timeline(&servers, &room).await, all[..2]);
    store.take_at_most(usize::MAX);
    settled(&model, &log).await;
    projector.ready().await;
    assert_eq!(timeline(&servers, &room).await, all);
    same_as_a_clean_fold(&servers).await;
    projector.stop().await;
}

/// What was parked is folded in transactions, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_healing_is_halved_as_well() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let room = Room::create(&log).await;
    let first = servers.projector().await;
    settled(&model, &log).await;
    first.stop().await;
    let mut all = vec![room.basis];
    for n in 0..150 {
        all.push(room.post(room.owner, &n.to_string()).await);
    }
    older_program(&servers, all[1]).await;
    let store = SmallStore::before(servers.mongo.address(), SMALL).await;
    let projector = projector_on(&servers, &store).await;
    until("it is healed", async || {
        tokio::time::sleep(Duration::from_millis(20)).await;
        parked::load(model.store(), Version::FIRST, STREAM).await.unwrap().is_empty()
    })
    .await;
    projector.ready().await;
    assert!(store.refused().len() >= 3, "{:?}", store.refused());
    assert_eq!(timeline(&servers, &room).await, all);
    projector.stop().await;
    let _clean = servers.projector().await;
    same_as_a_clean_fold(&servers).await;
}
