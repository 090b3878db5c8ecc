//! One connection, from its welcome to its end.

use std::{sync::Arc, time::Duration};

use chasqui_protocol::{
    ClientFrame, ServerFrame,
    frame::{Renew, Welcome},
};
use futures::future::{BoxFuture, FutureExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, sleep_until, timeout},
};

use super::{Backoff, Driver, End, Request, again};
use crate::{Connection, ConnectionError, Event, TokenError, reducer::Step, tokens::AccessToken};

/// At most so many requests are written before the socket is flushed.
const FEED: usize = 64;
/// A token is renewed when this part of its life is left, and at the latest so long before its end.
const RENEW_LEFT: u32 = 5;
const RENEW_AT_LEAST: Duration = Duration::from_secs(5);
/// The pause before another try to renew a token.
const RENEW_AGAIN: Duration = Duration::from_secs(2);
/// Silence of so many ping intervals means that the connection is dead. The server pings only those from whom it hears
/// nothing, so that it is asked before.
const SILENT_INTERVALS: u32 = 3;
/// How long a goodbye may take to be written.
const GOODBYE: Duration = Duration::from_secs(1);

/// The clocks of one connection.
struct Timers {
    acks_at: Option<Instant>,
    renew_at: Option<Instant>,
    silence: Duration,
    heard_at: Instant,
    asked: bool,
    /// The server said `bye`, and to stay away for so long.
    stay_away: Duration,
    /// A new token is being fetched.
    renewing: Option<Renewing>,
}

type Renewing = BoxFuture<'static, Result<AccessToken, TokenError>>;

/// What woke the conversation up.
enum Wake {
    Frame(Result<Option<ServerFrame>, ConnectionError>),
    Request(Option<Request>),
    Acks,
    Renew,
    Renewed(Result<AccessToken, TokenError>),
    Repeat,
    Ask,
    Dead,
    CaughtUpWithEvents,
}

impl Driver {
    pub(super) async fn converse(
        &mut self,
        mut connection: Connection,
        welcome: Welcome,
        token: AccessToken,
    ) -> End {
        self.shared.ids.observe(welcome.server_time);
        let mut token = token;
        let mut timers = Timers::new(&welcome, &token);
        *self.shared.welcome.write() = Some(welcome.clone());
        let (events, frames) = self.reducer.connected(welcome);
        for event in events {
            self.offer(event);
        }
        let end = match feed_all(&mut connection, frames, timers.silence).await {
            Ok(()) => self.until_its_end(&mut connection, &mut timers, &mut token).await,
            Err(error) => self.end_of(&error, Backoff::Fresh, &token.token),
        };
        self.reducer.disconnected();
        if matches!(end, End::Closed | End::Stop { .. }) {
            // Whoever takes no bytes misses it, and nothing else.
            timeout(GOODBYE, connection.close()).await.ok();
        }
        match end {
            End::Again { why, at_least, backoff } => {
                End::Again { why, at_least: at_least.max(timers.stay_away), backoff }
            }
            end => end,
        }
    }

    async fn until_its_end(
        &mut self,
        connection: &mut Connection,
        timers: &mut Timers,
        token: &mut AccessToken,
    ) -> End {
        loop {
            let wake = self.wait(connection, timers).await;
            let done = match wake {
                Wake::Frame(Ok(frame)) => {
                    timers.heard();
                    if let Some(frame) = frame {
                        self.receive(frame, timers);
                    }
                    Ok(())
                }
                Wake::Frame(Err(error)) => Err(error),
                Wake::Request(request) => match self.send_requests(connection, request, timers.silence).await
                {
                    Ok(Some(end)) => return end,
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                },
                Wake::Acks => {
                    timers.acks_at = None;
                    feed_all(connection, self.reducer.take_acks(), timers.silence).await
                }
                Wake::Repeat => {
                    let now = self.now_ms();
                    feed_all(connection, self.reducer.take_repeats(now), timers.silence).await
                }
                Wake::Renew => {
                    timers.renew_at = None;
                    timers.renewing = Some(self.fetch_token(token.token.clone()));
                    Ok(())
                }
                Wake::Renewed(Ok(new)) => {
                    timers.renew_after(new.lasts);
                    *token = new;
                    let token = token.token.expose_secret().to_owned();
                    feed_all(connection, [ClientFrame::Renew(Renew { token })], timers.silence).await
                }
                Wake::Renewed(Err(error)) => {
                    // The server ends the connection when the token does; until then everything works.
                    tracing::debug!(%error, "the token was not renewed");
                    let again = matches!(error, TokenError::Temporary(_));
                    timers.renew_at = again.then(|| Instant::now() + RENEW_AGAIN);
                    Ok(())
                }
                Wake::Ask => {
                    timers.asked = true;
                    feed_all(connection, [ClientFrame::Ping(0)], timers.silence).await
                }
                Wake::Dead => {
                    return again(format!("nothing heard for {:?}", timers.silence), Backoff::Fresh);
                }
                Wake::CaughtUpWithEvents => {
                    return again("the application has caught up".to_owned(), Backoff::None);
                }
            };
            if let Err(error) = done {
                return self.end_of(&error, Backoff::Fresh, &token.token);
            }
        }
    }

