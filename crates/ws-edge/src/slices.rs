//! What was missed of a room, read once for all who miss it from the same place.
//!
//! From the read model as far as it goes, and from the log where the projection is not there yet or holds the room.

use std::{collections::HashMap, sync::Arc};

use chasqui_bus::{log::LogError, subject::Lane};
use chasqui_crypto::KeyError;
use chasqui_domain::{StateTrail, Verdict};
use chasqui_events::{
    Envelope, RoomId, Seq,
    message::{MessageEvent, may_repeat},
};
use chasqui_protocol::Item;
use chasqui_query_api::opening;
use chasqui_read_model::{ReadError, Stream};
use parking_lot::Mutex;

use crate::{
    edge::Edge,
    feed::{Missing, Raw, Said, message_item, state_item},
    fill, unsealing,
};

/// A part of a room's timeline.
#[derive(Debug)]
pub(crate) struct Slice {
    /// In log order.
    pub(crate) items: Vec<Item>,
    /// Nothing is missing up to here.
    pub(crate) complete_to: Seq,
}

/// Why there is no slice.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSlice {
    /// More was missed than is sent by itself.
    #[error("more was missed than is sent by itself")]
    TooOld,
    #[error(transparent)]
    Model(#[from] ReadError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

type Shared = Arc<tokio::sync::Mutex<Option<Arc<Slice>>>>;

/// The slices that were read since the last tick.
#[derive(Debug, Default)]
pub(crate) struct Slices(Mutex<HashMap<(RoomId, Seq), Shared>>);

impl Slices {
    /// Forgets them.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    fn shared(&self, room: RoomId, after: Seq) -> Shared {
        Arc::clone(self.0.lock().entry((room, after)).or_default())
    }
}

/// What is in a room after `after` and up to `upto` at least.
pub(crate) async fn read(edge: &Edge, room: RoomId, after: Seq, upto: Seq) -> Result<Arc<Slice>, NoSlice> {
    let shared = edge.slices.shared(room, after);
    let mut known = shared.lock().await;
    if let Some(slice) = known.as_ref()
        && slice.complete_to >= upto
    {
        return Ok(Arc::clone(slice));
    }
    // The semaphore is never closed; without a permit the read is merely not bounded.
    let _permit = edge.reads.acquire().await.ok();
    let slice = Arc::new(read_once(edge, room, after, upto).await?);
    *known = Some(Arc::clone(&slice));
    Ok(slice)
}

async fn read_once(edge: &Edge, room: RoomId, after: Seq, upto: Seq) -> Result<Slice, NoSlice> {
    let most = edge.settings.max_fill;
    let stream = Stream::of(room);
    let reached = match edge.read_model.wait_for(stream, upto, edge.settings.resume_wait).await {
        Ok(reached) => reached,
        Err(_) => edge.read_model.checkpoint(stream).await?.map_or(0, |checkpoint| checkpoint.pos),
    };
    let found = edge.read_model.timeline_after(room, after, most + 1).await?;
    if !found.complete || found.items.len() > most {
        return Err(NoSlice::TooOld);
    }
    let mut items = opening::open(&edge.keyring, found.items).await?;
    let last = items.last().map_or(after, |item| item.seq);
    let mut complete_to = reached.max(last);
    if let Some(held) = found.held_at {
        complete_to = complete_to.min(held.saturating_sub(1)).max(last);
    }
    if complete_to < upto {
        items.extend(from_log(edge, room, Missing { after: complete_to.max(after), to: upto }, most).await?);
        complete_to = upto;
    }
    if items.len() > most {
        return Err(NoSlice::TooOld);
    }
    Ok(Slice { items, complete_to })
}

/// The entries that facts of the log make; what cannot be read makes none.
async fn from_log(edge: &Edge, room: RoomId, missing: Missing, most: usize) -> Result<Vec<Item>, NoSlice> {
    let states = fill::read_lane(edge, room, Lane::State, missing, most + 1).await?;
    let mut messages = fill::read_lane(edge, room, Lane::Msg, missing, most + 1).await?;
    if states.len() > most || messages.len() > most {
        return Err(NoSlice::TooOld);
    }
    unsealing::open_all(edge, room, &mut messages).await?;
    let basis = messages.iter().filter_map(basis).min().unwrap_or(missing.after).min(missing.after);
    let earlier = Missing { after: basis, to: missing.after };
    let earlier = if earlier.after < earlier.to {
        fill::read_lane(edge, room, Lane::State, earlier, most + 1).await?
    } else {
        vec![]
    };
    let mut trail = StateTrail::starting_after(basis);
    let mut items = Vec::new();
    for (raw, is_new) in earlier.iter().map(|raw| (raw, false)).chain(states.iter().map(|raw| (raw, true))) {
        if let Said::State(envelope) = &raw.said {
            trail.note(raw.seq, &envelope.event);
            if is_new {
                items.push(state_item(room, raw.seq, envelope));
            }
        }
    }
    for Raw { seq, said, opened, .. } in messages {
        let Said::Message(envelope) = said else { continue };
        if stands(edge, room, &trail, seq, &envelope).await? {
            items.push(message_item(room, seq, envelope, opened));
        }
    }
    items.sort_by_key(|item| item.seq);
    drop_repeats(&mut items);
    Ok(items)
}

/// What a message was decided on.
fn basis(raw: &Raw) -> Option<Seq> {
    if let Said::Message(envelope) = &raw.said { Some(envelope.basis) } else { None }
}

async fn stands(
    edge: &Edge,
    room: RoomId,
    trail: &StateTrail,
    seq: Seq,
    envelope: &Envelope<MessageEvent>,
) -> Result<bool, ReadError> {
    if trail.verdict(envelope.by, envelope.basis, envelope.recorded_at(), seq) != Verdict::Valid {
        return Ok(false);
    }
    if !may_repeat(envelope.id, envelope.recorded_at()) {
        return Ok(true);
    }
    let first = edge.read_model.message(room, envelope.by, envelope.id).await?;
    Ok(first.is_none_or(|item| item.seq == seq))
}

/// Of several copies of a message that the projection does not have yet, the first one stands.
fn drop_repeats(items: &mut Vec<Item>) {
    let mut seen = std::collections::HashSet::new();
    items.retain(|item| match &item.what {
        chasqui_protocol::Happening::Message { id, .. } => seen.insert((item.by, *id)),
        _ => true,
    });
}

/// What a fact of the state lane says, as an entry.
pub(crate) fn state_entry(room: RoomId, raw: &Raw) -> Option<Item> {
    if let Said::State(envelope) = &raw.said { Some(state_item(room, raw.seq, envelope)) } else { None }
}
