//! One connection to NATS under one role.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, Request, RequestErrorKind, Subject};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{Semaphore, broadcast, watch},
    time::{Instant, timeout_at},
};

use crate::BusRole;

/// How to connect.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// The servers, `nats://host:port`, several separated by commas.
    pub url: String,
    /// The authorities that may have signed the server's certificate, PEM: TLS is demanded then.
    pub ca_file: Option<PathBuf>,
    /// As whom.
    pub role: BusRole,
    /// With which password.
    pub password: SecretString,
    /// How long the first connection and each later one may take.
    pub connect_timeout: Duration,
    /// A server that does not answer this often is noticed after three times as long.
    pub ping_interval: Duration,
    /// How long one attempt to append, or to write to a bucket, waits for its acknowledgement.
    pub ack_timeout: Duration,
    /// How long an append is tried again while its outcome is unknown; its caller has an answer half a second
    /// later at the latest.
    pub retry_for: Duration,
    /// How long a read of the log may take, repetitions included.
    pub read_for: Duration,
    /// The most appends that may await their acknowledgement; more wait for their turn.
    pub max_in_flight: usize,
    /// The most messages that one subscription holds; more are dropped and [`BusEvent::SlowConsumer`] says so.
    pub subscription_capacity: usize,
}

impl NatsSettings {
    /// The usual settings.
    #[must_use]
    pub fn new(url: impl Into<String>, role: BusRole, password: SecretString) -> Self {
        Self {
            url: url.into(),
            ca_file: None,
            role,
            password,
            connect_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(1),
            ack_timeout: Duration::from_millis(1_500),
            retry_for: Duration::from_secs(4),
            read_for: Duration::from_secs(4),
            max_in_flight: 4096,
            subscription_capacity: 16_384,
        }
    }
}

/// The connection cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No server answers, or it refuses role or password.
    #[error("cannot connect to NATS as {role}: {reason}")]
    Connect {
        /// As whom.
        role: BusRole,
        /// What the client library says.
        reason: String,
    },
    /// The connection was drained, or its task has ended.
    #[error("the connection to NATS is closed")]
    Closed,
}

/// Something happened to the connection that may have cost messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusEvent {
    /// The connection is lost; live messages may be lost from now on.
    Disconnected,
    /// The connection is there again, subscriptions included; what was sent in between is lost.
    Reconnected,
    /// A subscription was full, messages were dropped. NATS does not say which one.
    SlowConsumer,
}

/// A connection: cheap to clone, reconnects by itself for ever.
#[derive(Clone, Debug)]
pub struct Bus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    settings: NatsSettings,
    in_flight: Semaphore,
    events: broadcast::Sender<BusEvent>,
    link: watch::Receiver<bool>,
    /// How often the connection was lost.
    losses: watch::Receiver<u64>,
}

/// Where the connection's events go.
struct Told {
    role: BusRole,
    events: broadcast::Sender<BusEvent>,
    link: watch::Sender<bool>,
    losses: watch::Sender<u64>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum AskError {
    /// It was never sent.
    NotSent(String),
    /// It was sent, or may have been; whether it had an effect is not known.
    NoAnswer(String),
    /// Nobody listens there (for a stream's subject: the stream has no leader, or does not exist).
    NoResponders,
    /// It is larger than the server takes; not sent.
    TooLarge(String),
}

/// How many events a slow listener may lag before it misses some; it then sees an error that says so.
const EVENT_BACKLOG: usize = 64;

impl Bus {
    /// Connects.
    ///
    /// # Errors
    /// When no server answers within the connect timeout or it refuses the credentials. Later losses are repaired
    /// in the background, see [`Bus::events`].
    pub async fn connect(settings: NatsSettings) -> Result<Self, BusError> {
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        let (link_told, link) = watch::channel(true);
        let (losses_told, losses) = watch::channel(0);
        let role = settings.role;
        let told = Told { role, events: events.clone(), link: link_told, losses: losses_told };
        let failed = |reason: String| BusError::Connect { role, reason };
        let servers: Vec<async_nats::ServerAddr> = settings
            .url
            .split(',')
            .map(|url| url.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(|error: std::io::Error| failed(error.to_string()))?;
        let client =
            options(&settings, told).connect(servers).await.map_err(|error| failed(error.to_string()))?;
        let in_flight = Semaphore::new(settings.max_in_flight);
        Ok(Self { inner: Arc::new(Inner { client, settings, in_flight, events, link, losses }) })
    }

    /// As whom.
    #[must_use]
    pub fn role(&self) -> BusRole {
        self.inner.settings.role
    }

    /// Whether the connection stands. A server that has stopped answering is noticed after about three ping
    /// intervals.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.inner.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Follows [`Bus::is_connected`], for readiness.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<bool> {
        self.inner.link.clone()
    }

    /// What happens to the connection from now on. A listener that lags behind must act as if every event had
    /// happened.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<BusEvent> {
        self.inner.events.subscribe()
    }

