//! Buckets.

use bytes::Bytes;
use chasqui_bus::{
    Bus, BusRole,
    kv::{Bucket, KvError, Name},
};

use crate::{
    harness::{Nats, until},
    proxy::Proxy,
};

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn compare_and_set() {
    let nats = Nats::start().await;
    let bucket = Bucket::open(nats.bus(BusRole::Auth).await, Name::Refresh);
    assert_eq!(bucket.get("family").await.unwrap(), None);
    let first = bucket.create("family", bytes("one")).await.unwrap();
    assert!(matches!(bucket.create("family", bytes("other")).await, Err(KvError::Conflict)));
    let second = bucket.update("family", bytes("two"), first).await.unwrap();
    assert!(matches!(bucket.update("family", bytes("three"), first).await, Err(KvError::Conflict)));
    let entry = bucket.get("family").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision), (bytes("two"), second));

    bucket.put("other.key", bytes("x")).await.unwrap();
    let mut keys = bucket.keys().await.unwrap();
    keys.sort();
    assert_eq!(keys, ["family", "other.key"]);

    bucket.delete("family").await.unwrap();
    assert_eq!(bucket.get("family").await.unwrap(), None);
    assert!(matches!(bucket.update("family", bytes("late"), second).await, Err(KvError::Conflict)));
    assert_eq!(bucket.keys().await.unwrap(), ["other.key"]);
    bucket.create("family", bytes("again")).await.unwrap();
    assert_eq!(bucket.get("family").await.unwrap().unwrap().value, bytes("again"));
    for bad in ["", ".", "a..b", "a b", "a*", ">", "ä"] {
        assert!(matches!(bucket.get(bad).await, Err(KvError::InvalidKey(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn of_many_creations_one_wins() {
    let nats = Nats::start().await;
    let bucket = Bucket::open(nats.bus(BusRole::Auth).await, Name::Credentials);
    let creations = (0..50).map(|n: u32| {
        let bucket = bucket.clone();
        async move { bucket.create("user", n.to_string().into()).await }
    });
    let outcomes = futures::future::join_all(creations).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_no_conflict_with_oneself() {
    let nats = Nats::start().await;
    let direct = Bucket::open(nats.bus(BusRole::Auth).await, Name::Refresh);
    let proxy = Proxy::before(nats.server.address()).await;
    let mut settings = nats.settings(BusRole::Auth);
    settings.url.clone_from(&proxy.url);
    let bucket = Bucket::open(Bus::connect(settings).await.unwrap(), Name::Refresh);
    proxy.swallow_answers(true);
    let creating = tokio::spawn(async move { bucket.create("family", bytes("mine")).await });
    until("it is stored", || async { direct.get("family").await.unwrap().is_some() }).await;
    proxy.swallow_answers(false);
    proxy.cut_all();
    let revision = creating.await.unwrap().unwrap();
    assert_eq!(direct.get("family").await.unwrap().unwrap().revision, revision);
}
