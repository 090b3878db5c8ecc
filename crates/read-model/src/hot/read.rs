//! The readers' side of the hot set.

use chasqui_events::{Partition, RoomId, Seq};

use super::{Hot, HotError, Keys};
use crate::{Checkpoint, StoredItem, Stream, Version, view::rooms::RoomHeads};

/// The end of a room's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Complete up to this position of the partition.
    pub(crate) pos: Seq,
    pub(crate) heads: RoomHeads,
    /// The entry before the first item, 0 for none.
    pub(crate) before: Seq,
    pub(crate) items: Vec<StoredItem>,
}

/// What to read of a room's list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// Everything after this.
    After(Seq),
    /// At most so many.
    Newest(usize),
}

impl Hot {
    /// How far the hot set of a stream reaches; `None` when it does not say.
    pub(crate) async fn checkpoint(
        &self,
        version: Version,
        stream: Stream,
    ) -> Result<Option<Checkpoint>, HotError> {
        type Fields = (Option<Seq>, Option<u64>, Option<i64>, Option<u64>);
        let mut command = redis::cmd("HMGET");
        command.arg(Keys::of(version, stream).meta()).arg(&["pos", "epoch", "incarnation", "fingerprint"]);
        let fields: Fields = self.guarded(command.query_async(&mut self.manager.clone())).await?;
        Ok(match fields {
            (Some(pos), Some(epoch), Some(incarnation), Some(fingerprint)) => {
                Some(Checkpoint { pos, epoch, incarnation, fingerprint })
            }
            _ => None,
        })
    }

    /// The end of a room's timeline; `None` when the hot set does not hold that much of it.
    pub(crate) async fn tail(
        &self,
        version: Version,
        room: RoomId,
        part: Part,
    ) -> Result<Option<Tail>, HotError> {
        let keys = Keys::of(version, Stream::of(room));
        let mut script = self.scripts.read.prepare_invoke();
        script.key(keys.meta()).key(keys.lanes()).key(keys.room(room)).arg(room.to_string());
        match part {
            Part::After(seq) => script.arg("after").arg(seq),
            Part::Newest(limit) => script.arg("newest").arg(limit),
        };
        let answer: Vec<String> = self.invoke(&script).await?;
        Ok(parse_tail(&answer))
    }

    /// The rooms of a partition that moved after this, and how far the answer reaches; `None` when the hot set does
    /// not go back so far.
    pub(crate) async fn heads_since(
        &self,
        version: Version,
        partition: Partition,
        after: Seq,
    ) -> Result<Option<(Seq, Vec<(RoomId, RoomHeads)>)>, HotError> {
        let keys = Keys::of(version, Stream::Chat(partition));
        let mut script = self.scripts.heads.prepare_invoke();
        script.key(keys.meta()).key(keys.heads()).key(keys.lanes()).arg(after);
        let answer: Vec<String> = self.invoke(&script).await?;
        Ok(parse_heads(&answer))
    }
}

fn parse_tail(answer: &[String]) -> Option<Tail> {
    let [pos, lanes, before, items @ ..] = answer else { return None };
    Some(Tail {
        pos: pos.parse().ok()?,
        heads: parse_lanes(lanes)?,
        before: before.parse().ok()?,
        items: items.iter().map(|item| serde_json::from_str(item).ok()).collect::<Option<_>>()?,
    })
}

fn parse_heads(answer: &[String]) -> Option<(Seq, Vec<(RoomId, RoomHeads)>)> {
    let (pos, rooms) = answer.split_first()?;
    let room = |pair: &[String]| match pair {
        [room, lanes] => Some((room.parse().ok()?, parse_lanes(lanes)?)),
        _ => None,
    };
    Some((pos.parse().ok()?, rooms.chunks(2).map(room).collect::<Option<_>>()?))
}

fn parse_lanes(text: &str) -> Option<RoomHeads> {
    let mut numbers = text.split(':').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    let (state, msg, rcpt, held) = (next()?, next()?, next()?, next()?);
    Some(RoomHeads { state, msg, rcpt, held_at: (held != 0).then_some(held) })
}

#[cfg(test)]
mod tests {
    use super::{super::write::lanes_text, *};

    #[test]
    fn lanes_read_back() {
        for held_at in [None, Some(7)] {
            let heads = RoomHeads { state: 1, msg: 2, rcpt: 3, held_at };
            assert_eq!(parse_lanes(&lanes_text(&heads)), Some(heads));
        }
        assert_eq!(parse_lanes("1:2:3"), None);
    }
}
