//! The worker's side of the hot set.

use chasqui_events::Seq;

use super::{Hot, Keys};
use crate::{Checkpoint, Stream, Version, plan::HotRoom, view::rooms::RoomHeads};

/// The hot set was not written. Readers do without it until the next batch that is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HotError {
    /// Redis does not answer, or refuses.
    #[error("Redis: {0}")]
    Failed(String),
    /// Redis failed a moment ago, and is not asked for a while.
    #[error("Redis failed a moment ago")]
    Resting,
    /// A newer worker has written; this one is about to find out that it is fenced.
    #[error("a newer worker writes the hot set")]
    Older,
}

/// Writes the hot set of one stream, for one claim of it.
#[derive(Debug)]
pub struct HotWriter {
    hot: Hot,
    keys: Keys,
    epoch: u64,
    /// How often the writing was interrupted.
    interruptions: u32,
    /// The next write begins a generation.
    fresh: bool,
}

/// A list that nobody wrote for so long goes: it is in MongoDB.
const TTL_SECONDS: u32 = 24 * 60 * 60;
/// So many rooms per partition are remembered as having moved.
const MOST_ROOMS: usize = 100_000;
/// So many items at most in one run of the script, which nobody else can interrupt.
const ITEMS_PER_RUN: usize = 500;

impl HotWriter {
    /// The writer of the worker that claimed the stream with this epoch.
    #[must_use]
    pub fn new(hot: Hot, version: Version, stream: Stream, epoch: u64) -> Self {
        Self { hot, keys: Keys::of(version, stream), epoch, interruptions: 0, fresh: true }
    }

    /// Writes what a committed batch did: from `prev` to the checkpoint.
    ///
    /// # Errors
    /// When it is not known to be written; what readers find then is of another generation.
    pub async fn write(&mut self, prev: Seq, to: &Checkpoint, rooms: &[HotRoom]) -> Result<(), HotError> {
        let result = self.try_write(prev, to, rooms).await;
        if result.is_err() && !self.fresh {
            self.fresh = true;
            self.interruptions += 1;
        }
        result
    }

    async fn try_write(&mut self, prev: Seq, to: &Checkpoint, rooms: &[HotRoom]) -> Result<(), HotError> {
        let mut rest = rooms;
        loop {
            let (run, after) = rest.split_at(self.run_length(rest));
            rest = after;
            // Only the last run says that the batch is there.
            let reached = if rest.is_empty() { to.pos } else { prev };
            let mut answer = self.run(prev, reached, to, run).await?;
            if answer == "broken" {
                self.fresh = true;
                self.interruptions += 1;
                if run.len() != rooms.len() {
                    return Err(HotError::Failed("the hot set was changed by others".to_owned()));
                }
                answer = self.run(prev, reached, to, run).await?;
            }
            match answer.as_str() {
                "ok" => self.fresh = false,
                "older" => return Err(HotError::Older),
                other => return Err(HotError::Failed(format!("the script said {other:?}"))),
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// How many of these rooms go into one run.
    fn run_length(&self, rooms: &[HotRoom]) -> usize {
        let mut items = 0;
        let fits = |room: &&HotRoom| {
            items += room.items.len().min(self.hot.items) + 1;
            items <= ITEMS_PER_RUN
        };
        rooms.iter().take_while(fits).count().max(1).min(rooms.len())
    }

    async fn run(
        &self,
        prev: Seq,
        reached: Seq,
        to: &Checkpoint,
        rooms: &[HotRoom],
    ) -> Result<String, HotError> {
        let generation = format!("{:016}.{:08}", self.epoch, self.interruptions);
        let mut script = self.hot.scripts.commit.prepare_invoke();
        script.key(self.keys.meta()).key(self.keys.heads()).key(self.keys.lanes());
        script.arg(&generation).arg(u8::from(self.fresh)).arg(prev).arg(reached);
        script.arg(to.epoch).arg(to.incarnation).arg(to.fingerprint);
        script.arg(self.hot.items).arg(TTL_SECONDS).arg(MOST_ROOMS);
        for room in rooms {
            let dropped = room.items.len().saturating_sub(self.hot.items);
            let (gone, kept) = room.items.split_at(dropped);
            script.key(self.keys.room(room.room));
            script.arg(room.room.to_string()).arg(room.heads.max()).arg(lanes_text(&room.heads));
            script.arg(kept.len());
            let mut before = gone.last().map_or(room.prev, |item| item.seq);
            for item in kept {
                let json =
                    serde_json::to_string(item).map_err(|error| HotError::Failed(error.to_string()))?;
                script.arg(before).arg(format!("{generation}:{before}:{}:{json}", item.seq));
                before = item.seq;
            }
        }
        self.hot.invoke(&script).await
    }
}

impl Hot {
    /// Removes what the hot set says of a stream. The lists of its rooms are not trusted any more then, and expire.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn forget(&self, version: Version, stream: Stream) -> Result<(), HotError> {
        let keys = Keys::of(version, stream);
        let mut command = redis::cmd("DEL");
        command.arg(&[keys.meta(), keys.heads(), keys.lanes()]);
        self.guarded(command.query_async(&mut self.manager.clone())).await
    }
}

pub(super) fn lanes_text(heads: &RoomHeads) -> String {
    let RoomHeads { state, msg, rcpt, held_at } = heads;
    format!("{state}:{msg}:{rcpt}:{}", held_at.unwrap_or(0))
}
