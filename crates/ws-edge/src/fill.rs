//! Reads that feeds ask for: holes in a lane, judgements, what could not be read before.

use std::{sync::Arc, time::Duration};

use chasqui_bus::{
    log::{LogError, Stored},
    subject::{self, Lane},
};
use chasqui_events::{CommandId, RoomId, Seq, UserId};
use chasqui_read_model::Stream;

use crate::{
    edge::Edge,
    feed::{Feed, Missing, Raw},
    room::{Room, Wish},
    unsealing,
};

/// Facts read at a time.
const CHUNK: usize = 256;
/// State facts read for one judgement.
const MOST_TRAIL: usize = 10_000;
/// The pause before a read that failed is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// Why a wish was not granted. It is asked for again.
#[derive(Debug, thiserror::Error)]
enum NotRead {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Model(#[from] chasqui_read_model::ReadError),
    #[error(transparent)]
    Key(#[from] chasqui_crypto::KeyError),
    #[error(transparent)]
    Wait(#[from] chasqui_read_model::WaitError),
}

/// Grants a wish beside everything else.
pub(crate) fn grant(edge: &Arc<Edge>, room: &Arc<Room>, wish: Wish) {
    let (edge, room) = (Arc::clone(edge), Arc::clone(room));
    tokio::spawn(async move {
        if let Err(error) = try_grant(&edge, &room, &wish).await {
            tracing::warn!(room = %room.id(), %error, "a room waits: what it misses cannot be read now");
            tokio::time::sleep(PAUSE).await;
            if room.is_closed() {
                return;
            }
            room.drive(&edge, |feed, out| {
                match &wish {
                    Wish::Fill { lane, .. } => feed.fill_failed(*lane),
                    Wish::Judge { .. } | Wish::Trail { .. } => feed.judge_failed(),
                    Wish::Reread { .. } => feed.reread(&[]),
                    Wish::Rejudge { missing } => out.push(crate::feed::Out::Rejudge { missing: *missing }),
                }
                feed.retry(out);
            });
        }
    });
}

async fn try_grant(edge: &Arc<Edge>, room: &Arc<Room>, wish: &Wish) -> Result<(), NotRead> {
    match wish {
        Wish::Fill { lane, missing } => fill(edge, room, *lane, *missing).await,
        Wish::Judge { seq, author, id } => judge(edge, room, *seq, *author, *id).await,
        Wish::Trail { seq, missing } => {
            let facts = read_lane(edge, room.id(), Lane::State, *missing, MOST_TRAIL).await?;
            room.drive(edge, |feed, out| feed.trail_read(*seq, *missing, &facts, out));
            Ok(())
        }
        Wish::Rejudge { missing } => rejudge(edge, room, *missing).await,
        Wish::Reread { seqs } => reread(edge, room, seqs).await,
    }
}

async fn fill(edge: &Arc<Edge>, room: &Arc<Room>, lane: Lane, missing: Missing) -> Result<(), NotRead> {
    let mut facts = read_lane(edge, room.id(), lane, missing, CHUNK).await?;
    unsealing::open_all(edge, room.id(), &mut facts).await?;
    let reached = match facts.last() {
        Some(last) if facts.len() >= CHUNK => last.seq,
        Some(_) | None => missing.to,
    };
    if !facts.is_empty() {
        edge.meters.hole();
    }
    edge.meters.filled.increment(facts.len() as u64);
    tracing::debug!(room = %room.id(), lane = lane.as_str(), ?missing, found = facts.len(), "a hole was filled");
    room.drive(edge, |feed, out| feed.filled(lane, &facts, reached, out));
    Ok(())
}

async fn judge(
    edge: &Arc<Edge>,
    room: &Arc<Room>,
    seq: Seq,
    author: UserId,
    id: CommandId,
) -> Result<(), NotRead> {
    edge.read_model.wait_for(Stream::of(room.id()), seq, edge.settings.resume_wait).await?;
    let first = edge.read_model.message(room.id(), author, id).await?;
    room.drive(edge, |feed, out| feed.judged(seq, first.map(|item| item.seq), out));
    Ok(())
}

async fn rejudge(edge: &Arc<Edge>, room: &Arc<Room>, missing: Missing) -> Result<(), NotRead> {
    let states = read_lane(edge, room.id(), Lane::State, missing, MOST_TRAIL).await?;
    let mut part = missing;
    loop {
        let messages = read_lane(edge, room.id(), Lane::Msg, part, CHUNK).await?;
        room.drive(edge, |_, out| Feed::rejudge(missing.after, &messages, &states, out));
        match messages.last() {
            Some(last) if messages.len() >= CHUNK => part.after = last.seq,
            Some(_) | None => return Ok(()),
        }
    }
}

async fn reread(edge: &Arc<Edge>, room: &Arc<Room>, seqs: &[Seq]) -> Result<(), NotRead> {
    let mut pushed = Vec::new();
    for seq in seqs {
        let slice = edge.read_model.timeline_after(room.id(), seq.saturating_sub(1), 1).await?;
        let items: Vec<_> = slice.items.into_iter().filter(|item| item.seq == *seq).collect();
        room.push_late(edge, chasqui_query_api::opening::open(&edge.keyring, items).await?);
        pushed.push(*seq);
    }
    room.drive(edge, |feed, _| feed.reread(&pushed));
    Ok(())
}

/// The facts of a lane in a range, at most `most`.
pub(crate) async fn read_lane(
    edge: &Edge,
    room: RoomId,
    lane: Lane,
    missing: Missing,
    most: usize,
) -> Result<Vec<Raw>, LogError> {
    // The semaphore is never closed; without a permit the read is merely not bounded.
    let _permit = edge.fills.acquire().await.ok();
    let facts = edge.log.lane_range(&subject::room(room, lane), missing.after + 1, missing.to, most).await?;
    Ok(facts.iter().map(|stored| raw(lane, stored)).collect())
}

fn raw(lane: Lane, stored: &Stored) -> Raw {
    Raw::new(lane, stored.seq, None, &stored.payload, stored.time)
}
