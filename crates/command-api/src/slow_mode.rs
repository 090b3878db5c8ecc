//! Slow mode: a member of the room posts once in an interval.
//!
//! The interval is held by the limiter, across all processes. What was let through is remembered here, so that a message
//! that is sent again because its answer was lost does not wait for its own interval.

use std::time::Duration;

use chasqui_events::{CommandId, RoomId, UserId};
use chasqui_limiter::Rates;
use chasqui_protocol::Problem;

/// Who posted last in a room where they have to wait, for so many of them.
const REMEMBERED: u64 = 100_000;
/// For so long: longer than a client waits before it sends again.
const FOR: Duration = Duration::from_mins(2);

/// What was let through.
#[derive(Debug)]
pub(crate) struct SlowMode(moka::sync::Cache<(RoomId, UserId), CommandId>);

impl SlowMode {
    pub(crate) fn new() -> Self {
        Self(moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(FOR).build())
    }

    /// Lets a message through, unless its author posted in the room within the interval.
    ///
    /// # Errors
    /// `too-many`, with the time to wait.
    pub(crate) async fn admit(
        &self,
        rates: &Rates,
        author: UserId,
        room: RoomId,
        message: CommandId,
        every: Duration,
    ) -> Result<(), Problem> {
        let place = (room, author);
        if self.0.get(&place) == Some(message) {
            return Ok(());
        }
        rates.slow_mode(author, room, every).await?;
        self.0.insert(place, message);
        Ok(())
    }
}
