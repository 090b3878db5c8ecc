//! The newest 50 of a room of 100,000.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;
use chasqui_backends::Durability;
use chasqui_events::{CommandId, RoomId};
use chasqui_protocol::{
    ClientFrame,
    command::Send,
    query::{Freshness, History, Page, Query},
};
use futures::{TryStreamExt, future::try_join_all};
use mongodb::{
    Client,
    bson::{Document, doc},
};

use super::Run;
use crate::{
    caller::{Caller, new_id},
    figure::{Figure, Target, Unit},
    latency::{Latencies, Summary},
    people::{Room, World},
    progress::Progress,
    report::{Grid, Section},
    socket::Endpoint,
    stack::{DATABASE, Stack},
    table::number,
};

const PAGE: u32 = 50;
/// Connections that fill a room, and sends in flight on each.
const CONNECTIONS: usize = 8;
const WINDOW: usize = 32;
/// Commands made at once, so that they need not all lie in memory.
const CHUNK: usize = 2_000;

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let messages = run.pick(5_000, 100_000);
    let reads = run.pick(200, 2_000);
    let stack = Stack::start(Durability::Interval, run.layout, &run.progress).await?;
    let endpoint = stack.endpoint(run.codec);
    let world = World::of_pairs(&endpoint, 1, &run.progress).await?;
    let (room, person) = (world.rooms.first(), world.people.first());
    let (room, person) = room.zip(person).context("a pair has a room")?;
    run.progress.count(format!("{messages} messages into one room"), messages);
    fill(&endpoint, &world, room, messages, &run.progress).await?;
    let mut caller = Caller::connect(&endpoint).await?;
    caller.hello(&person.token, None).await?;
    caller.ask(Query::Conversation { room: room.id }, Freshness::Latest).await?;
    run.progress.step(format!("{reads} pages over the WebSocket, {reads} over HTTP"));
    let socket = over_socket(&mut caller, room.id, reads).await?;
    let http = over_http(&endpoint.api, &person.token, room.id, reads).await?;
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

/// So many messages into one room, many in flight. An edge does one connection's commands for a room in the order
/// in which they come, so several connections send, by turns of everybody who is in the room.
pub(super) async fn fill(
    endpoint: &Endpoint,
    world: &World,
    room: &Room,
    count: usize,
    progress: &Progress,
) -> anyhow::Result<()> {
    let sent = AtomicUsize::new(0);
    let sending = (0..CONNECTIONS).map(async |index| {
        let person =
            room.members.get(index % room.members.len().max(1)).and_then(|&person| world.people.get(person));
        let mut caller = Caller::connect(endpoint).await?;
        caller.hello(&person.context("a room has members")?.token, None).await?;
        let share = count / CONNECTIONS + usize::from(index < count % CONNECTIONS);
        for from in (0..share).step_by(CHUNK) {
            let commands = (from..share.min(from + CHUNK)).map(|_| message(room.id)).collect();
            let one_more = |_| progress.done(sent.fetch_add(1, Ordering::Relaxed) + 1);
            caller.call_all(commands, WINDOW, one_more).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(sending).await?;
    Ok(())
}

fn message(room: RoomId) -> (CommandId, ClientFrame) {
    let (id, body) = (new_id(), "x".repeat(crate::raw::PAYLOAD));
    (id, ClientFrame::Send(Send { id, room, body, replies_to: Vec::new(), retry: false, on_behalf: None }))
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

async fn over_http(address: &str, token: &str, room: RoomId, reads: u32) -> anyhow::Result<Summary> {
    let client =
        reqwest::Client::builder().no_proxy().tcp_nodelay(true).timeout(Duration::from_secs(10)).build()?;
    let url = format!("http://{address}/v1/rooms/{room}/messages");
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
