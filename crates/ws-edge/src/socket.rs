//! The I/O of one connection: moves bytes between the WebSocket and its session, and does what the session asks for.
//!
//! One task per connection, full duplex, hand-polled: a `select!` over five futures would cost every idle connection
//! more memory than its session.

mod inbound;
mod readable;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use chasqui_events::{Timestamp, receipts::Mark};
use chasqui_http::Presence;
use chasqui_limiter::Meter;
use chasqui_protocol::{CloseCode, frame::Renew};
use futures::{
    FutureExt as _, Sink as _, SinkExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered,
};
use tokio::time::{Instant, Sleep, sleep_until};

use self::readable::Readable;
use crate::{
    accept::Peer,
    connection::Connection,
    edge::Edge,
    jobs,
    meters::Meters,
    presence, resume,
    session::{Effect, Input, Session},
    typing,
};

/// At most so many queued frames are handed to the WebSocket before it is flushed.
const FEED: usize = 8;
/// At most so many rounds in one go, so that one busy connection does not keep a thread.
const ROUNDS: usize = 32;

/// A job's end: an input for the session, or nothing to tell.
type Job = BoxFuture<'static, Option<Input>>;

/// The I/O of one connection.
pub(crate) struct Socket {
    ws: WebSocket,
    readable: Arc<Readable>,
    edge: Arc<Edge>,
    connection: Arc<Connection>,
    jobs: Option<Box<FuturesUnordered<Job>>>,
    timer: Pin<Box<Sleep>>,
    timer_at: Timestamp,
    /// How fast the client speaks.
    frames: Meter,
    /// It spoke too fast: nothing is read until then, and the network makes it wait.
    held_until: Option<Instant>,
    /// The cursor that the hello showed.
    shown: Option<String>,
    ping: bool,
    unflushed: bool,
    close_sent: bool,
    /// Its place among the connections of its address.
    _presence: Option<Presence>,
}

/// The connection is over.
struct Over;

/// Serves a connection until its end. The future is a pointer: what an async block holds over its awaits would be
/// kept twice, where it began and where it is polled.
pub(crate) fn serve(edge: Arc<Edge>, ws: WebSocket, peer: Peer, session: Session) -> Serving {
    let Peer { address, token, presence } = peer;
    let connection = Arc::new(Connection::new(edge.hub.next_id(), address, session));
    if let Some(token) = &token {
        connection.set_token(token);
    }
    edge.hub.came(&connection);
    let timer_at = connection.session().next_time();
    let timer = Box::pin(tokio::time::sleep_until(edge.clock.instant(timer_at)));
    Serving(Some(Box::new(Socket {
        ws,
        readable: Readable::of(&connection),
        edge,
        connection,
        jobs: None,
        timer,
        timer_at,
        frames: Meter::default(),
        held_until: None,
        shown: None,
        ping: false,
        unflushed: false,
        close_sent: false,
        _presence: presence,
    })))
}

/// A connection that is served; see [`serve`].
pub(crate) struct Serving(Option<Box<Socket>>);

impl Future for Serving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(socket) = &mut self.0 {
            ready!(socket.poll(context));
        }
        if let Some(socket) = self.0.take() {
            socket.end();
        }
        Poll::Ready(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take() {
            socket.end();
        }
    }
}

