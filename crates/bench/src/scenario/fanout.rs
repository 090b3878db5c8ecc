//! A room of 1,000, all of them connected.

use std::{sync::Arc, time::Duration};

use chasqui_backends::Durability;

use super::{
    Run,
    baseline::FAN_OUT_RATE,
    measured::{DRIVER, measure, whole},
};
use crate::{
    driver::{Acking, Load},
    figure::{Figure, Target, Unit},
    people::World,
    report::Section,
    stack::Stack,
};

/// How many of the members speak.
const AUTHORS: u32 = 10;
const ACK_AFTER: Duration = Duration::from_secs(1);

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let raw = run.bare_fan_out().await?;
    let stack = Stack::start(Durability::Interval, run.layout, &run.progress).await?;
    let endpoint = stack.endpoint(run.codec);
    let members = run.crowd();
    let world = Arc::new(World::of_one_room(&endpoint, members, &run.progress).await?);
    let schedule = run.crowd_schedule();
    let load = Load {
        authors: AUTHORS,
        acking: Acking::After(ACK_AFTER),
        receipts: false,
        ..Load::direct(endpoint, world, schedule)
    };
    let measured = measure(&stack, load, &run.progress).await?;
    let outcome = &measured.outcome;
    let deliveries = whole(outcome.verdict.delivered).max(1.0);
    let servers: f64 = measured.cpu.iter().filter(|(name, _)| name != DRIVER).map(|(_, used)| used).sum();
    let figures = vec![
        Figure::new("all servers, per 1M deliveries", servers / deliveries * 1_000_000.0, Unit::CpuS)
            .beside("bare relay", Some(raw.cpu_per_million))
            .to_reach(Target::AtMost(10.0)),
        Figure::new("send to receive p50", outcome.to_receive.p50, Unit::Ms)
            .beside("bare relay", Some(raw.to_receive.p50)),
        Figure::new("send to the last receiver p50", outcome.to_last.p50, Unit::Ms),
        Figure::new("send to the last receiver p99", outcome.to_last.p99, Unit::Ms),
    ];
    let conditions = format!(
        "One public room of {members} members, all connected; {} messages of 256 bytes at {FAN_OUT_RATE:.0}/s from \
         {AUTHORS} of them; everybody acknowledges what came in the last {ACK_AFTER:?} together; deliveries include \
         the authors' own; durability interval.",
        schedule.count(),
    );
    Ok(vec![measured.section("fanout", conditions, figures)])
}
