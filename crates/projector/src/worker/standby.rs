//! Waiting beside the owner of a stream.

use std::time::Duration;

use chasqui_read_model::projection;
use tokio::time::Instant;

use super::Worker;

/// How often the owner is looked after.
const LOOK: Duration = Duration::from_millis(500);

impl Worker {
    /// Waits until the owner of the stream shows no sign of life any more. `false`: told to stop.
    pub(super) async fn stand_by(&self) -> bool {
        let (store, version, stream) = (self.model.store(), self.sign.version, self.sign.stream);
        let mut last = None;
        let mut since = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK.min(self.settings.patience)) => {}
                () = self.stop.cancelled() => return false,
            }
            // A store that does not answer says nothing about the owner.
            match projection::signs_of_life(store, version, stream).await {
                Ok(sign) if sign != last => (last, since) = (sign, Instant::now()),
                Ok(_) if since.elapsed() >= self.settings.patience => return true,
                Ok(_) => {}
                Err(_) => since = Instant::now(),
            }
        }
    }
}