impl Socket {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.connection.register(context.waker());
        for _ in 0..ROUNDS {
            match self.round(context) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(Over) => return Poll::Ready(()),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// One look at everything. True when something moved.
    fn round(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        let read = self.poll_read()?;
        let done = self.poll_jobs(context);
        let timed = self.poll_timer(context)?;
        let wrote = self.poll_write(context)?;
        Ok(read || done || timed || wrote)
    }

    fn poll_read(&mut self) -> Result<bool, Over> {
        if self.is_held() || !self.readable.take() {
            return Ok(false);
        }
        let waker = Waker::from(Arc::clone(&self.readable));
        let mut context = Context::from_waker(&waker);
        match self.ws.poll_next_unpin(&mut context) {
            Poll::Ready(Some(Ok(Message::Close(_))) | None) => {
                // Says goodbye, if that can be said at once.
                let _ = self.ws.poll_flush_unpin(&mut context);
                Err(Over)
            }
            Poll::Ready(Some(Ok(message))) => {
                // There may be more.
                self.readable.put_back();
                self.hold();
                self.take(inbound::read(self.connection.codec, message));
                Ok(true)
            }
            Poll::Ready(Some(Err(error))) => match inbound::close_of(&error) {
                Some(code) => {
                    let now = self.edge.clock.now();
                    if self.connection.session().closing().is_some() {
                        return Err(Over);
                    }
                    self.connection.session().close(code, now);
                    self.readable.put_back();
                    Ok(true)
                }
                None => Err(Over),
            },
            Poll::Pending => Ok(false),
        }
    }

    /// Counts a frame, and waits before the next one if the client speaks too fast.
    fn hold(&mut self) {
        let Some(rate) = self.edge.rates.frames() else { return };
        let wait = self.frames.count(rate, self.edge.clock.elapsed());
        if wait.is_zero() {
            return;
        }
        let until = Instant::now() + wait;
        self.held_until = Some(until);
        self.edge.meters.held.increment(1);
        self.run(async move {
            sleep_until(until).await;
            None
        });
    }

    fn is_held(&mut self) -> bool {
        self.held_until.take_if(|until| *until <= Instant::now());
        self.held_until.is_some()
    }

    fn poll_jobs(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Some(jobs) = &mut self.jobs {
            match jobs.poll_next_unpin(context) {
                Poll::Ready(Some(Some(input))) => {
                    any = true;
                    self.take(Some(input));
                }
                Poll::Ready(Some(None)) => any = true,
                Poll::Ready(None) => self.jobs = None,
                Poll::Pending => break,
            }
        }
        any
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        let fired = self.timer.poll_unpin(context).is_ready();
        let next = self.connection.session().next_time();
        // A later time is looked at when the timer fires; most inputs make it later.
        if fired || next < self.timer_at {
            if fired {
                if self.connection.session().is_overdue(self.edge.clock.now()) {
                    return Err(Over);
                }
                self.take(Some(Input::Time));
            }
            self.timer_at = self.connection.session().next_time();
            let at = self.edge.clock.instant(self.timer_at);
            self.timer.as_mut().reset(at);
            // Registers the new time.
            return Ok(true);
        }
        Ok(false)
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        match self.try_write(context) {
            Poll::Ready(Ok(wrote)) => Ok(wrote),
            Poll::Ready(Err(_)) => Err(Over),
            Poll::Pending => Ok(false),
        }
    }

    fn try_write(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, axum::Error>> {
        let mut fed = 0;
        while fed < FEED {
            if self.close_sent {
                break;
            }
            ready!(Pin::new(&mut self.ws).poll_ready(context))?;
            let Some(message) = self.next_message() else { break };
            self.ws.start_send_unpin(message)?;
            self.unflushed = true;
            fed += 1;
        }
        if self.unflushed {
            ready!(self.ws.poll_flush_unpin(context))?;
            self.unflushed = false;
            self.connection.note_drained();
        }
        Poll::Ready(Ok(fed > 0))
    }

    fn next_message(&mut self) -> Option<Message> {
        if std::mem::take(&mut self.ping) {
            return Some(Message::Ping(bytes::Bytes::new()));
        }
        let mut session = self.connection.session();
        if let Some(frame) = session.next_frame() {
            return Some(frame.into_message());
        }
        let code = session.closing()?;
        self.close_sent = true;
        Some(Message::Close(Some(CloseFrame { code: code.code(), reason: code.reason().into() })))
    }

    /// Hands an input to the session and does what it asks for.
    fn take(&mut self, input: Option<Input>) {
        let Some(input) = input else { return };
        if matches!(input, Input::Frame(_)) {
            self.edge.meters.frame_received();
        }
        let now = self.edge.clock.now();
        let mut effects = Vec::new();
        self.prepare(&input);
        self.connection.session().handle(input, now, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    /// What a verified token changes outside the session, before it.
    fn prepare(&mut self, input: &Input) {
        let Input::Verified(Ok(identity)) = input else { return };
        if self.connection.session().closing().is_some() {
            return;
        }
        self.connection.set_identity(*identity);
        // From now on the connection is told of its user's comings and goings.
        let most = self.edge.settings.max_connections_per_user;
        if !self.edge.hub.log_in(identity.user, &self.connection, most) {
            let now = self.edge.clock.now();
            self.connection.session().close(CloseCode::TooManyConnections, now);
        }
    }

    fn perform(&mut self, effect: Effect) {
        let (edge, connection) = (Arc::clone(&self.edge), Arc::clone(&self.connection));
        match effect {
            Effect::Authenticate(hello) => {
                self.shown = hello.cursor;
                self.run(async move {
                    if !hello.token.is_empty() {
                        connection.set_token(&hello.token);
                    }
                    let token = connection.token().unwrap_or_default();
                    let verdict = jobs::verify(&edge, &token).await;
                    Some(Input::Verified(verdict))
                });
            }
            Effect::Renew(Renew { token }) => self.run(async move {
                let verdict = jobs::verify(&edge, &token).await;
                if verdict
                    .as_ref()
                    .is_ok_and(|new| connection.identity().is_some_and(|old| old.session == new.session))
                {
                    connection.set_token(&token);
                }
                Some(Input::Renewed(verdict))
            }),
            Effect::Resume => {
                tokio::spawn(resume::run(edge, connection, self.shown.take()));
            }
            Effect::Forward(forward) => {
                self.run(async move { Some(jobs::forward(edge, connection, forward).await) });
            }
            Effect::Ask { reference, ask, fresh } => {
                if let Some(user) = connection.user() {
                    self.run(async move { Some(jobs::answer(edge, user, reference, ask, fresh).await) });
                }
            }
            Effect::Delivered { room, seq } => {
                if let Some(user) = connection.user() {
                    edge.mark(room, Mark { user, delivered: seq, read: 0 });
                }
            }
            Effect::Read { room, seq } => {
                if let Some(user) = connection.user() {
                    edge.mark(room, Mark { user, delivered: 0, read: seq });
                }
            }
            Effect::Typing { room, on } => {
                if let Some(user) = connection.user() {
                    self.run(async move {
                        typing::tell(&edge, room, user, on).await;
                        None
                    });
                }
            }
            Effect::Ping => self.ping = true,
        }
    }

    fn run(&mut self, job: impl Future<Output = Option<Input>> + Send + 'static) {
        self.jobs.get_or_insert_default().push(job.boxed());
    }

    /// The connection is over: nobody tells it anything any more.
    fn end(self: Box<Self>) {
        let Self { edge, connection, .. } = *self;
        let now = edge.clock.now();
        let rooms = connection.session().rooms();
        let code = connection.session().closing();
        if let Some(code) = code {
            Meters::closed(code);
        }
        // Whatever still holds the connection finds it closed.
        connection.session().close(CloseCode::GoingAway, now);
        for room in edge.hub.rooms_of(&rooms) {
            room.detach(&connection, now);
        }
        if let Some(user) = connection.user()
            && edge.hub.log_out(user, &connection)
        {
            presence::departed(&edge, user, rooms);
        }
        edge.hub.gone(&connection);
    }
}
