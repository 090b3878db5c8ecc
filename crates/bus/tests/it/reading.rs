//! Reading the log back.

use chasqui_bus::{
    ApiError, BusRole, Log,
    subject::{self, Lane},
};
use chasqui_events::Partition;

use crate::harness::{Nats, post, room};

#[tokio::test]
async fn ranges_heads_and_single_facts() {
    let nats = Nats::start().await;
    let (log, one, other) = (nats.log().await, room(), room());
    let partition = Partition::new(1).unwrap();
    let empty = log.partition_head(partition).await.unwrap();
    assert_eq!((empty.first_seq, empty.last_seq), (1, 0));

    let mut seqs = Vec::new();
    for n in 0..6 {
        seqs.push(log.append(post(one, &n.to_string())).await.unwrap().seq);
        log.append(post(other, &n.to_string())).await.unwrap();
    }
    let lane = subject::room(one, Lane::Msg);
    let found = |facts: Vec<chasqui_bus::log::Stored>| facts.iter().map(|fact| fact.seq).collect::<Vec<_>>();
    assert_eq!(found(log.lane_range(&lane, 0, u64::MAX, 100).await.unwrap()), seqs);
    assert_eq!(found(log.lane_range(&lane, seqs[1], seqs[3], 100).await.unwrap()), seqs[1..=3]);
    assert_eq!(found(log.lane_range(&lane, seqs[1] + 1, seqs[3] - 1, 100).await.unwrap()), seqs[2..3]);
    assert_eq!(found(log.lane_range(&lane, 0, u64::MAX, 2).await.unwrap()), seqs[..2]);
    assert_eq!(log.last(&lane).await.unwrap().unwrap().seq, seqs[5]);
    assert_eq!(log.last(&subject::room(room(), Lane::Msg)).await.unwrap(), None);
    assert_eq!(log.get("CHAT_1", seqs[2]).await.unwrap().unwrap().subject, lane);
    assert_eq!(log.get("CHAT_1", 99).await.unwrap(), None);

    let head = log.partition_head(partition).await.unwrap();
    assert_eq!((head.first_seq, head.last_seq, head.incarnation), (1, 12, empty.incarnation));
    assert!(head.incarnation > 1_600_000_000_000_000_000);
    let missing = log.head("CHAT_77").await.unwrap_err();
    assert!(matches!(missing, ApiError::Refused { code: 10_059, .. }), "{missing}");
}

#[tokio::test]
async fn every_reader_sees_the_same_fingerprint() {
    use chasqui_bus::{
        consumer::{ConsumerSettings, PartitionConsumer},
        live::Live,
    };
    let nats = Nats::start().await;
    let (log, room) = (nats.log().await, room());
    let mut live = Live::new(nats.bus(BusRole::WsEdge).await).subscribe_room(room).await.unwrap();
    let projector = nats.bus(BusRole::Projector).await;
    let edge = Log::new(nats.bus(BusRole::WsEdge).await);
    edge.partition_head(room.partition()).await.unwrap();

    let seq = log.append(post(room, "hola")).await.unwrap().seq;
    let read = edge.get("CHAT_1", seq).await.unwrap().unwrap();
    let republished = crate::harness::soon("the live fact", live.recv()).await.unwrap().into_stored();
    let settings = ConsumerSettings {
        stream: "CHAT_1".to_owned(),
        name: "projector_v1".to_owned(),
        start_after: 0,
        max_facts: 1,
        max_bytes: 1,
        linger: std::time::Duration::ZERO,
    };
    let mut consumer = PartitionConsumer::open(&projector, settings).await.unwrap();
    let pulled = consumer.next_batch().await.unwrap().facts.remove(0);
    assert_eq!(read, republished);
    assert_eq!(read, pulled);
    assert_eq!(read.fingerprint(), pulled.fingerprint());
}
