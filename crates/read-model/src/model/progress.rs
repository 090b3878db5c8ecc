//! How far things are.

use std::{collections::HashMap, time::Duration};

use chasqui_events::{Partition, RoomId, Seq};

use super::{HeadsSince, ReadModel};
use crate::{Checkpoint, ReadError, RoomHeads, Stream, WaitError};

impl ReadModel {
    /// How far a stream has been projected; `None` when nothing of it ever was.
    ///
    /// From Redis when that is as far as this process has promised, else from MongoDB.
    pub async fn checkpoint(&self, stream: Stream) -> Result<Option<Checkpoint>, ReadError> {
        let version = self.version().await;
        if let Ok(Some(checkpoint)) = self.0.hot.checkpoint(version, stream).await
            && checkpoint.pos >= self.promised(version, stream)
        {
            self.promise(version, stream, checkpoint.pos);
            return Ok(Some(checkpoint));
        }
        self.stored_checkpoint(stream).await
    }

    /// The same, from MongoDB, which is the truth.
    pub async fn stored_checkpoint(&self, stream: Stream) -> Result<Option<Checkpoint>, ReadError> {
        let version = self.version().await;
        let checkpoint = Checkpoint::load(&self.0.store, version, stream).await?;
        if let Some(checkpoint) = checkpoint {
            self.promise(version, stream, checkpoint.pos);
        }
        Ok(checkpoint)
    }

    /// Waits until a stream is projected up to `seq`, and gives how far it is then.
    pub async fn wait_for(&self, stream: Stream, seq: Seq, timeout: Duration) -> Result<Seq, WaitError> {
        let version = self.version().await;
        let promised = self.promised(version, stream);
        if promised >= seq {
            return Ok(promised);
        }
        self.0.waits.wait(self, stream, seq, timeout).await
    }

    /// The rooms of a partition with any fact after this one.
    pub async fn heads_since(&self, partition: Partition, after: Seq) -> Result<HeadsSince, ReadError> {
        let version = self.version().await;
        let stream = Stream::Chat(partition);
        if let Ok(Some((at, rooms))) = self.0.hot.heads_since(version, partition, after).await
            && at >= self.promised(version, stream)
        {
            self.promise(version, stream, at);
            return Ok(HeadsSince { at, rooms });
        }
        // The checkpoint first: what is read after it is at least as new.
        let at = self.stored_checkpoint(stream).await?.map_or(0, |checkpoint| checkpoint.pos);
        let rooms = self.rooms(version).moved_since(partition, after).await?.into_iter().collect();
        Ok(HeadsSince { at, rooms })
    }

    /// The heads of these rooms' lanes, in one query. Rooms without a fact are missing.
    pub async fn room_heads(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, RoomHeads>, ReadError> {
        if rooms.is_empty() {
            return Ok(HashMap::new());
        }
        let version = self.version().await;
        self.rooms(version).heads(rooms).await
    }
}
