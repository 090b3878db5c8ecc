//! One load on one stack, with what it cost.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::Context;
use chasqui_events::Partition;
use chasqui_protocol::query::Conversation;
use futures::future::try_join_all;

use crate::{
    api::Api,
    driver::{Driver, Load, Outcome},
    figure::{Figure, Target, Unit},
    latency::Summary,
    people::{Room, World},
    procfs::{CpuUse, Process},
    progress::Progress,
    report::{Grid, Section},
    socket::Endpoint,
    stack::Stack,
    table::number,
};

/// What the driver itself is called among the processes.
pub(super) const DRIVER: &str = "(load driver)";
/// As [`Stack::processes`] calls it.
const MONGO: &str = "MongoDB server";

/// What a load found, and what it cost.
#[derive(Debug)]
pub(super) struct Measured {
    pub outcome: Outcome,
    /// Processor seconds by process, the driver last.
    pub cpu: Vec<(String, f64)>,
    /// From the moment that the last message had settled until the projections had everything.
    pub in_step: Duration,
    pub rate: f64,
    pub lasts: Duration,
}

/// Connects, runs the load to its end, waits for the projections.
pub(super) async fn measure(stack: &Stack, load: Load, progress: &Progress) -> anyhow::Result<Measured> {
    let driver = Driver::connect(load.clone(), progress).await.with_context(|| stack.log_tail())?;
    let measured = measure_connected(stack, &driver, &load, progress).await?;
    driver.close().await;
    Ok(measured)
}

async fn measure_connected(
    stack: &Stack,
    driver: &Driver,
    load: &Load,
    progress: &Progress,
) -> anyhow::Result<Measured> {
    let processes = watched(stack);
    let before = CpuUse::of(&processes);
    let outcome = driver.run(progress).await?;
    let in_step = until_in_step(&load.endpoint, &load.world).await?;
    let cpu = CpuUse::of(&processes).since(&before);
    let (rate, lasts) = (load.schedule.per_second(), load.schedule.lasts());
    Ok(Measured { outcome, cpu, in_step, rate, lasts })
}

/// The servers' processes and this one.
pub(super) fn watched(stack: &Stack) -> Vec<Process> {
    let mut processes = stack.processes();
    processes.push(Process { name: DRIVER.to_owned(), pid: std::process::id() });
    processes
}

/// How long it takes until a question for the latest is answered in every partition that has a room.
pub(super) async fn until_in_step(endpoint: &Endpoint, world: &World) -> anyhow::Result<Duration> {
    let api = Api::new(&endpoint.api)?;
    let begun = Instant::now();
    let one_of_each: HashMap<Partition, &Room> =
        world.rooms.iter().map(|room| (room.id.partition(), room)).collect();
    let asking = one_of_each.into_values().map(async |room| {
        let member = room.members.first().and_then(|&person| world.people.get(person));
        let token = &member.context("a room without members")?.token;
        let _: Conversation = api.get(&format!("/v1/conversations/{}?latest=true", room.id), token).await?;
        anyhow::Ok(())
    });
    try_join_all(asking).await?;
    Ok(begun.elapsed())
}

impl Measured {
    /// The rate that was sustained: the intended one when nothing piled up, else what was really done.
    pub(super) fn sustained(&self) -> f64 {
        if self.is_sustained() {
            return self.rate;
        }
        let seconds = (self.outcome.took + self.in_step).as_secs_f64();
        whole(self.outcome.verdict.accepted) / seconds.max(0.001)
    }

    /// Nothing piled up: nearly all arrive within a second, and everything has come, and is projected, within two
    /// after the last.
    pub(super) fn is_sustained(&self) -> bool {
        let outcome = &self.outcome;
        outcome.is_clean()
            && outcome.verdict.unknown == 0
            && outcome.verdict.refused == 0
            && outcome.to_receive.p99 < 1000.0
            && outcome.settled_after + self.in_step < Duration::from_secs(2)
    }

    /// Processor seconds per 100,000 messages accepted, of the processes that `which` takes.
    pub(super) fn cpu_per_100k(&self, which: impl Fn(&str) -> bool) -> f64 {
        let used: f64 = self.cpu.iter().filter(|(name, _)| which(name)).map(|(_, seconds)| seconds).sum();
        used / whole(self.outcome.verdict.accepted).max(1.0) * 100_000.0
    }

