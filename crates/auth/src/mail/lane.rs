//! A queue of errands with a bound, and so many hands.
//!
//! What is in the lane keeps its place until its mail was taken or given up. A mail that has to wait before it is tried again
//! waits aside: no hand is kept from the next one by an address that nobody takes mail for.

use std::{future::poll_fn, sync::Arc, time::Duration};

use backon::ExponentialBackoff;
use futures::{StreamExt as _, stream::FuturesUnordered};
use lettre::Message;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::time::DelayQueue;

use super::Mailer;
use crate::{
    errand::{self, Errand},
    service::Inner,
};

/// See the [module](self).
pub(super) struct Lane {
    places: Arc<Semaphore>,
    hands: usize,
    queue: mpsc::Sender<Job>,
    /// Until somebody runs them.
    inbox: Mutex<Option<mpsc::Receiver<Job>>>,
}

/// What is to be done next, with its place in the lane.
struct Job {
    stage: Stage,
    place: OwnedSemaphorePermit,
}

enum Stage {
    /// Find out whether there is a mail, and write it.
    Errand(Errand),
    /// Hand the mail over.
    Mail(Box<Message>, ExponentialBackoff),
}

impl Lane {
    /// A lane with so many places.
    pub(super) fn new(places: usize, hands: usize) -> Self {
        let (queue, inbox) = mpsc::channel(places);
        Self { places: Arc::new(Semaphore::new(places)), hands, queue, inbox: Mutex::new(Some(inbox)) }
    }

    /// Queues an errand; false where there is no place.
    pub(super) fn put(&self, errand: Errand) -> bool {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return false };
        self.queue.try_send(Job { stage: Stage::Errand(errand), place }).is_ok()
    }

    /// Runs what is queued; goes on until it is dropped. Where somebody does so already, nothing is left.
    pub(super) async fn run(&self, auth: &Inner, mailer: &Mailer) {
        let Some(mut inbox) = self.inbox.lock().take() else { return std::future::pending().await };
        let (mut under_way, mut aside) = (FuturesUnordered::new(), DelayQueue::new());
        loop {
            let free = under_way.len() < self.hands;
            tokio::select! {
                biased;
                Some(left) = under_way.next(), if !under_way.is_empty() => {
                    if let Some((pause, job)) = left {
                        aside.insert(job, pause);
                    }
                }
                Some(due) = poll_fn(|context| aside.poll_expired(context)), if free && !aside.is_empty() => {
                    under_way.push(step(auth, mailer, due.into_inner()));
                }
                Some(job) = inbox.recv(), if free => under_way.push(step(auth, mailer, job)),
                else => return,
            }
        }
    }
}

/// Goes one step. What is left to be done, and after which pause.
async fn step(auth: &Inner, mailer: &Mailer, job: Job) -> Option<(Duration, Job)> {
    let Job { stage, place } = job;
    let (message, mut pauses) = match stage {
        Stage::Mail(message, pauses) => (message, pauses),
        Stage::Errand(errand) => {
            let letter = errand::run(auth, mailer, errand).await.unwrap_or_else(|problem| {
                tracing::warn!(%problem, "a mail could not be prepared");
                None
            });
            (Box::new(mailer.written(letter?)?), mailer.pauses())
        }
    };
    let pause = mailer.attempt((*message).clone(), &mut pauses).await?;
    Some((pause, Job { stage: Stage::Mail(message, pauses), place }))
}
