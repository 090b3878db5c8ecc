//! The highest rate that 200 pairs sustain, with both receipts and the projection in step.

use std::{sync::Arc, time::Duration};

use chasqui_backends::Durability;

use super::{Run, direct::PAIRS, measured::measure};
use crate::{
    driver::Load,
    figure::{Figure, Unit},
    people::World,
    report::{Grid, Section},
    schedule::Schedule,
    search::Search,
    stack::{Stack, name_of},
    table::number,
};

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let mut sections = Vec::new();
    for durability in [Durability::Interval, Durability::Always] {
        sections.push(search(run, durability).await?);
    }
    Ok(sections)
}

async fn search(run: &mut Run, durability: Durability) -> anyhow::Result<Section> {
    let bare = run.bare_log(durability).await?;
    let stack = Stack::start(durability, run.layout, &run.progress).await?;
    let endpoint = stack.endpoint(run.codec);
    let world = Arc::new(World::of_pairs(&endpoint, PAIRS, &run.progress).await?);
    let lasts = run.pick(Duration::from_secs(4), Duration::from_secs(12));
    let mut tries = Grid::new(
        "Tries",
        [
            "messages/s",
            "held",
            "receive p50 ms",
            "receive p99 ms",
            "settled after s",
            "in step after s",
            "faults",
        ],
    );
    let mut search = Search::new(1000.0, 1.4, 0.1, run.pick(4, 8));
    while let Some(rate) = search.next() {
        let load = Load::direct(endpoint.clone(), Arc::clone(&world), Schedule::new(rate, lasts));
        let measured = measure(&stack, load, &run.progress).await?;
        let outcome = &measured.outcome;
        let held = measured.is_sustained();
        tries.row([
            number(rate),
            if held { "yes" } else { "no" }.to_owned(),
            number(outcome.to_receive.p50),
            number(outcome.to_receive.p99),
            number(outcome.settled_after.as_secs_f64()),
            number(measured.in_step.as_secs_f64()),
            outcome.verdict.faults().to_string(),
        ]);
        search.tried(held);
    }
    let mut section = Section::new(
        format!("highest, {}", name_of(durability)),
        format!(
            "{PAIRS} pairs as in `direct`, {:.0} s a try. Held means: p99 of send to receive below 1 s, and within \
             2 s of the last message everything received, both receipts back and the projections in step.",
            lasts.as_secs_f64()
        ),
    );
    let best = search.best().unwrap_or(0.0);
    section.figures = vec![
        Figure::new("highest rate sustained", best, Unit::PerSecond)
            .beside("JetStream, 1,024 in flight", Some(bare.most)),
    ];
    section.grids = vec![tries];
    Ok(section)
}
