//! The task of a [`crate::Client`]: connects, pauses, connects again. What it says and hands over is decided by the
//! [`Reducer`]; one connection's life is `conversation`.

mod conversation;

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use chasqui_protocol::{ClientFrame, CloseCode, Code, close::Reconnect, frame::Welcome};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::Instant,
};

use crate::{
    ClientError, Connection, ConnectionError, Endpoint, Event, Options, TokenError, TokenSource,
    client::Shared,
    reducer::{Key, Reducer, Reply},
    tokens::AccessToken,
};

/// What a handle asks of the task.
#[derive(Debug)]
pub(crate) enum Request {
    /// A command or a query. The permit is given back with the answer.
    Answered {
        frame: ClientFrame,
        answer: oneshot::Sender<Result<Reply, ClientError>>,
        permit: OwnedSemaphorePermit,
    },
    /// A frame without an answer.
    Said(ClientFrame),
    /// Cut the connection.
    Cut,
    /// Stop.
    Close,
}

#[derive(Debug)]
struct Waiter {
    answer: oneshot::Sender<Result<Reply, ClientError>>,
    _permit: OwnedSemaphorePermit,
}

/// Everything the task has between two connections.
struct Driver {
    endpoint: Endpoint,
    tokens: Arc<dyn TokenSource>,
    options: Options,
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
    reducer: Reducer,
    waiters: HashMap<Key, Waiter>,
    /// The token that the server does not want any more.
    stale: Option<SecretString>,
    epoch: Instant,
}

/// How a connection, or an attempt at one, ended.
#[derive(Debug)]
enum End {
    /// Come back: after the pause that the backoff names, but not before this time has passed.
    Again { why: String, at_least: Duration, backoff: Backoff },
    /// Do not.
    Stop { why: String, code: Option<CloseCode> },
    /// The application is gone, or wants no more.
    Closed,
}

/// How the pause before the next connection is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backoff {
    /// At once: the connection was given up on purpose.
    None,
    /// From the shortest pause on: the connection had worked.
    Fresh,
    /// Longer than the last one: nothing worked.
    Growing,
}

pub(crate) async fn run(
    endpoint: Endpoint,
    tokens: Arc<dyn TokenSource>,
    options: Options,
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
) {
    let patience_ms = i64::try_from(options.patience.as_millis()).unwrap_or(i64::MAX);
    let reducer = Reducer::new(options.cursor.clone(), patience_ms);
    let driver = Driver {
        endpoint,
        tokens,
        options,
        shared,
        requests,
        events,
        reducer,
        waiters: HashMap::new(),
        stale: None,
        epoch: Instant::now(),
    };
    driver.live().await;
}

impl Driver {
    async fn live(mut self) {
        let mut backoff = self.new_backoff();
        let stopped = loop {
            let (why, at_least, kind) = match self.connect_and_converse().await {
                End::Again { why, at_least, backoff } => (why, at_least, backoff),
                End::Stop { why, code } => break Event::Stopped { why, code },
                End::Closed => {
                    break Event::Stopped { why: "closed by the application".to_owned(), code: None };
                }
            };
            if kind != Backoff::Growing {
                backoff = self.new_backoff();
            }
            let pause = match kind {
                Backoff::None => Duration::ZERO,
                Backoff::Fresh | Backoff::Growing => backoff.next().unwrap_or(self.options.backoff_max),
            };
            let pause = pause.max(at_least);
            if kind != Backoff::None {
                let retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                self.tell(Event::Disconnected { why, retry_in_ms }).await;
            }
            if self.meanwhile(tokio::time::sleep(pause)).await.is_none() {
                break Event::Stopped { why: "closed by the application".to_owned(), code: None };
            }
        };
        for (_, waiter) in self.waiters.drain() {
            // Whoever does not wait for the answer any more does not miss it.
            waiter.answer.send(Err(ClientError::Stopped)).ok();
        }
        self.tell(stopped).await;
    }

