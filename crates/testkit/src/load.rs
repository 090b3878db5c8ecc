//! People who talk all the time, with every answer written down.

use std::time::Duration;

use chasqui_client::{Answer, ClientError};
use chasqui_events::{CommandId, RoomId, UserId};
use chasqui_protocol::command::Accepted;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{Person, within};

/// One message, and what its author was answered.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Where.
    pub room: RoomId,
    /// By whom.
    pub author: UserId,
    /// Its id.
    pub id: CommandId,
    /// Its text.
    pub body: String,
    /// The answer.
    pub outcome: Result<Accepted, ClientError>,
}

/// Senders at work. Dropping it stops them.
#[derive(Debug)]
pub struct Load {
    senders: Vec<JoinHandle<Vec<Sent>>>,
    stop: watch::Sender<bool>,
    acked: watch::Receiver<usize>,
}

impl Load {
    /// Each of these people says something in their room every so often, over their own client, without waiting for
    /// the answer to the message before.
    #[must_use]
    pub fn start(talkers: &[(&Person, RoomId)], every: Duration) -> Self {
        let stop = watch::Sender::new(false);
        let (count, acked) = watch::channel(0);
        let mut senders = Vec::new();
        for (person, room) in talkers {
            let (stop, count) = (stop.subscribe(), count.clone());
            senders.push(tokio::spawn(talk((*person).clone(), *room, every, stop, count)));
        }
        Self { senders, stop, acked }
    }

    /// How many messages have been acknowledged.
    #[must_use]
    pub fn acked(&self) -> usize {
        *self.acked.borrow()
    }

    /// Waits until so many messages more than now have been acknowledged.
    pub async fn acked_further(&self, more: usize) {
        let mut acked = self.acked.clone();
        let goal = *acked.borrow_and_update() + more;
        let waited = acked.wait_for(|acked| *acked >= goal);
        within(&format!("{more} more messages acknowledged"), waited).await.unwrap();
    }

    /// Stops talking, waits for the answers that are still owed, and tells everything that was sent.
    pub async fn stop(self) -> Vec<Sent> {
        self.stop.send_replace(true);
        let mut all = Vec::new();
        for sender in self.senders {
            all.extend(sender.await.unwrap());
        }
        all
    }
}

async fn talk(
    person: Person,
    room: RoomId,
    every: Duration,
    mut stop: watch::Receiver<bool>,
    acked: watch::Sender<usize>,
) -> Vec<Sent> {
    let mut ticks = interval(every);
    // A stall is not made good by a rush: how much is said is not what is tested.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut owed, mut sent, mut said) = (FuturesUnordered::new(), Vec::new(), 0_u64);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(answered) = owed.next() => note(answered, &mut sent, &acked),
            _ = ticks.tick() => {
                said += 1;
                let body = format!("{} {said}", person.name);
                // Whoever was put out says nothing any more.
                let Ok(answer) = person.client.submit_message(room, body.clone(), vec![]).await else { break };
                owed.push(answer_to(answer, room, person.id, body));
            }
        }
    }
    while let Some(answered) = within("the answers that are owed", owed.next()).await {
        note(answered, &mut sent, &acked);
    }
    sent
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the load was dropped: stopped, too.
    drop(stop.wait_for(|stop| *stop).await);
}

async fn answer_to(answer: Answer, room: RoomId, author: UserId, body: String) -> Sent {
    let id = answer.id();
    Sent { room, author, id, body, outcome: answer.wait().await }
}

fn note(answered: Sent, sent: &mut Vec<Sent>, acked: &watch::Sender<usize>) {
    if answered.outcome.is_ok() {
        acked.send_modify(|acked| *acked += 1);
    }
    sent.push(answered);
}
