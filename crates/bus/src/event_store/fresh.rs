//! Following the live state lane.

use chasqui_events::{Envelope, room::RoomEvent};
use tokio::task::JoinHandle;

use super::cache::Cache;
use crate::{
    BusError,
    live::{Live, LiveFact},
    subject::Lane,
};

/// The task that follows; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn follow(live: &Live, cache: Cache) -> Result<Follower, BusError> {
    let mut events = live.bus().events();
    let mut facts = live.subscribe_lane(Lane::State).await?;
    let task = async move {
        loop {
            tokio::select! {
                biased;
                // Whatever it is, and whatever was missed of it: live facts may be lost.
                event = events.recv() => {
                    cache.clear();
                    if matches!(event, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                        return;
                    }
                }
                fact = facts.recv() => {
                    let Some(fact) = fact else {
                        cache.clear();
                        return;
                    };
                    note(&cache, &fact);
                }
            }
        }
    };
    Ok(Follower(tokio::spawn(task)))
}

fn note(cache: &Cache, fact: &LiveFact) {
    let Some(slot) = cache.known(fact.room) else { return };
    let event = Envelope::<RoomEvent>::decode(&fact.payload).ok().map(|envelope| envelope.event);
    slot.follow(fact.seq, fact.prev, event.as_ref());
}