    /// All servers but MongoDB's.
    pub(super) fn cpu_without_mongo(&self) -> f64 {
        self.cpu_per_100k(|name| name != MONGO && name != DRIVER)
    }

    /// What must be zero.
    pub(super) fn fault_figures(&self) -> Vec<Figure> {
        let verdict = &self.outcome.verdict;
        let zero = |name: &str, count: u64| {
            Figure::new(name, whole(count), Unit::Count).to_reach(Target::AtMost(0.0))
        };
        vec![
            zero("missed", verdict.missed),
            zero("doubled", verdict.doubled),
            zero(
                "out of order",
                verdict.out_of_order + verdict.misplaced + verdict.unwanted + verdict.overtaken,
            ),
            zero("not accepted", verdict.unknown + verdict.refused + verdict.void + self.outcome.not_sent),
        ]
    }

    /// Latencies and processor time by process.
    pub(super) fn grids(&self) -> Vec<Grid> {
        vec![self.latency_grid(), self.cpu_grid()]
    }

    fn latency_grid(&self) -> Grid {
        let head = ["from the intended time, ms", "count", "p50", "p90", "p99", "p99.9", "max"];
        let mut grid = Grid::new("Latency", head);
        let outcome = &self.outcome;
        let rows = [
            ("to the driver's own send", outcome.late),
            ("to ack", outcome.to_ack),
            ("to receive", outcome.to_receive),
            ("to the last receiver", outcome.to_last),
            ("to delivered receipt at the author", outcome.to_delivered),
            ("to read receipt at the author", outcome.to_read),
        ];
        // In a room of two the last receiver is the only one.
        let told = |(name, row): &(&str, Summary)| {
            row.count > 0 && (*name != "to the last receiver" || row.count != outcome.to_receive.count)
        };
        for (name, row) in rows.into_iter().filter(told) {
            let values = [row.p50, row.p90, row.p99, row.p999, row.max].map(number);
            grid.row([name.to_owned(), row.count.to_string()].into_iter().chain(values));
        }
        grid
    }

    fn cpu_grid(&self) -> Grid {
        let mut grid =
            Grid::new("Processor time", ["process", "CPU s", "per 100k messages", "share of one core"]);
        let wall = (self.outcome.took + self.in_step).as_secs_f64().max(0.001);
        for (name, seconds) in &self.cpu {
            let per_100k = self.cpu_per_100k(|other| other == name);
            let share = format!("{:.0} %", seconds / wall * 100.0);
            grid.row([name.clone(), number(*seconds), number(per_100k), share]);
        }
        grid
    }

    /// Notes about what went wrong on the way.
    pub(super) fn notes(&self) -> Vec<String> {
        let outcome = &self.outcome;
        let mut notes = vec![format!(
            "{} messages accepted in {:.1} s; settled {:.2} s after the last send, projections in step {:.2} s \
             after that; {} receipts came back.",
            outcome.verdict.accepted,
            outcome.took.as_secs_f64(),
            outcome.settled_after.as_secs_f64(),
            self.in_step.as_secs_f64(),
            outcome.receipts,
        )];
        if outcome.verdict.replayed > 0 || outcome.reconnects > 0 {
            notes.push(format!(
                "{} reconnects, {} resets, {} entries sent again by resumes and dropped.",
                outcome.reconnects, outcome.resets, outcome.verdict.replayed
            ));
        }
        notes.extend(outcome.errors.iter().map(|(what, times)| format!("{times} x {what}")));
        notes
    }

    /// A section with everything that every load tells.
    pub(super) fn section(&self, scenario: &str, conditions: String, figures: Vec<Figure>) -> Section {
        let mut section = Section::new(scenario, conditions);
        section.figures = figures;
        section.figures.extend(self.fault_figures());
        section.grids = self.grids();
        section.notes = self.notes();
        section
    }
}

/// A count as a number for figures; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
pub(super) const fn whole(count: u64) -> f64 {
    count as f64
}
