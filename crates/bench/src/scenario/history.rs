//! The newest 50 of a room of 100,000.

use std::time::{Duration, Instant};

use anyhow::Context;
use chasqui_backends::Durability;
use chasqui_events::RoomId;
use chasqui_protocol::{
    ClientFrame,
    command::Send,
    query::{Freshness, History, Page, Query},
};
use futures::TryStreamExt;
use mongodb::{
    Client,
    bson::{Document, doc},
};

use super::Run;
use crate::{
    caller::{Caller, new_id},
    figure::{Figure, Target, Unit},
    latency::{Latencies, Summary},
    people::World,
    progress::Progress,
    report::{Grid, Section},
    stack::{DATABASE, Stack},
    table::number,
};

const PAGE: u32 = 50;
/// Sends in flight on the connection that fills the room.
pub(super) const WINDOW: usize = 256;
/// Commands made at once, so that they need not all lie in memory.
const CHUNK: usize = 10_000;

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let messages = run.pick(5_000, 100_000);
    let reads = run.pick(200, 2_000);
    let stack = Stack::start(Durability::Interval, &run.progress).await?;
    let endpoint = stack.endpoint(run.codec);
    let world = World::of_pairs(&endpoint, 1, &run.progress).await?;
    let (room, person) = (world.rooms.first(), world.people.first());
    let (room, person) = room.zip(person).context("a pair has a room")?;
    let mut caller = Caller::connect(&endpoint).await?;
    caller.hello(&person.token, None).await?;
    fill(&mut caller, room.id, messages, &run.progress).await?;
    caller.ask(Query::Conversation { room: room.id }, Freshness::Latest).await?;
    run.progress.step(format!("{reads} pages over the WebSocket, {reads} over HTTP"));
    let socket = over_socket(&mut caller, room.id, reads).await?;
    let http = over_http(&stack.http_url(), &person.token, room.id, reads).await?;
    let raw = over_mongo(&stack, reads).await?;
    let beside = |figure: Figure| {
        figure
            .beside("the page's documents from the MongoDB server", Some(raw.p50))
            .to_reach(Target::AtMost(3.0))
    };
    let mut section = Section::new(
        "history",
        format!(
            "A direct conversation of {messages} messages of 256 bytes; its newest {PAGE}, {reads} times each way, \
             one after the other on one connection."
        ),
    );
    section.figures = vec![
        beside(Figure::new("newest 50 over HTTP, p50", http.p50, Unit::Ms)),
        beside(Figure::new("newest 50 over the WebSocket, p50", socket.p50, Unit::Ms)),
    ];
    let mut grid = Grid::new("Latency", ["ms", "count", "p50", "p90", "p99", "p99.9", "max"]);
    for (name, row) in [("HTTP", http), ("WebSocket", socket), ("MongoDB server alone", raw)] {
        let values = [row.p50, row.p90, row.p99, row.p999, row.max].map(number);
        grid.row([name.to_owned(), row.count.to_string()].into_iter().chain(values));
    }
    section.grids = vec![grid];
    Ok(vec![section])
}

/// So many messages into one room, many in flight.
pub(super) async fn fill(
    caller: &mut Caller,
    room: RoomId,
    count: usize,
    progress: &Progress,
) -> anyhow::Result<()> {
    progress.count(format!("{count} messages into one room, {WINDOW} in flight"), count);
    let body = "x".repeat(crate::raw::PAYLOAD);
    let mut before = 0;
    while before < count {
        let chunk = CHUNK.min(count - before);
        let send = |_| {
            let (id, body) = (new_id(), body.clone());
            let send = Send { id, room, body, replies_to: Vec::new(), retry: false, on_behalf: None };
            (id, ClientFrame::Send(send))
        };
        let commands = (0..chunk).map(send).collect();
        caller.call_all(commands, WINDOW, |done| progress.done(before + done)).await?;
        before += chunk;
    }
    Ok(())
}

async fn over_socket(caller: &mut Caller, room: RoomId, reads: u32) -> anyhow::Result<Summary> {
    let mut latencies = Latencies::default();
    for _ in 0..reads {
        let ask = Query::History { room, page: Page::Newest, limit: Some(PAGE) };
        let begun = Instant::now();
        let data = caller.ask(ask, Freshness::Any).await?;
        latencies.record(begun.elapsed());
        let page: History = serde_json::from_value(data)?;
        anyhow::ensure!(page.items.len() == PAGE as usize, "a page of {} items", page.items.len());
    }
    Ok(latencies.summary())
}

async fn over_http(base: &str, token: &str, room: RoomId, reads: u32) -> anyhow::Result<Summary> {
    let client = reqwest::Client::builder().tcp_nodelay(true).timeout(Duration::from_secs(10)).build()?;
    let url = format!("{base}/v1/rooms/{room}/messages");
    let mut latencies = Latencies::default();
    for _ in 0..reads {
        let begun = Instant::now();
        let request = client.get(&url).query(&[("limit", PAGE)]).bearer_auth(token);
        let body = request.send().await?.error_for_status()?.bytes().await?;
        latencies.record(begun.elapsed());
        let page: History = serde_json::from_slice(&body)?;
        anyhow::ensure!(page.items.len() == PAGE as usize, "a page of {} items", page.items.len());
    }
    Ok(latencies.summary())
}

/// The same documents by the same index range, straight from the server: there is one room only.
async fn over_mongo(stack: &Stack, reads: u32) -> anyhow::Result<Summary> {
    let database = Client::with_uri_str(stack.mongo_url()).await?.database(DATABASE);
    let names = database.list_collection_names().await?;
    let timeline = names.iter().find(|name| name.ends_with("_timeline")).context("there is no timeline")?;
    let collection = database.collection::<Document>(timeline);
    let entries = i64::try_from(collection.count_documents(doc! {}).await?)?;
    let newest =
        collection.find_one(doc! { "n": entries }).await?.context("the newest entry has the last number")?;
    let room = newest.get("room").context("an entry has a room")?;
    let mut latencies = Latencies::default();
    for _ in 0..reads {
        let filter = doc! { "room": room, "n": { "$gt": entries - i64::from(PAGE) } };
        let begun = Instant::now();
        let page: Vec<Document> = collection.find(filter).sort(doc! { "n": 1 }).await?.try_collect().await?;
        latencies.record(begun.elapsed());
        anyhow::ensure!(page.len() == PAGE as usize, "a page of {} documents", page.len());
    }
    Ok(latencies.summary())
}