    async fn wait(&mut self, connection: &mut Connection, timers: &mut Timers) -> Wake {
        let at = |at: Option<Instant>| async move {
            match at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let repeat_at = self.reducer.next_repeat().map(|ms| self.instant(ms));
        let behind = self.reducer.is_behind();
        let (silent_at, asked) = (timers.silent_at(), timers.asked);
        let half = (self.options.event_capacity / 2).max(1);
        tokio::select! {
            frame = connection.next_or_ping() => Wake::Frame(frame),
            request = self.requests.recv() => Wake::Request(request),
            () = at(timers.acks_at) => Wake::Acks,
            () = at(timers.renew_at) => Wake::Renew,
            token = renewed(&mut timers.renewing) => Wake::Renewed(token),
            () = at(repeat_at) => Wake::Repeat,
            () = sleep_until(silent_at) => if asked { Wake::Dead } else { Wake::Ask },
            () = half_empty(&self.events, half), if behind => Wake::CaughtUpWithEvents,
        }
    }

    fn receive(&mut self, frame: ServerFrame, timers: &mut Timers) {
        let is_cursor = matches!(frame, ServerFrame::Cursor { .. });
        let now = self.now_ms();
        match self.reducer.receive(frame, now) {
            Step::Nothing if is_cursor => {
                *self.shared.cursor.write() = self.reducer.cursor().map(str::to_owned);
            }
            Step::Nothing => {}
            Step::Event(event) => self.offer(event),
            Step::Answered(key, answer) => {
                if let Some(waiter) = self.waiters.remove(&key) {
                    // Whoever does not wait for the answer any more does not miss it.
                    waiter.answer.send(answer.map_err(Into::into)).ok();
                }
            }
            Step::Bye { after_ms } => timers.stay_away = Duration::from_millis(after_ms),
        }
        if timers.acks_at.is_none() && self.reducer.has_acks() {
            timers.acks_at = Some(Instant::now() + self.options.ack_every);
        }
    }

    /// Hands an event to the application if it has room for it.
    fn offer(&mut self, event: Event) {
        match self.events.try_reserve() {
            Ok(place) => {
                if let Event::Item(item) | Event::Late(item) = &event {
                    self.reducer.handed_over(item);
                }
                place.send(event);
            }
            // An application that dropped its events takes everything.
            Err(TrySendError::Closed(())) => {
                if let Event::Item(item) | Event::Late(item) = &event {
                    self.reducer.handed_over(item);
                }
            }
            Err(TrySendError::Full(())) => {
                tracing::debug!(?event, "the application is behind");
                self.reducer.fall_behind();
            }
        }
    }

    /// Writes this request and those that wait behind it, then flushes. Returns the end if they ask for it.
    async fn send_requests(
        &mut self,
        connection: &mut Connection,
        first: Option<Request>,
        silence: Duration,
    ) -> Result<Option<End>, ConnectionError> {
        let (mut next, mut frames, mut end) = (Some(first), Vec::new(), None);
        while let Some(request) = next.take() {
            match request {
                None | Some(Request::Close) => end = Some(End::Closed),
                Some(Request::Cut) => end = Some(again("cut on purpose".to_owned(), Backoff::Fresh)),
                Some(request) => {
                    frames.extend(self.take(request));
                    if frames.len() < FEED {
                        next = self.requests.try_recv().ok().map(Some);
                    }
                }
            }
        }
        feed_all(connection, frames, silence).await?;
        Ok(end)
    }

    fn fetch_token(&self, stale: SecretString) -> Renewing {
        let tokens = Arc::clone(&self.tokens);
        async move { tokens.access_token(Some(&stale)).await }.boxed()
    }
}

impl Timers {
    fn new(welcome: &Welcome, token: &AccessToken) -> Self {
        let interval = Duration::from_millis(welcome.ping_interval_ms.max(100));
        let silence = interval * SILENT_INTERVALS;
        let left = u64::try_from(welcome.expires_at.since(welcome.server_time)).unwrap_or(0);
        let mut timers = Self {
            acks_at: None,
            renew_at: None,
            silence,
            heard_at: Instant::now(),
            asked: false,
            stay_away: Duration::ZERO,
            renewing: None,
        };
        timers.renew_after(token.lasts.or(Some(Duration::from_millis(left))));
        timers
    }

    fn heard(&mut self) {
        self.heard_at = Instant::now();
        self.asked = false;
    }

    /// When the silence has lasted too long: to ask, after two thirds of it, and to give up.
    fn silent_at(&self) -> Instant {
        self.heard_at + if self.asked { self.silence } else { self.silence / 3 * 2 }
    }

    fn renew_after(&mut self, lasts: Option<Duration>) {
        self.renew_at = lasts.map(|lasts| {
            let margin = (lasts / RENEW_LEFT).max(RENEW_AT_LEAST.min(lasts / 2));
            Instant::now() + lasts.saturating_sub(margin)
        });
    }
}

/// The token that is being fetched; never while none is.
async fn renewed(renewing: &mut Option<Renewing>) -> Result<AccessToken, TokenError> {
    let Some(fetching) = renewing else { return std::future::pending().await };
    let token = fetching.await;
    *renewing = None;
    token
}

async fn half_empty(events: &mpsc::Sender<Event>, half: usize) {
    // An error means that the application dropped its events: then nothing is in the way any more.
    drop(events.reserve_many(half).await);
}

/// Writes frames and flushes. A peer that is gone without a word takes no bytes once the buffers on the way are full:
/// each frame gets as long as a sign of life.
async fn feed_all(
    connection: &mut Connection,
    frames: impl IntoIterator<Item = ClientFrame>,
    silence: Duration,
) -> Result<(), ConnectionError> {
    let stalled = |_| ConnectionError::Stalled { waited: silence };
    let mut fed = false;
    for frame in frames {
        timeout(silence, connection.feed(&frame)).await.map_err(stalled)??;
        fed = true;
    }
    if fed { timeout(silence, connection.flush()).await.map_err(stalled)? } else { Ok(()) }
}
