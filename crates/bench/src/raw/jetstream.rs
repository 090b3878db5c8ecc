//! A bare NATS server: publish to a stream that republishes, and receive that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_nats::jetstream::{
    self,
    stream::{Config, Republish, StorageType},
};
use bytes::{BufMut, Bytes, BytesMut};
use chasqui_backends::{Durability, NatsOptions, NatsServer};
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::timeout};

use super::PAYLOAD;
use crate::{
    latency::{Latencies, Summary},
    pacer::Pacer,
    procfs::cpu_seconds,
    progress::Progress,
    schedule::Schedule,
};

/// What publishing costs without anything around it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bare {
    /// From the intended time to the acknowledgement.
    pub to_ack: Summary,
    /// From the intended time to the republished message at another connection.
    pub to_receive: Summary,
    /// Messages per second with 1,024 in flight, over four streams.
    pub most: f64,
    /// Processor seconds of the server per 100,000 of them.
    pub cpu_per_100k: f64,
}

/// As many streams as Chasqui has partitions in development: each has a file of its own to fsync.
const STREAMS: u32 = 4;
const IN_FLIGHT: usize = 1024;
const WINDOW: usize = 4096;

/// Measures on a server of its own.
pub async fn measure(durability: Durability, quick: bool, progress: &Progress) -> anyhow::Result<Bare> {
    progress.step("raw cost: a bare NATS server, publish and republish");
    let server = NatsServer::start_own(&NatsOptions { durability, ..NatsOptions::default() })?;
    let pid = server.pid().context("the server of our own has a process")?;
    let publisher = async_nats::connect(server.url()).await?;
    let stream = jetstream::new(publisher);
    for number in 0..STREAMS {
        stream.create_stream(config(number)).await?;
    }
    let schedule = Schedule::new(200.0, Duration::from_secs(if quick { 4 } else { 15 }));
    let (to_ack, to_receive) = latencies(&stream, server.url(), schedule).await?;
    let count = match (durability, quick) {
        (Durability::Always, _) => 20_000,
        (Durability::Interval, true) => 50_000,
        (Durability::Interval, false) => 200_000,
    };
    progress.step(format!("raw cost: a bare NATS server, {count} messages, {IN_FLIGHT} in flight"));
    let (cpu, begun) = (cpu_seconds(pid)?, Instant::now());
    publish_many(&stream, count).await?;
    let took = begun.elapsed().as_secs_f64();
    let cpu_per_100k = (cpu_seconds(pid)? - cpu) / f64::from(count) * 100_000.0;
    Ok(Bare { to_ack, to_receive, most: f64::from(count) / took, cpu_per_100k })
}

fn config(number: u32) -> Config {
    Config {
        name: format!("RAW_{number}"),
        subjects: vec![format!("raw.{number}.>")],
        storage: StorageType::File,
        republish: Some(Republish {
            source: format!("raw.{number}.>"),
            destination: format!("live.raw.{number}.>"),
            headers_only: false,
        }),
        ..Config::default()
    }
}

async fn latencies(
    stream: &jetstream::Context,
    url: &str,
    schedule: Schedule,
) -> anyhow::Result<(Summary, Summary)> {
    let watcher = async_nats::connect(url).await?;
    let mut live = watcher.subscribe("live.raw.>").await?;
    watcher.flush().await?;
    let start = Instant::now() + Duration::from_millis(50);
    let (tell, mut due) = mpsc::channel(WINDOW);
    let _pacer = Pacer::start(schedule, start, move |n| {
        tell.try_send(n).ok();
    })?;
    let acked = Arc::new(Mutex::new(Latencies::default()));
    let publishing = {
        let (stream, acked) = (stream.clone(), Arc::clone(&acked));
        tokio::spawn(async move {
            while let Some(n) = due.recv().await {
                let Ok(ack) = stream.publish(subject(n), payload(n)).await else { continue };
                let acked = Arc::clone(&acked);
                tokio::spawn(async move {
                    if ack.await.is_ok() {
                        acked.lock().record(start.elapsed().saturating_sub(schedule.due(n)));
                    }
                });
            }
        })
    };
    let mut received = Latencies::default();
    for _ in 0..schedule.count() {
        let message = timeout(schedule.lasts() + Duration::from_secs(10), live.next()).await?;
        let n = number(&message.context("the subscription ended")?.payload)?;
        received.record(start.elapsed().saturating_sub(schedule.due(n)));
    }
    publishing.await?;
    let acked = acked.lock().summary();
    Ok((acked, received.summary()))
}

async fn publish_many(stream: &jetstream::Context, count: u32) -> anyhow::Result<()> {
    let body = payload(0);
    let publish = |n| {
        let (stream, body) = (stream.clone(), body.clone());
        async move { stream.publish(subject(n), body).await?.await }
    };
    let mut acks = futures::stream::iter(0..count).map(publish).buffer_unordered(IN_FLIGHT);
    while let Some(ack) = timeout(Duration::from_secs(30), acks.next()).await? {
        ack?;
    }
    Ok(())
}

fn subject(n: u32) -> String {
    format!("raw.{}.msg", n % STREAMS)
}

/// A payload that carries its number.
#[must_use]
pub fn payload(n: u32) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PAYLOAD);
    bytes.put_u32(n);
    bytes.put_bytes(b'x', PAYLOAD - 4);
    bytes.freeze()
}

/// The number that a payload carries.
pub fn number(payload: &[u8]) -> anyhow::Result<u32> {
    let head = payload.first_chunk::<4>().context("a payload that is not ours")?;
    Ok(u32::from_be_bytes(*head))
}