    fn new_backoff(&self) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(self.options.backoff_min)
            .with_max_delay(self.options.backoff_max)
            .without_max_times()
            .with_jitter()
            .build()
    }

    async fn connect_and_converse(&mut self) -> End {
        let (endpoint, tokens) = (self.endpoint.clone(), Arc::clone(&self.tokens));
        let (codec, limits) = (self.options.codec, self.options.limits);
        let stale = self.stale.take();
        let Some(token) = self.meanwhile(tokens.access_token(stale.as_ref())).await else {
            return End::Closed;
        };
        let token = match token {
            Ok(token) => token,
            Err(error @ TokenError::Temporary(_)) => {
                self.stale = stale;
                return again(error.to_string(), Backoff::Growing);
            }
            Err(error @ TokenError::Final(_)) => return End::Stop { why: error.to_string(), code: None },
        };
        let cursor = self.reducer.cursor().map(str::to_owned);
        let client = self.options.client.clone();
        let opening = open(endpoint, codec, limits, &token, cursor, client);
        match self.meanwhile(opening).await {
            None => End::Closed,
            Some(Ok((connection, welcome))) => self.converse(connection, welcome, token).await,
            Some(Err(error)) => self.end_of(&error, Backoff::Growing, &token.token),
        }
    }

    /// Waits for something while there is no connection, and takes requests: they are sent on the next one.
    /// `None` when the application wants no more.
    async fn meanwhile<T>(&mut self, waiting: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                done = &mut waiting => return Some(done),
                request = self.requests.recv() => match request {
                    None | Some(Request::Close) => return None,
                    Some(Request::Cut) => {}
                    Some(request) => drop(self.take(request)),
                },
            }
        }
    }

    /// Remembers what a request wants to have answered; returns the frame to send.
    fn take(&mut self, request: Request) -> Option<ClientFrame> {
        let frame = match request {
            Request::Answered { frame, answer, permit } => {
                if let Some(key) = Key::of(&frame) {
                    self.waiters.insert(key, Waiter { answer, _permit: permit });
                }
                frame
            }
            Request::Said(frame) => frame,
            Request::Cut | Request::Close => return None,
        };
        let now = self.now_ms();
        self.reducer.submit(frame, now)
    }

    /// Hands an event over, however long that takes: only between connections, where nothing else waits.
    async fn tell(&mut self, event: Event) {
        let events = self.events.clone();
        // An application that has dropped its events does not want to be told.
        self.meanwhile(events.send(event)).await;
    }

    /// What follows from an error that ended a connection, or kept it from being made.
    fn end_of(&mut self, error: &ConnectionError, backoff: Backoff, token: &SecretString) -> End {
        let why = error.to_string();
        let refused_token = matches!(
            error,
            ConnectionError::HelloRefused(problem) if problem.code == Code::Unauthorized
        );
        if refused_token {
            self.stale = Some(token.clone());
            return again(why, Backoff::Growing);
        }
        let Some(code) = error.close_code() else { return again(why, backoff) };
        match code.reconnect() {
            Reconnect::Yes => again(why, backoff),
            Reconnect::Later => again(why, Backoff::Growing),
            Reconnect::WithNewToken => {
                self.stale = Some(token.clone());
                again(why, backoff)
            }
            Reconnect::No => End::Stop { why, code: Some(code) },
        }
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn instant(&self, ms: i64) -> Instant {
        self.epoch + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}

fn again(why: String, backoff: Backoff) -> End {
    End::Again { why, at_least: Duration::ZERO, backoff }
}

async fn open(
    endpoint: Endpoint,
    codec: chasqui_protocol::Codec,
    limits: crate::SocketLimits,
    token: &AccessToken,
    cursor: Option<String>,
    client: Option<String>,
) -> Result<(Connection, Welcome), ConnectionError> {
    let mut connection = Connection::open(&endpoint, codec, limits).await?;
    let waited = limits.connect_timeout;
    let hello = connection.hello(token.token.expose_secret(), cursor.as_deref(), client.as_deref());
    let timeout = || ConnectionError::Timeout { endpoint: endpoint.clone(), waited };
    let welcome = tokio::time::timeout(waited, hello).await.map_err(|_| timeout())??;
    Ok((connection, welcome))
}
