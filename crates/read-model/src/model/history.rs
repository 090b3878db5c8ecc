//! Timelines.

use chasqui_events::{CommandId, RoomId, Seq, UserId};
use chasqui_protocol::query::Page;

use super::{ReadModel, Slice, Visible};
use crate::{
    ReadError, StoredHistory, StoredItem, Stream, Version,
    hot::{Part, Tail},
    view::{rooms::RoomDoc, timeline::Numbered},
};

/// What somebody has said in a part of a room's timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// In order.
    pub items: Vec<StoredItem>,
    /// The place that the part ends at, when there is more after it.
    pub more_after: Option<Seq>,
    /// The room is held at this place.
    pub held_at: Option<Seq>,
}

impl ReadModel {
    /// The entries of a room after a place, at most `limit`.
    pub async fn timeline_after(&self, room: RoomId, after: Seq, limit: usize) -> Result<Slice, ReadError> {
        let version = self.version().await;
        if let Some(Tail { mut items, heads, .. }) = self.hot_tail(version, room, Part::After(after)).await {
            let complete = items.len() <= limit;
            items.truncate(limit);
            return Ok(Slice { items, complete, held_at: heads.held_at });
        }
        let Some(doc) = self.rooms(version).by_id(room).await? else {
            return Ok(Slice { items: vec![], complete: true, held_at: None });
        };
        let (n, _) = if after >= doc.top {
            (doc.n, doc.m)
        } else {
            self.timeline(version).numbers_at(room, after, doc.n).await?
        };
        let last = doc.n.min(n.saturating_add(limit as u64));
        let items = self.timeline(version).range(room, n + 1, last).await?;
        let items = items.into_iter().map(|entry| entry.item).collect();
        Ok(Slice { items, complete: last == doc.n, held_at: doc.heads.held_at })
    }

    /// A page of a room's history, at most `limit` entries (at least one), all of them visible.
    pub async fn history(
        &self,
        room: RoomId,
        page: Page,
        limit: usize,
        visible: Visible,
    ) -> Result<StoredHistory, ReadError> {
        let limit = limit.max(1);
        let version = self.version().await;
        if page == Page::Newest
            && visible.until.is_none()
            && let Some(tail) = self.hot_tail(version, room, Part::Newest(limit)).await
            && (tail.items.len() == limit || tail.before == 0)
        {
            return Ok(newest(tail, visible));
        }
        let Some(doc) = self.rooms(version).by_id(room).await? else {
            return Ok(StoredHistory { items: vec![], older: false, newer: false, held_at: None });
        };
        self.stored_history(version, &doc, page, limit as u64, visible).await
    }

    async fn stored_history(
        &self,
        version: Version,
        doc: &RoomDoc,
        page: Page,
        limit: u64,
        visible: Visible,
    ) -> Result<StoredHistory, ReadError> {
        // Ordinals of the first and the last visible entry.
        let first = match visible.from {
            0 => 1,
            from => self.ordinal(version, doc, from - 1).await? + 1,
        };
        let last = match visible.until {
            None => doc.n,
            Some(until) => self.ordinal(version, doc, until).await?,
        };
        let (low, high) = match page {
            Page::Newest => (last.saturating_sub(limit - 1), last),
            Page::Before(seq) => {
                let before = match seq {
                    0 => 0,
                    seq => self.ordinal(version, doc, seq - 1).await?.min(last),
                };
                (before.saturating_sub(limit - 1), before)
            }
            Page::After(seq) => {
                let after = self.ordinal(version, doc, seq).await?.max(first.saturating_sub(1));
                (after + 1, after.saturating_add(limit))
            }
            Page::Around(seq) => {
                let middle = self.ordinal(version, doc, seq).await?.clamp(first, last.max(first));
                let low = middle.saturating_sub(limit / 2).max(first);
                let high = low.saturating_add(limit - 1).min(last);
                (high.saturating_sub(limit - 1), high)
            }
        };
        let (low, high) = (low.max(first), high.min(last));
        let entries = self.timeline(version).range(doc.room, low, high).await?;
        let items: Vec<StoredItem> = entries.into_iter().map(|Numbered { item, .. }| item).collect();
        Ok(StoredHistory {
            items,
            // Where nothing is visible, there is nothing older or newer either.
            older: low > first && last >= first,
            newer: high < last && last >= first,
            held_at: doc.heads.held_at,
        })
    }

    /// What somebody has said in a room, among at most `span` entries after a place.
    pub async fn said_by(
        &self,
        room: RoomId,
        author: UserId,
        after: Seq,
        span: usize,
    ) -> Result<Said, ReadError> {
        let version = self.version().await;
        let Some(doc) = self.rooms(version).by_id(room).await? else { return Ok(Said::default()) };
        let (n, held_at) = (self.ordinal(version, &doc, after).await?, doc.heads.held_at);
        let (first, last) = (n + 1, n.saturating_add(span as u64).min(doc.n));
        if first > last {
            return Ok(Said { held_at, ..Said::default() });
        }
        let timeline = self.timeline(version);
        let items = timeline.range_by(room, author, first, last).await?;
        let more = if last == doc.n { None } else { timeline.range(room, last, last).await?.pop() };
        Ok(Said { items, more_after: more.map(|entry| entry.item.seq), held_at })
    }

    /// The ordinal of the last entry at or before a place, 0 for none.
    async fn ordinal(&self, version: Version, doc: &RoomDoc, seq: Seq) -> Result<u64, ReadError> {
        if seq >= doc.top {
            return Ok(doc.n);
        }
        if seq == 0 {
            return Ok(0);
        }
        Ok(self.timeline(version).numbers_at(doc.room, seq, doc.n).await?.0)
    }

    /// One message, by its author and id.
    pub async fn message(
        &self,
        room: RoomId,
        author: UserId,
        id: CommandId,
    ) -> Result<Option<StoredItem>, ReadError> {
        let version = self.version().await;
        self.timeline(version).message(room, author, id).await
    }

    /// The end of a room's timeline from the hot set, if that may be trusted.
    async fn hot_tail(&self, version: Version, room: RoomId, part: Part) -> Option<Tail> {
        let tail = self.0.hot.tail(version, room, part).await.ok().flatten()?;
        let stream = Stream::of(room);
        if tail.pos < self.promised(version, stream) {
            return None;
        }
        self.promise(version, stream, tail.pos);
        Some(tail)
    }
}

fn newest(tail: Tail, visible: Visible) -> StoredHistory {
    let hidden = tail.items.iter().take_while(|item| item.seq < visible.from).count();
    let older = hidden == 0 && tail.before != 0 && tail.before >= visible.from;
    let items = tail.items.into_iter().skip(hidden).collect();
    StoredHistory { items, older, newer: false, held_at: tail.heads.held_at }
}
