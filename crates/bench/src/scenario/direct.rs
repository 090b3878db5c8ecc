//! 200 pairs, both receipts, fixed rates, both modes of durability.

use std::{sync::Arc, time::Duration};

use chasqui_backends::Durability;

use super::{
    Run,
    measured::{Measured, measure, whole},
};
use crate::{
    driver::Load,
    figure::{Figure, Target, Unit},
    people::World,
    raw::jetstream::Bare,
    report::Section,
    schedule::Schedule,
    stack::{Stack, name_of},
};

pub(super) const PAIRS: usize = 200;

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let mut sections = Vec::new();
    for durability in [Durability::Interval, Durability::Always] {
        let bare = run.bare_log(durability).await?;
        let stack = Stack::start(durability, run.layout, &run.progress).await?;
        let endpoint = stack.endpoint(run.codec);
        let world = Arc::new(World::of_pairs(&endpoint, PAIRS, &run.progress).await?);
        for &rate in &run.rates {
            let schedule = Schedule::new(rate, run.pick(Duration::from_secs(6), Duration::from_secs(30)));
            let load = Load::direct(endpoint.clone(), Arc::clone(&world), schedule);
            let measured = measure(&stack, load, &run.progress).await?;
            sections.push(section(&measured, durability, bare));
        }
    }
    Ok(sections)
}

fn section(measured: &Measured, durability: Durability, bare: Bare) -> Section {
    let outcome = &measured.outcome;
    let conditions = format!(
        "{PAIRS} pairs, 256-byte bodies, {:.0} messages/s for {:.0} s, evenly spaced, both sides in turns; every \
         message acknowledged and read at once; receipt window 250 ms; durability {}.",
        measured.rate,
        measured.lasts.as_secs_f64(),
        name_of(durability),
    );
    // What is to be reached is said of `interval`; `always` is measured beside it, and must lose nothing either.
    let at = |rate: f64| durability == Durability::Interval && (measured.rate - rate).abs() < 0.5;
    let mut receive = Figure::new("send to receive p50", outcome.to_receive.p50, Unit::Ms)
        .beside("publish to republish p50 at 200/s", Some(bare.to_receive.p50));
    let mut cpu = Figure::new("all but MongoDB, per 100k messages", measured.cpu_without_mongo(), Unit::CpuS)
        .beside("nats-server, 1,024 in flight", Some(bare.cpu_per_100k));
    let mut sustained =
        Figure::new("sustained, receipts and projection in step", measured.sustained(), Unit::PerSecond)
            .beside("JetStream, 1,024 in flight", Some(bare.most));
    if at(200.0) {
        receive = receive.to_reach(Target::RatioAtMost(8.0));
    }
    if at(1000.0) {
        cpu = cpu.to_reach(Target::AtMost(80.0));
    }
    if at(2000.0) {
        sustained = sustained.to_reach(Target::AtLeast(2000.0));
    }
    let figures = vec![
        sustained,
        Figure::new("send to ack p50", outcome.to_ack.p50, Unit::Ms)
            .beside("publish to ack p50 at 200/s", Some(bare.to_ack.p50)),
        receive,
        Figure::new("send to receive p99", outcome.to_receive.p99, Unit::Ms)
            .beside("publish to republish p99 at 200/s", Some(bare.to_receive.p99)),
        cpu,
        Figure::new("receipts missing", whole(outcome.receipts_missing), Unit::Count)
            .to_reach(Target::AtMost(0.0)),
    ];
    measured.section(&format!("direct, {}, {:.0}/s", name_of(durability), measured.rate), conditions, figures)
}