    /// Waits until everything published so far has been written to the socket.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn flush(&self) -> Result<(), BusError> {
        self.inner.client.flush().await.map_err(|_| BusError::Closed)
    }

    /// Stops taking messages, lets what is buffered be handled, then closes the connection.
    ///
    /// # Errors
    /// [`BusError::Closed`] when it is closed already.
    pub async fn drain(&self) -> Result<(), BusError> {
        self.inner.client.drain().await.map_err(|_| BusError::Closed)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn settings(&self) -> &NatsSettings {
        &self.inner.settings
    }

    pub(crate) fn in_flight(&self) -> &Semaphore {
        &self.inner.in_flight
    }

    /// One request, one answer. Waits for the connection where there is none, and gives up as soon as it is lost
    /// after sending, because the answer is lost with it.
    pub(crate) async fn ask(
        &self,
        subject: Subject,
        headers: Option<HeaderMap>,
        payload: Bytes,
        until: Instant,
    ) -> Result<Message, AskError> {
        self.connected(until).await?;
        let mut losses = self.inner.losses.clone();
        losses.borrow_and_update();
        let mut request = Request::new().payload(payload).timeout(None);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        tokio::select! {
            biased;
            answer = timeout_at(until, self.inner.client.send_request(subject, request)) => match answer {
                Ok(Ok(message)) => Ok(message),
                Ok(Err(error)) => Err(match error.kind() {
                    RequestErrorKind::NoResponders => AskError::NoResponders,
                    RequestErrorKind::MaxPayloadExceeded => AskError::TooLarge(error.to_string()),
                    RequestErrorKind::InvalidSubject => AskError::NotSent(error.to_string()),
                    RequestErrorKind::TimedOut | RequestErrorKind::Other => AskError::NoAnswer(error.to_string()),
                }),
                Err(_) => Err(AskError::NoAnswer("no answer in time".to_owned())),
            },
            _ = losses.changed() => Err(AskError::NoAnswer("the connection to NATS was lost".to_owned())),
        }
    }

    async fn connected(&self, until: Instant) -> Result<(), AskError> {
        // Looked at again now and then, because the event that says so can be dropped by a full channel.
        const LOOK_AGAIN: Duration = Duration::from_millis(50);
        if self.is_connected() {
            return Ok(());
        }
        let mut link = self.inner.link.clone();
        while !self.is_connected() {
            if Instant::now() >= until {
                return Err(AskError::NotSent("no connection to NATS".to_owned()));
            }
            let next = until.min(Instant::now() + LOOK_AGAIN);
            if let Ok(Err(_)) = timeout_at(next, link.changed()).await {
                return Err(AskError::NotSent("the connection to NATS is closed".to_owned()));
            }
        }
        Ok(())
    }
}

fn options(settings: &NatsSettings, told: Told) -> ConnectOptions {
    let role = settings.role;
    let told = Arc::new(told);
    let options = match &settings.ca_file {
        Some(file) => ConnectOptions::new().add_root_certificates(file.clone()).require_tls(true),
        None => ConnectOptions::new(),
    };
    options
        .name(format!("chasqui {role}"))
        .user_and_password(role.user().to_owned(), settings.password.expose_secret().to_owned())
        .custom_inbox_prefix(role.inbox_prefix())
        .connection_timeout(settings.connect_timeout)
        .ping_interval(settings.ping_interval)
        .request_timeout(Some(settings.read_for))
        .subscription_capacity(settings.subscription_capacity)
        .ignore_discovered_servers()
        .reconnect_delay_callback(|attempts| {
            let doubled = 25_u64.saturating_mul(1 << attempts.min(6));
            Duration::from_millis(doubled.min(500))
        })
        .event_callback(move |event| {
            let told = Arc::clone(&told);
            async move { told.note(&event) }
        })
}

impl Told {
    fn note(&self, event: &Event) {
        let role = self.role;
        match event {
            Event::Connected => {
                // The first connection is no news.
                if self.link.send_if_modified(|linked| !std::mem::replace(linked, true)) {
                    tracing::info!(nats.role = %role, "the connection to NATS is there again");
                    self.tell(BusEvent::Reconnected);
                }
            }
            Event::Disconnected | Event::Closed => {
                self.losses.send_modify(|losses| *losses += 1);
                if self.link.send_if_modified(|linked| std::mem::replace(linked, false)) {
                    tracing::warn!(nats.role = %role, "the connection to NATS is lost");
                    self.tell(BusEvent::Disconnected);
                }
            }
            Event::SlowConsumer(_) => self.tell(BusEvent::SlowConsumer),
            Event::ServerError(error) => {
                tracing::warn!(nats.role = %role, %error, "NATS refuses something");
            }
            Event::ClientError(error) => {
                tracing::warn!(nats.role = %role, %error, "the NATS client has a problem");
            }
            Event::LameDuckMode | Event::Draining => {}
        }
    }

    fn tell(&self, event: BusEvent) {
        // Nobody may be listening, which is fine.
        self.events.send(event).ok();
    }
}
