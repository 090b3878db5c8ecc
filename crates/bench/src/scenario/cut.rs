//! 1,000 sockets under load, all cut at once.

use std::{sync::Arc, time::Duration};

use chasqui_backends::Durability;

use super::{
    Run,
    measured::{Measured, until_in_step, watched, whole},
};
use crate::{
    driver::{Driver, Load},
    figure::{Figure, Target, Unit},
    people::World,
    procfs::CpuUse,
    report::Section,
    schedule::Schedule,
    stack::Stack,
};

const RATE: f64 = 200.0;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let pairs = run.pick(100, 500);
    let (lasts, cuts) = run.pick((Duration::from_secs(8), 1), (Duration::from_secs(40), 3));
    let stack = Stack::start(Durability::Interval, run.layout, &run.progress).await?;
    let endpoint = stack.endpoint(run.codec);
    let world = Arc::new(World::of_pairs(&endpoint, pairs, &run.progress).await?);
    let schedule = Schedule::new(RATE, lasts);
    let load = Load::direct(endpoint.clone(), Arc::clone(&world), schedule);
    let driver = Driver::connect(load, &run.progress).await?;
    let processes = watched(&stack);
    let before = CpuUse::of(&processes);
    let running = driver.start(&run.progress)?;
    let mut back = Vec::new();
    for _ in 0..cuts {
        tokio::time::sleep(lasts / (cuts + 1)).await;
        back.push(driver.cut_all(PATIENCE).await);
    }
    let outcome = driver.finish(running, &run.progress).await?;
    let in_step = until_in_step(&endpoint, &world).await?;
    let cpu = CpuUse::of(&processes).since(&before);
    driver.close().await;
    let measured = Measured { outcome, cpu, in_step, rate: RATE, lasts };
    // One that never caught up counts as infinite.
    let slowest = back.iter().map(|time| time.map_or(f64::INFINITY, |time| time.as_secs_f64()));
    let slowest = slowest.fold(0.0, f64::max);
    let missing = whole(measured.outcome.receipts_missing);
    let figures = vec![
        Figure::new(format!("all caught up, slowest of {cuts}"), slowest, Unit::S)
            .to_reach(Target::AtMost(2.0)),
        Figure::new("receipts missing", missing, Unit::Count).to_reach(Target::AtMost(0.0)),
    ];
    let conditions = format!(
        "{} sockets ({pairs} pairs), {RATE:.0} messages/s for {:.0} s, {cuts} times all sockets dropped at once \
         without a word and connected again at once, each with its cursor; messages that are due meanwhile wait at \
         their authors, and those without an answer are sent again with the same id. Caught up means that the \
         server has said so to every socket.",
        pairs * 2,
        lasts.as_secs_f64(),
    );
    let mut section = measured.section("cut", conditions, figures);
    let times = back
        .iter()
        .map(|time| time.map_or("never".to_owned(), |time| format!("{:.2} s", time.as_secs_f64())));
    section.notes.push(format!("Caught up after: {}.", times.collect::<Vec<_>>().join(", ")));
    Ok(vec![section])
}
