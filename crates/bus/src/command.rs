//! Commands between edge and command side: request and reply on `cmd.v1.<name>`.
//!
//! A request is the JSON of the protocol's command with the caller's access token in a header; the answer is
//! `{"ok": …}` or `{"problem": …}`.

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use chasqui_protocol::{Code, Problem};
use futures::{StreamExt, stream::select_all};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::task::TaskTracker;

use crate::{Bus, BusError, connection::AskError, header, subject};

/// A command that has no result.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command side answers why not.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// It was not sent: no connection, or nobody handles it now. Nothing was recorded.
    #[error("nobody takes the command: {0}")]
    Unavailable(String),
    /// No answer in time. Whether it was recorded is not known; repeating it with the same id is safe.
    #[error("no answer to the command: {0}")]
    Timeout(String),
}

/// The answer on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<R> {
    /// Accepted, with what came of it.
    #[serde(rename = "ok")]
    Ok(R),
    /// Not accepted, and why.
    #[serde(rename = "problem")]
    Problem(Problem),
}

impl<R: Serialize> Reply<R> {
    /// The bytes for [`Server::run`]'s handler to return.
    ///
    /// # Panics
    /// Never, for results whose maps have text as keys: all of the protocol's.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        #[expect(clippy::expect_used, reason = "results are plain structs; serde_json cannot fail on them")]
        serde_json::to_vec(self).expect("a reply is always JSON").into()
    }
}

impl<R> From<Result<R, Problem>> for Reply<R> {
    fn from(result: Result<R, Problem>) -> Self {
        result.map_or_else(Self::Problem, Self::Ok)
    }
}

/// A command to be asked.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Its name: the last token of the subject.
    pub name: &'a str,
    /// The caller's access token.
    pub token: Option<&'a str>,
    /// The client's address, as the edge sees it.
    pub address: Option<IpAddr>,
    /// The `traceparent`.
    pub trace: Option<&'a str>,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("name", &self.name).field("trace", &self.trace).finish_non_exhaustive()
    }
}

/// Asks a command and awaits its answer.
///
/// # Errors
/// See [`CommandError`].
pub async fn request<R: DeserializeOwned>(
    bus: &Bus,
    call: Call<'_>,
    body: &impl Serialize,
) -> Result<R, CommandError> {
    let body = serde_json::to_vec(body).map_err(|error| CommandError::Unavailable(error.to_string()))?;
    understood(&request_raw(bus, call, body.into()).await?)
}

/// Asks a command as the operator, on the connection of the role [`crate::BusRole::Admin`]: no token, NATS itself has
/// checked who asks.
///
/// # Errors
/// See [`CommandError`].
pub async fn request_as_operator<R: DeserializeOwned>(
    bus: &Bus,
    name: &str,
    timeout: Duration,
    body: &impl Serialize,
) -> Result<R, CommandError> {
    let body = serde_json::to_vec(body).map_err(|error| CommandError::Unavailable(error.to_string()))?;
    let subject = Subject::from(subject::ops(name));
    understood(&ask(bus, subject, HeaderMap::new(), body.into(), timeout).await?)
}

fn understood<R: DeserializeOwned>(answer: &[u8]) -> Result<R, CommandError> {
    match serde_json::from_slice(answer) {
        Ok(Reply::Ok(result)) => Ok(result),
        Ok(Reply::Problem(problem)) => Err(CommandError::Problem(problem)),
        Err(error) => Err(CommandError::Timeout(format!("the answer is not understood: {error}"))),
    }
}

/// Asks a command whose body is JSON already; the answer as it came.
///
/// # Errors
/// [`CommandError::Unavailable`] and [`CommandError::Timeout`].
pub async fn request_raw(bus: &Bus, call: Call<'_>, body: Bytes) -> Result<Bytes, CommandError> {
    let mut headers = HeaderMap::new();
    header::add(&mut headers, header::TOKEN, call.token);
    header::add(&mut headers, header::ADDRESS, call.address.map(|address| address.to_string()).as_deref());
    header::add(&mut headers, header::TRACEPARENT, call.trace);
    ask(bus, Subject::from(subject::cmd(call.name)), headers, body, call.timeout).await
}

async fn ask(
    bus: &Bus,
    subject: Subject,
    headers: HeaderMap,
    body: Bytes,
    timeout: Duration,
) -> Result<Bytes, CommandError> {
    let headers = (!headers.is_empty()).then_some(headers);
    match bus.ask(subject, headers, body, Instant::now() + timeout).await {
        Ok(message) => Ok(message.payload),
        Err(AskError::NotSent(reason) | AskError::TooLarge(reason)) => Err(CommandError::Unavailable(reason)),
        Err(AskError::NoResponders) => Err(CommandError::Unavailable("no process handles it".to_owned())),
        Err(AskError::NoAnswer(reason)) => Err(CommandError::Timeout(reason)),
    }
}

