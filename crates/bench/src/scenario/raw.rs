//! The raw costs alone: what the machine gives today.

use chasqui_backends::{Durability, MongoOptions, MongoServer};

use super::Run;
use crate::{
    figure::{Figure, Unit},
    raw::bulk,
    report::Section,
    stack::name_of,
};

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let documents = run.pick(20_000, 100_000);
    let mut section = Section::new(
        "raw",
        format!(
            "Bare backends: 256-byte messages; publishing to 4 streams, at 200/s for latencies and 1,024 in flight for the rate; \
             a tokio-tungstenite relay to {} sockets; {documents} documents like a timeline's with 3 indexes, by 1 and by 4 writers, the better of both.",
            run.crowd()
        ),
    );
    for durability in [Durability::Interval, Durability::Always] {
        let bare = run.bare_log(durability).await?;
        let name = |what: &str| format!("JetStream, {}: {what}", name_of(durability));
        section.figures.extend([
            Figure::new(name("publish to ack p50"), bare.to_ack.p50, Unit::Ms),
            Figure::new(name("publish to republish p50"), bare.to_receive.p50, Unit::Ms),
            Figure::new(name("publish to republish p99"), bare.to_receive.p99, Unit::Ms),
            Figure::new(name("most, 1,024 in flight"), bare.most, Unit::PerSecond),
            Figure::new(name("nats-server per 100k messages"), bare.cpu_per_100k, Unit::CpuS),
        ]);
    }
    let fan_out = run.bare_fan_out().await?;
    let idle = run.bare_idle_kib().await?;
    let server = MongoServer::start_own(&MongoOptions::default())?;
    let (like, indexes) = bulk::like_a_timeline(documents);
    let rate = bulk::best_rate(server.url(), &like, &indexes, &run.progress).await?;
    section.figures.extend([
        Figure::new("relay: per 1M deliveries", fan_out.cpu_per_million, Unit::CpuS),
        Figure::new("relay: send to receive p50", fan_out.to_receive.p50, Unit::Ms),
        Figure::new("relay: memory of an idle connection", idle, Unit::KiB),
        Figure::new("MongoDB server: bulk insert", rate, Unit::PerSecond),
    ]);
    Ok(vec![section])
}
