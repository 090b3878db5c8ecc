//! The bare MongoDB-protocol server: documents into a collection with indexes, in bulk.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::{
    Client, Collection, IndexModel,
    bson::{Document, doc},
    options::IndexOptions,
};
use tokio::time::timeout;

use crate::progress::Progress;

const BATCH: usize = 1000;
const PATIENCE: Duration = Duration::from_mins(5);
/// What a run of an unfinished one left is removed first.
const DATABASE: &str = "chasqui_bench_raw";

/// Documents per second of ordinary bulk inserts, by one writer and by four (as many as Chasqui has partitions in
/// development): the better of both.
pub async fn best_rate(
    url: &str,
    documents: &[Document],
    indexes: &[IndexModel],
    progress: &Progress,
) -> anyhow::Result<f64> {
    let mut best = 0.0_f64;
    for writers in [1, 4] {
        let rate = insert_rate(url, documents.to_vec(), indexes.to_vec(), writers, progress).await?;
        best = best.max(rate);
    }
    Ok(best)
}

async fn insert_rate(
    url: &str,
    documents: Vec<Document>,
    indexes: Vec<IndexModel>,
    writers: usize,
    progress: &Progress,
) -> anyhow::Result<f64> {
    let count = documents.len();
    progress
        .step(format!("raw cost: {count} documents in bulk into the bare MongoDB server, {writers} writers"));
    let client = Client::with_uri_str(url).await?;
    let database = client.database(DATABASE);
    database.drop().await?;
    let collection: Collection<Document> = database.collection("bulk");
    if !indexes.is_empty() {
        collection.create_indexes(indexes).await?;
    }
    let batches: Vec<Vec<Document>> = documents.chunks(BATCH).map(<[Document]>::to_vec).collect();
    let begun = Instant::now();
    let all = stream::iter(batches)
        .map(|batch| {
            let collection = collection.clone();
            async move { collection.insert_many(batch).ordered(false).await }
        })
        .buffer_unordered(writers)
        .try_for_each(|_| async { Ok(()) });
    timeout(PATIENCE, all).await.context("the bulk insert takes too long")??;
    let took = begun.elapsed().as_secs_f64();
    database.drop().await?;
    Ok(f64::from(u32::try_from(count)?) / took)
}

/// The documents of a collection, at most so many, and its indexes besides the one of `_id`.
pub async fn copy_of(
    url: &str,
    database: &str,
    collection: &str,
    limit: i64,
) -> anyhow::Result<(Vec<Document>, Vec<IndexModel>)> {
    let client = Client::with_uri_str(url).await?;
    let collection: Collection<Document> = client.database(database).collection(collection);
    let documents = collection.find(doc! {}).limit(limit).await?.try_collect().await?;
    let indexes: Vec<IndexModel> = collection.list_indexes().await?.try_collect().await?;
    let indexes = indexes.into_iter().filter(|index| index.keys != doc! { "_id": 1 }).map(plain).collect();
    Ok((documents, indexes))
}

/// Documents and indexes like those of a timeline, for a run without a projector.
#[must_use]
pub fn like_a_timeline(count: u32) -> (Vec<Document>, Vec<IndexModel>) {
    let body = "x".repeat(super::PAYLOAD);
    let document = |n: u32| {
        let (room, at) = (format!("room-{}", n % 200), i64::from(n / 200));
        doc! {
            "_id": format!("{room}:{at}"), "room": room, "n": at, "seq": i64::from(n),
            "at": 1_700_000_000_000_i64 + i64::from(n), "by": format!("author-{}", n % 400),
            "cid": format!("command-{n}"), "body": &body,
        }
    };
    let documents = (0..count).map(document).collect();
    let indexes = vec![
        IndexModel::builder().keys(doc! { "room": 1, "n": 1 }).build(),
        IndexModel::builder().keys(doc! { "room": 1, "seq": 1 }).build(),
        IndexModel::builder()
            .keys(doc! { "room": 1, "by": 1, "cid": 1 })
            .options(IndexOptions::builder().unique(true).build())
            .build(),
    ];
    (documents, indexes)
}

/// What makes an index the same elsewhere: its keys, whether it is unique, whom it leaves out.
fn plain(index: IndexModel) -> IndexModel {
    let options = index.options.unwrap_or_default();
    let kept = IndexOptions::builder()
        .unique(options.unique)
        .sparse(options.sparse)
        .partial_filter_expression(options.partial_filter_expression)
        .build();
    IndexModel::builder().keys(index.keys).options(kept).build()
}