/// A command as it arrives.
#[derive(Clone)]
pub struct Incoming {
    /// Its name.
    pub name: String,
    /// Its body, JSON.
    pub body: Bytes,
    /// The caller's access token.
    pub token: Option<String>,
    /// The client's address, as the edge tells it.
    pub address: Option<IpAddr>,
    /// The `traceparent`.
    pub trace: Option<String>,
}

/// Without its token and its body: both hold secrets.
impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("name", &self.name)
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}

/// What to serve.
#[derive(Clone, Debug)]
pub struct Serve<'a> {
    /// The commands' names.
    pub names: &'a [&'a str],
    /// The queue group: each command goes to one process of it.
    pub group: &'a str,
    /// The most commands handled at a time. Eight times as many may wait; further ones are answered with
    /// `too-many` at once.
    pub concurrency: usize,
}

/// Commands of some names, being served.
#[derive(Debug)]
pub struct Server {
    bus: Bus,
    subscribers: Vec<async_nats::Subscriber>,
    concurrency: usize,
}

/// Begins to take commands; they are handled by [`Server::run`].
///
/// # Errors
/// [`BusError::Closed`].
pub async fn serve(bus: &Bus, what: Serve<'_>) -> Result<Server, BusError> {
    listen(bus, what, subject::cmd).await
}

/// Begins to take what operators ask; it is handled by [`Server::run`]. None of it carries a token.
///
/// # Errors
/// [`BusError::Closed`].
pub async fn serve_operators(bus: &Bus, what: Serve<'_>) -> Result<Server, BusError> {
    listen(bus, what, subject::ops).await
}

async fn listen(bus: &Bus, what: Serve<'_>, subject: fn(&str) -> String) -> Result<Server, BusError> {
    let mut subscribers = Vec::with_capacity(what.names.len());
    for name in what.names {
        let subscriber = bus.client().queue_subscribe(subject(name), what.group.to_owned()).await;
        subscribers.push(subscriber.map_err(|_| BusError::Closed)?);
    }
    Ok(Server { bus: bus.clone(), subscribers, concurrency: what.concurrency })
}

impl Server {
    /// Handles commands until `stop`, then those that have arrived already, then returns.
    pub async fn run<H, F>(self, handler: H, stop: impl Future<Output = ()> + Send)
    where
        H: Fn(Incoming) -> F + Send + Sync + 'static,
        F: Future<Output = Bytes> + Send + 'static,
    {
        let Self { bus, subscribers, concurrency } = self;
        let handler = Arc::new(handler);
        let permits = Arc::new(Semaphore::new(concurrency));
        let tasks = TaskTracker::new();
        let mut messages = select_all(subscribers);
        tokio::pin!(stop);
        let mut stopping = false;
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = &mut stop, if !stopping => {
                    stopping = true;
                    for subscriber in &mut messages {
                        subscriber.drain().await.ok();
                    }
                    continue;
                }
            };
            let Some(message) = message else { break };
            if tasks.len() >= concurrency.saturating_mul(1 + WAITING_PER_HANDLED) {
                refuse(&bus, message).await;
                continue;
            }
            let (bus, handler, permits) = (bus.clone(), Arc::clone(&handler), Arc::clone(&permits));
            tasks.spawn(async move {
                // The semaphore is fair: first come, first served.
                if let Ok(_permit) = permits.acquire().await {
                    answer(&bus, &*handler, message).await;
                }
            });
        }
        tasks.close();
        tasks.wait().await;
    }
}

/// How many commands may wait for each one that is handled.
const WAITING_PER_HANDLED: usize = 8;

async fn refuse(bus: &Bus, message: Message) {
    let Some(reply) = message.reply else { return };
    let problem =
        Problem::new(Code::TooMany, "too many commands are waiting; send the same again a little later")
            .retry_after_ms(500);
    // A closed connection has nobody left to tell.
    bus.client().publish(reply, Reply::<()>::Problem(problem).encode()).await.ok();
}

async fn answer<H, F>(bus: &Bus, handler: &H, message: Message)
where
    H: Fn(Incoming) -> F,
    F: Future<Output = Bytes>,
{
    let Some(reply) = message.reply else { return };
    let headers = message.headers.as_ref();
    let incoming = Incoming {
        name: message.subject.rsplit('.').next().unwrap_or_default().to_owned(),
        token: header::get(headers, header::TOKEN).map(str::to_owned),
        address: header::get(headers, header::ADDRESS).and_then(|address| address.parse().ok()),
        trace: header::get(headers, header::TRACEPARENT).map(str::to_owned),
        body: message.payload,
    };
    let answer = handler(incoming).await;
    if bus.client().publish(reply, answer).await.is_err() {
        tracing::warn!("an answer could not be sent: the connection to NATS is closed");
    }
}
