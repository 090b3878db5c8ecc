//! The beginning of a life: the claim, and whether the log is the one that was folded.

use chasqui_bus::log::StreamHead;
use chasqui_events::Timestamp;
use chasqui_read_model::{Checkpoint, Stream, projection::Writer, version::Pointer};
use chasqui_runtime::clock;

use super::{End, Worker};

impl Worker {
    /// Claims the stream, and makes sure of the log.
    pub(super) async fn claim(&mut self) -> Result<(Writer, Checkpoint, StreamHead), End> {
        let (store, stream, version) = (self.model.store(), self.sign.stream, self.sign.version);
        match Pointer::load(store).await? {
            Some(pointer) if pointer.versions.contains(&version) => {}
            Some(_) | None => return Err(End::Dropped),
        }
        let head = self.log.head(&stream.to_string()).await?;
        let now = Timestamp(clock::now_ms());
        let claim = Writer::claim(store, version, stream, head.incarnation, now, self.epoch);
        let (writer, checkpoint) = claim.await?;
        self.epoch = Some(writer.epoch());
        self.verify(&checkpoint).await?;
        tracing::info!(
            %stream, %version, epoch = writer.epoch(), position = checkpoint.pos, head = head.last_seq,
            "claimed the stream"
        );
        Ok((writer, checkpoint, head))
    }

    /// Makes sure that the log still is the one that the checkpoint speaks of.
    pub(super) async fn verify(&self, checkpoint: &Checkpoint) -> Result<(), End> {
        let stream = self.sign.stream.to_string();
        let head = self.log.head(&stream).await?;
        let Checkpoint { pos, incarnation, fingerprint, .. } = *checkpoint;
        if head.incarnation != incarnation {
            return Err(changed(self.sign.stream, "it was created anew"));
        }
        if head.last_seq < pos {
            let what = format!("it ends at {}, and {pos} facts were folded", head.last_seq);
            return Err(changed(self.sign.stream, &what));
        }
        if head.last_seq > pos && head.first_seq > pos + 1 {
            let what = format!("it begins at {}, and only {pos} facts were folded", head.first_seq);
            return Err(changed(self.sign.stream, &what));
        }
        if pos == 0 {
            return Ok(());
        }
        match self.log.get(&stream, pos).await? {
            Some(stored) if stored.fingerprint() == fingerprint => Ok(()),
            Some(_) => {
                let what = format!("another fact stands at {pos} than was folded there");
                Err(changed(self.sign.stream, &what))
            }
            None => Err(changed(self.sign.stream, &format!("there is no fact at {pos} any more"))),
        }
    }
}

fn changed(stream: Stream, what: &str) -> End {
    End::LogChanged(format!(
        "the log is not the one that was folded: stream {stream}: {what}. Restore the log, or drop the views and \
         fold them anew"
    ))
}
