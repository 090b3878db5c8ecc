//! The projector's pull.

use std::{sync::Arc, time::Duration};

use chasqui_bus::{
    BusRole,
    consumer::{ConsumerError, ConsumerSettings, PartitionConsumer},
};
use chasqui_events::Seq;
use futures::future::join_all;

use crate::harness::{Nats, post, room, soon};

fn after(start_after: Seq) -> ConsumerSettings {
    ConsumerSettings {
        stream: "CHAT_1".to_owned(),
        name: "projector_v1".to_owned(),
        start_after,
        max_facts: 64,
        max_bytes: 1 << 20,
        linger: Duration::from_millis(5),
    }
}

async fn store(nats: &Nats, count: u32) {
    let (log, room) = (nats.log().await, room());
    join_all((0..count).map(|n| {
        let append = post(room, &n.to_string());
        let log = &log;
        async move { log.append(append).await.unwrap() }
    }))
    .await;
}

/// Pulls up to a sequence, checking that every one comes once and in order.
async fn pull(consumer: &mut PartitionConsumer, from: Seq, to: Seq) {
    let mut next = from;
    while next <= to {
        let batch = soon("a batch", consumer.next_batch()).await.unwrap();
        assert!(!batch.facts.is_empty() && batch.facts.len() <= 64);
        for fact in &batch.facts {
            assert_eq!(fact.seq, next);
            next += 1;
        }
        consumer.ack_all(batch.last_seq()).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_arrives_in_order_and_in_portions() {
    let nats = Nats::start().await;
    let bus = nats.bus(BusRole::Projector).await;
    store(&nats, 1_000).await;
    let mut consumer = PartitionConsumer::open(&bus, after(0)).await.unwrap();
    pull(&mut consumer, 1, 1_000).await;
    store(&nats, 10).await;
    pull(&mut consumer, 1_001, 1_010).await;

    let small = ConsumerSettings { max_bytes: 300, name: "small".to_owned(), ..after(0) };
    let mut consumer = PartitionConsumer::open(&bus, small).await.unwrap();
    let batch = soon("a batch", consumer.next_batch()).await.unwrap();
    assert!(batch.facts.len() < 5, "{}", batch.facts.len());
    assert_eq!(batch.pending + batch.last_seq(), 1_010);
}

#[tokio::test]
async fn the_checkpoint_decides_where_it_goes_on() {
    let nats = Nats::start().await;
    let bus = nats.bus(BusRole::Projector).await;
    store(&nats, 300).await;
    let mut consumer = PartitionConsumer::open(&bus, after(0)).await.unwrap();
    pull(&mut consumer, 1, 100).await;
    drop(consumer);
    for start_after in [100, 250, 3, 0] {
        let mut consumer = PartitionConsumer::open(&bus, after(start_after)).await.unwrap();
        pull(&mut consumer, start_after + 1, 300).await;
    }
    PartitionConsumer::delete(&bus, "CHAT_1", "projector_v1").await.unwrap();
    PartitionConsumer::delete(&bus, "CHAT_1", "projector_v1").await.unwrap();
}

#[tokio::test]
async fn dropping_a_wait_loses_nothing() {
    let nats = Nats::start().await;
    let bus = nats.bus(BusRole::Projector).await;
    store(&nats, 200).await;
    let patient = ConsumerSettings { linger: Duration::from_hours(1), ..after(0) };
    let mut consumer = PartitionConsumer::open(&bus, patient).await.unwrap();
    let mut next = 1;
    while next <= 192 {
        let once = tokio::time::timeout(Duration::from_millis(1), consumer.next_batch()).await;
        for fact in once.map_or_else(|_| vec![], |batch| batch.unwrap().facts) {
            assert_eq!(fact.seq, next);
            next += 1;
        }
    }
}

/// A worker that looks up from its wait more often than a batch lingers still gets it.
#[tokio::test]
async fn dropping_a_wait_does_not_begin_it_again() {
    let nats = Nats::start().await;
    let bus = nats.bus(BusRole::Projector).await;
    store(&nats, 3).await;
    let lingering = ConsumerSettings { linger: Duration::from_millis(300), ..after(0) };
    let mut consumer = PartitionConsumer::open(&bus, lingering).await.unwrap();
    let batch = soon("a batch that is not full", async {
        loop {
            if let Ok(batch) = tokio::time::timeout(Duration::from_millis(50), consumer.next_batch()).await {
                return batch.unwrap();
            }
        }
    })
    .await;
    assert_eq!(batch.last_seq(), 3);
}

#[tokio::test]
async fn a_second_worker_takes_over_and_the_first_knows() {
    let nats = Nats::start().await;
    let (one, two) = (nats.bus(BusRole::Projector).await, nats.bus(BusRole::Projector).await);
    store(&nats, 100).await;
    let mut first = PartitionConsumer::open(&one, after(0)).await.unwrap();
    let batch = soon("a batch", first.next_batch()).await.unwrap();
    // The second starts from the checkpoint, where the first has not acknowledged yet.
    let mut second = PartitionConsumer::open(&two, after(batch.last_seq())).await.unwrap();
    pull(&mut second, batch.last_seq() + 1, 100).await;
    let error = loop {
        match soon("the first to know", first.next_batch()).await {
            Ok(batch) => assert!(batch.last_seq() <= 100),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ConsumerError::Taken | ConsumerError::Lost { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_sat_out() {
    let nats = Arc::new(Nats::start().await);
    let bus = nats.bus(BusRole::Projector).await;
    store(&nats, 500).await;
    let mut consumer = PartitionConsumer::open(&bus, after(0)).await.unwrap();
    pull(&mut consumer, 1, 200).await;
    let restarting = Arc::clone(&nats);
    tokio::task::spawn_blocking(move || {
        restarting.server.kill_9().unwrap();
        restarting.server.restart().unwrap();
    })
    .await
    .unwrap();
    // It may have given out more than was asked for: it stops at the ends of batches.
    let next = consumer.last_seq() + 1;
    pull(&mut consumer, next, 500).await;
    store(&nats, 50).await;
    pull(&mut consumer, 501, 550).await;
}

#[tokio::test]
async fn a_stream_that_does_not_exist_is_said() {
    let nats = Nats::start().await;
    let bus = nats.bus(BusRole::Projector).await;
    let missing = ConsumerSettings { stream: "CHAT_9".to_owned(), ..after(0) };
    let error = PartitionConsumer::open(&bus, missing).await.unwrap_err();
    assert!(error.to_string().contains("stream not found"), "{error}");
}
