//! All views built anew from the log, beside bulk inserts of the same documents into the same MongoDB server.

use std::time::{Duration, Instant};

use anyhow::Context;
use chasqui_backends::Durability;
use futures::TryStreamExt;
use mongodb::{
    Client, Database,
    bson::{Bson, Document, doc},
};

use super::{
    Run, history,
    measured::{until_in_step, watched, whole},
};
use crate::{
    figure::{Figure, Target, Unit},
    people::World,
    procfs::CpuUse,
    progress::Progress,
    raw::bulk,
    report::{Grid, Section},
    socket::Endpoint,
    stack::{DATABASE, Layout, Stack},
    table::number,
};

const PAIRS: usize = 40;
const PATIENCE: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(50);

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let messages = run.pick(8_000, 100_000);
    let mut stack = Stack::start(Durability::Interval, run.layout, &run.progress).await?;
    let endpoint = stack.endpoint(run.codec);
    let world = World::of_pairs(&endpoint, PAIRS, &run.progress).await?;
    fill(&endpoint, &world, messages / PAIRS, &run.progress).await?;
    until_in_step(&endpoint, &world).await?;
    let database = Client::with_uri_str(stack.mongo_url()).await?.database(DATABASE);
    let goal = Goal::of(&database).await?;
    let (documents, indexes) =
        bulk::copy_of(stack.mongo_url(), DATABASE, &goal.timeline, i64::from(u32::MAX)).await?;
    let (index_count, document_count) = (indexes.len(), documents.len());
    stack.stop_servers();
    let raw = bulk::best_rate(stack.mongo_url(), &documents, &indexes, &run.progress).await?;
    database.drop().await?;
    stack.redis().restart()?;
    run.progress.step("the projections from nothing");
    let begun = Instant::now();
    stack.serve(Layout::OnlyProjector).await?;
    let processes = watched(&stack);
    let before = CpuUse::default();
    goal.reached(&database).await.with_context(|| stack.log_tail())?;
    let took = begun.elapsed();
    let cpu = CpuUse::of(&processes).since(&before);
    let rebuilt = database.collection::<Document>(&goal.timeline).count_documents(doc! {}).await?;
    let rate = whole(rebuilt) / took.as_secs_f64();
    let mut section = Section::new(
        "projector",
        format!(
            "{messages} messages of 256 bytes in {PAIRS} rooms, {} facts in all; MongoDB emptied, Redis emptied, one \
             process with the role projector started; time from the start of that process until the checkpoints \
             stand where they stood. Raw: the {document_count} documents of the timeline with its {index_count} \
             indexes in batches of 1,000 by 1 and by 4 writers, the better of both.",
            goal.facts(),
        ),
    );
    section.figures = vec![
        Figure::new("timeline entries projected", rate, Unit::PerSecond)
            .beside("bulk insert of the same documents", Some(raw))
            .to_reach(Target::RatioAtLeast(0.6)),
        Figure::new(
            "entries missing after the rebuild",
            whole((document_count as u64).abs_diff(rebuilt)),
            Unit::Count,
        )
        .to_reach(Target::AtMost(0.0)),
    ];
    let mut grid = Grid::new("Processor time of the rebuild", ["process", "CPU s", "per 100k messages"]);
    // Only what was started for it has no history of its own.
    for (name, seconds) in cpu.iter().filter(|(name, _)| name == "chasqui") {
        grid.row([name.clone(), number(*seconds), number(seconds / whole(messages as u64) * 100_000.0)]);
    }
    section.grids = vec![grid];
    section.notes = vec![format!("It took {:.1} s.", took.as_secs_f64())];
    Ok(vec![section])
}

async fn fill(endpoint: &Endpoint, world: &World, each: usize, progress: &Progress) -> anyhow::Result<()> {
    let rooms = world.rooms.len();
    progress.count(format!("{} messages into {rooms} rooms", each * rooms), rooms);
    for (done, room) in world.rooms.iter().enumerate() {
        history::fill(endpoint, world, room, each, &Progress::silent()).await?;
        progress.done(done + 1);
    }
    Ok(())
}

/// What the store looks like when everything is projected.
struct Goal {
    checkpoints: String,
    timeline: String,
    at: Vec<(Bson, i64)>,
}

impl Goal {
    /// As it is now: everything is.
    async fn of(database: &Database) -> anyhow::Result<Self> {
        let names = database.list_collection_names().await?;
        let ending_in = |end: &str| {
            names
                .iter()
                .find(|name| name.ends_with(end))
                .cloned()
                .with_context(|| format!("no …{end} in {names:?}"))
        };
        let (checkpoints, timeline) = (ending_in("_checkpoints")?, ending_in("_timeline")?);
        let at = positions(database, &checkpoints).await?;
        anyhow::ensure!(!at.is_empty(), "there are no checkpoints");
        Ok(Self { checkpoints, timeline, at })
    }

    async fn reached(&self, database: &Database) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = positions(database, &self.checkpoints).await?;
            let there =
                |(stream, goal): &(Bson, i64)| now.iter().any(|(other, at)| other == stream && at >= goal);
            if self.at.iter().all(there) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "after {PATIENCE:?}: {now:?} of {:?}", self.at);
            tokio::time::sleep(POLL).await;
        }
    }

    fn facts(&self) -> i64 {
        self.at.iter().map(|(_, at)| at).sum()
    }
}

async fn positions(database: &Database, collection: &str) -> anyhow::Result<Vec<(Bson, i64)>> {
    let documents: Vec<Document> = database.collection(collection).find(doc! {}).await?.try_collect().await?;
    let position = |document: Document| {
        let at = document.get("pos").and_then(|pos| pos.as_i64().or(pos.as_i32().map(i64::from)))?;
        Some((document.get("_id")?.clone(), at))
    };
    Ok(documents.into_iter().filter_map(position).collect())
}
