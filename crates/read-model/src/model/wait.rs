//! Waiting for the projection: one poller per stream, however many wait, and none when nobody does.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chasqui_events::Seq;
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use super::ReadModel;
use crate::{ReadError, Stream, WaitError};

/// How long the poller sleeps between two looks at Redis. After some looks it is less in a hurry.
const SHORT_PAUSE: Duration = Duration::from_millis(2);
const LONG_PAUSE: Duration = Duration::from_millis(10);
const HURRIED_LOOKS: u32 = 50;
/// MongoDB is asked at most this often: it knows of progress also while Redis does not.
const STORE_PAUSE: Duration = Duration::from_millis(25);

type Progress = Result<Seq, ReadError>;

/// The pollers that run.
#[derive(Debug, Default)]
pub(super) struct Waits(Arc<Mutex<HashMap<Stream, watch::Sender<Progress>>>>);

impl Waits {
    pub(super) async fn wait(
        &self,
        model: &ReadModel,
        stream: Stream,
        seq: Seq,
        timeout: Duration,
    ) -> Result<Seq, WaitError> {
        let deadline = Instant::now() + timeout;
        let mut progress = self.follow(model, stream);
        loop {
            let known = progress.borrow_and_update().clone();
            if let Ok(at) = known
                && at >= seq
            {
                return Ok(at);
            }
            match tokio::time::timeout_at(deadline, progress.changed()).await {
                Ok(Ok(())) => {}
                // The poller had gone just then.
                Ok(Err(_)) => progress = self.follow(model, stream),
                Err(_) => return Err(known.map_or_else(WaitError::Read, |at| WaitError::NotYet { at })),
            }
        }
    }

    fn follow(&self, model: &ReadModel, stream: Stream) -> watch::Receiver<Progress> {
        let mut pollers = self.0.lock();
        if let Some(sender) = pollers.get(&stream) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(Ok(0));
        pollers.insert(stream, sender);
        drop(tokio::spawn(poll(self.0.clone(), model.clone(), stream)));
        receiver
    }
}

async fn poll(
    pollers: Arc<Mutex<HashMap<Stream, watch::Sender<Progress>>>>,
    model: ReadModel,
    stream: Stream,
) {
    let mut looks = 0;
    let mut store_looked = None;
    loop {
        if let Some(progress) = look(&model, stream, &mut store_looked).await
            && let Some(sender) = pollers.lock().get(&stream)
        {
            sender.send_if_modified(|known| {
                let changed = *known != progress;
                *known = progress;
                changed
            });
        }
        {
            let mut pollers = pollers.lock();
            // Under the lock, so that nobody begins to follow between the look and the end.
            if pollers.get(&stream).is_none_or(|sender| sender.receiver_count() == 0) {
                pollers.remove(&stream);
                return;
            }
        }
        looks += 1;
        tokio::time::sleep(if looks < HURRIED_LOOKS { SHORT_PAUSE } else { LONG_PAUSE }).await;
    }
}

async fn look(model: &ReadModel, stream: Stream, store_looked: &mut Option<Instant>) -> Option<Progress> {
    let version = model.version().await;
    let before = model.promised(version, stream);
    if let Ok(Some(checkpoint)) = model.0.hot.checkpoint(version, stream).await {
        model.promise(version, stream, checkpoint.pos);
    }
    if model.promised(version, stream) == before
        && store_looked.is_none_or(|looked| looked.elapsed() >= STORE_PAUSE)
    {
        *store_looked = Some(Instant::now());
        if let Err(error) = model.stored_checkpoint(stream).await {
            return Some(Err(error));
        }
    }
    Some(Ok(model.promised(version, stream)))
}
