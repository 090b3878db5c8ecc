//! Asking for more in time, noticing silence.

use std::time::Duration;

use async_nats::{Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use super::{ConsumerError, ConsumerSettings, api, delivery::Delivery};
use crate::{ApiError, Bus, BusError, header};

/// How long the server keeps one request.
const EXPIRES: Duration = Duration::from_secs(20);
/// How often it says that it is there, when there is nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Silence of this length means that it is not.
const SILENCE: Duration = Duration::from_millis(2_500);

/// Between questions while nobody takes requests: its leader is being elected.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Pull {
    bus: Bus,
    subscriber: Subscriber,
    link: watch::Receiver<bool>,
    next: Subject,
    stream: String,
    name: String,
    inbox: Subject,
    request: Bytes,
    batch: usize,
    /// How many messages the server still owes us.
    owed: usize,
    heard: Instant,
}

/// What a message without a fact means.
enum Status {
    Fine,
    /// This many owed messages will not come.
    Ended(usize),
    Gone,
    Doubtful,
}

impl Pull {
    pub(super) async fn start(bus: &Bus, settings: &ConsumerSettings) -> Result<Self, BusError> {
        let inbox = Subject::from(bus.client().new_inbox());
        let subscriber = bus.client().subscribe(inbox.clone()).await.map_err(|_| BusError::Closed)?;
        let batch = settings.max_facts.max(1);
        let request = format!(
            r#"{{"batch":{batch},"expires":{},"idle_heartbeat":{}}}"#,
            EXPIRES.as_nanos(),
            HEARTBEAT.as_nanos()
        );
        Ok(Self {
            bus: bus.clone(),
            subscriber,
            link: bus.state(),
            next: format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", settings.stream, settings.name).into(),
            stream: settings.stream.clone(),
            name: settings.name.clone(),
            inbox,
            request: request.into(),
            batch,
            owed: 0,
            heard: Instant::now(),
        })
    }

    /// The next delivery; `None` when `until` comes first. Can be dropped and called again.
    pub(super) async fn next(&mut self, until: Option<Instant>) -> Result<Option<Delivery>, ConsumerError> {
        loop {
            if self.owed <= self.batch / 2 {
                self.ask().await?;
            }
            let silence = self.heard + SILENCE;
            let wake = until.map_or(silence, |until| until.min(silence));
            let message = tokio::select! {
                biased;
                message = timeout_at(wake, self.subscriber.next()) => message,
                changed = self.link.changed() => {
                    changed.map_err(|_| BusError::Closed)?;
                    self.start_over();
                    continue;
                }
            };
            match message {
                Ok(Some(message)) => {
                    self.heard = Instant::now();
                    if let Some(delivery) = self.take(message).await? {
                        return Ok(Some(delivery));
                    }
                }
                Ok(None) => return Err(BusError::Closed.into()),
                Err(_) if until.is_some_and(|until| Instant::now() >= until) => return Ok(None),
                Err(_) => self.examine().await?,
            }
        }
    }

    async fn ask(&mut self) -> Result<(), BusError> {
        if self.bus.is_connected() {
            let (next, inbox, request) = (self.next.clone(), self.inbox.clone(), self.request.clone());
            self.bus.client().publish_with_reply(next, inbox, request).await.map_err(|_| BusError::Closed)?;
        }
        // Without a connection too: the change of the link, or silence, starts over.
        self.owed += self.batch;
        Ok(())
    }

    fn start_over(&mut self) {
        self.owed = 0;
        self.heard = Instant::now();
    }

    async fn take(&mut self, message: Message) -> Result<Option<Delivery>, ConsumerError> {
        if message.status.is_none_or(|status| status == StatusCode::OK) {
            self.owed = self.owed.saturating_sub(1);
            return match Delivery::from_message(message) {
                Some(delivery) => Ok(Some(delivery)),
                None => Err(ApiError::Unexpected("a delivery without a place".to_owned()).into()),
            };
        }
        match status(&message, self.batch) {
            Status::Fine => {}
            Status::Ended(unsent) => self.owed = self.owed.saturating_sub(unsent),
            Status::Gone => return Err(ConsumerError::Taken),
            Status::Doubtful => {
                sleep(PAUSE).await;
                self.examine().await?;
            }
        }
        Ok(None)
    }

    /// Nothing is heard: is the consumer still there? Sits out a server that does not answer.
    async fn examine(&mut self) -> Result<(), ConsumerError> {
        match api::is_there(&self.bus, &self.stream, &self.name).await {
            Ok(false) => Err(ConsumerError::Taken),
            Ok(true) | Err(ApiError::Unavailable(_)) => {
                self.start_over();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn status(message: &Message, batch: usize) -> Status {
    let description = message.description.as_deref().unwrap_or_default();
    match message.status {
        Some(StatusCode::IDLE_HEARTBEAT) => Status::Fine,
        Some(StatusCode::NO_RESPONDERS) => Status::Doubtful,
        _ if description.eq_ignore_ascii_case("Consumer Deleted") => Status::Gone,
        // The request ended early or in time; how much of it was left unsent stands in a header.
        _ => {
            let unsent = header::get(message.headers.as_ref(), header::PENDING_MESSAGES);
            Status::Ended(unsent.and_then(|unsent| unsent.parse().ok()).unwrap_or(batch))
        }
    }
}
