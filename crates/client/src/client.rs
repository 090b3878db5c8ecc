//! The handle of a client that stays connected.

use std::sync::Arc;

use chasqui_events::{CommandId, RoomId, Seq, SessionId, Timestamp, UserId, room::Kind};
use chasqui_protocol::{
    Accepted, ClientFrame,
    command::{
        Ban, CreateRoom, EraseRoom, Invite, Join, Leave, Mute, OpenDirect, Read, Remove, Send, SetSlowMode,
        Unban, Unmute,
    },
    frame::Welcome,
    query::{Freshness, Query},
};
use parking_lot::RwLock;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{
    ClientError, Endpoint, Events, Ids, Options, TokenSource,
    driver::{self, Request},
    reducer::{Key, Reply},
};

/// A client that stays connected. Cheap to clone; it ends when the last clone has been dropped, or on
/// [`Client::close`].
#[derive(Clone, Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

/// What the task and the handles both see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ids: Ids,
    pub(crate) welcome: RwLock<Option<Welcome>>,
    pub(crate) cursor: RwLock<Option<String>>,
    commands: Arc<Semaphore>,
    queries: Arc<Semaphore>,
}

impl Shared {
    fn new(options: &Options) -> Self {
        Self {
            ids: Ids::default(),
            welcome: RwLock::new(None),
            cursor: RwLock::new(options.cursor.clone()),
            commands: Arc::new(Semaphore::new(options.commands_in_flight.max(1))),
            queries: Arc::new(Semaphore::new(options.queries_in_flight.max(1))),
        }
    }
}

/// The answer to a command that was handed in; dropping it does not take the command back.
#[derive(Debug)]
pub struct Answer {
    id: CommandId,
    answer: oneshot::Receiver<Result<Reply, ClientError>>,
}

impl Answer {
    /// The command's id.
    #[must_use]
    pub fn id(&self) -> CommandId {
        self.id
    }

    /// Waits for the answer, over as many connections as it takes.
    pub async fn wait(self) -> Result<Accepted, ClientError> {
        match self.answer.await.unwrap_or(Err(ClientError::Stopped))? {
            Reply::Accepted(accepted) => Ok(accepted),
            Reply::Tokens(_) | Reply::SecondFactor(_) | Reply::Data(_) => {
                Err(ClientError::Shape("another kind of answer".to_owned()))
            }
        }
    }
}

impl Client {
    /// Starts a client. It connects by itself, and again whenever the connection is lost; what it does is told by
    /// the events. Call within a Tokio runtime.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn connect(endpoint: Endpoint, tokens: impl TokenSource, options: Options) -> (Self, Events) {
        let shared = Arc::new(Shared::new(&options));
        let (requests, inbox) = mpsc::channel(options.commands_in_flight.clamp(8, 1024));
        let (outbox, receiver) = mpsc::channel(options.event_capacity.max(2));
        let tokens = Arc::new(tokens);
        tokio::spawn(driver::run(endpoint, tokens, options, Arc::clone(&shared), inbox, outbox));
        (Self { requests, shared }, Events { receiver })
    }

    /// Who the client is; `None` before its first connection.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.shared.welcome.read().as_ref().map(|welcome| welcome.user)
    }

    /// The session; `None` before the first connection.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.shared.welcome.read().as_ref().map(|welcome| welcome.session)
    }

    /// Where to resume in a later run: [`Options::cursor`]. What was taken from the events after it comes again
    /// then.
    #[must_use]
    pub fn cursor(&self) -> Option<String> {
        self.shared.cursor.read().clone()
    }

    /// A new command id, by the server's clock.
    #[must_use]
    pub fn new_id(&self) -> CommandId {
        self.shared.ids.command()
    }

    /// The time by the server's clock, as far as it is known.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.ids.now()
    }

    /// Hands in a command and returns as soon as it has its place in the order of commands. Commands are sent in
    /// the order in which they are handed in.
    ///
    /// Waits while [`Options::commands_in_flight`] commands have no answer yet.
    ///
    /// # Errors
    /// [`ClientError::Stopped`], and [`ClientError::Shape`] for a frame that is no command.
    pub async fn submit(&self, command: ClientFrame) -> Result<Answer, ClientError> {
        let Some(Key::Command(id)) = Key::of(&command) else {
            return Err(ClientError::Shape("only commands have answers of this kind".to_owned()));
        };
        Ok(Answer { id, answer: self.hand_in(command).await? })
    }

    /// Does a command and waits for its answer.
    pub async fn command(&self, command: ClientFrame) -> Result<Accepted, ClientError> {
        self.submit(command).await?.wait().await
    }

    /// Says something.
    pub async fn send(&self, room: RoomId, body: impl Into<String>) -> Result<Accepted, ClientError> {
        self.submit_message(room, body, vec![]).await?.wait().await
    }

    /// Says something that answers other messages.
    pub async fn reply(
        &self,
        room: RoomId,
        body: impl Into<String>,
        replies_to: Vec<CommandId>,
    ) -> Result<Accepted, ClientError> {
        self.submit_message(room, body, replies_to).await?.wait().await
    }

    /// Hands in a message without waiting for its answer. [`Answer::id`] is the message's id.
    pub async fn submit_message(
        &self,
        room: RoomId,
        body: impl Into<String>,
        replies_to: Vec<CommandId>,
    ) -> Result<Answer, ClientError> {
        let (id, body) = (self.new_id(), body.into());
        let send = Send { id, room, body, replies_to, retry: false, on_behalf: None };
        self.submit(ClientFrame::Send(send)).await
    }

    /// Opens a public or private room; the answer names it.
    pub async fn create_room(&self, kind: Kind, name: impl Into<String>) -> Result<RoomId, ClientError> {
        let command = CreateRoom { id: self.new_id(), kind, name: name.into() };
        room_of(&self.command(ClientFrame::CreateRoom(command)).await?)
    }

    /// Opens the conversation with somebody; the answer names its room.
    pub async fn open_direct(&self, user: UserId) -> Result<RoomId, ClientError> {
        room_of(&self.command(ClientFrame::OpenDirect(OpenDirect { id: self.new_id(), user })).await?)
    }

    /// Becomes a member.
    pub async fn join(&self, room: RoomId) -> Result<Accepted, ClientError> {
        self.command(ClientFrame::Join(Join { id: self.new_id(), room, on_behalf: None })).await
    }

    /// Stops being a member.
    pub async fn leave(&self, room: RoomId) -> Result<Accepted, ClientError> {
        self.command(ClientFrame::Leave(Leave { id: self.new_id(), room, on_behalf: None })).await
    }

    /// Lets somebody join.
    pub async fn invite(&self, room: RoomId, user: UserId) -> Result<Accepted, ClientError> {
        self.command(ClientFrame::Invite(Invite { id: self.new_id(), room, user })).await
    }

    /// Puts somebody out.
    pub async fn remove(&self, room: RoomId, user: UserId) -> Result<Accepted, ClientError> {
        let command = Remove { id: self.new_id(), room, user, reason: None };
        self.command(ClientFrame::Remove(command)).await
    }

    /// Puts somebody out and keeps them out, for some time or until the ban is lifted.
    pub async fn ban(
        &self,
        room: RoomId,
        user: UserId,
        until: Option<Timestamp>,
        reason: Option<String>,
    ) -> Result<Accepted, ClientError> {
        self.command(ClientFrame::Ban(Ban { id: self.new_id(), room, user, until, reason })).await
    }

    /// Lifts a ban.
    pub async fn unban(&self, room: RoomId, user: UserId) -> Result<Accepted, ClientError> {
        self.command(ClientFrame::Unban(Unban { id: self.new_id(), room, user })).await
    }

    /// Keeps a member from posting, for some time or until the mute is lifted.
    pub async fn mute(
        &self,
        room: RoomId,
        user: UserId,
        until: Option<Timestamp>,
        reason: Option<String>,
    ) -> Result<Accepted, ClientError> {
        self.command(ClientFrame::Mute(Mute { id: self.new_id(), room, user, until, reason })).await
    }

    /// Lifts a mute.
    pub async fn unmute(&self, room: RoomId, user: UserId) -> Result<Accepted, ClientError> {
        self.command(ClientFrame::Unmute(Unmute { id: self.new_id(), room, user })).await
    }

    /// Has members of a room post less often: once in so many seconds. 0 for as often as they like.
    pub async fn set_slow_mode(&self, room: RoomId, seconds: u32) -> Result<Accepted, ClientError> {
        self.command(ClientFrame::SetSlowMode(SetSlowMode { id: self.new_id(), room, seconds })).await
    }

    /// Erases a room for good: nobody reads again what was said there. Its name is a sign that this one is meant; an admin
    /// who does not own it says why.
    pub async fn erase_room(
        &self,
        room: RoomId,
        name: String,
        reason: Option<String>,
    ) -> Result<Accepted, ClientError> {
        self.command(ClientFrame::EraseRoom(EraseRoom { id: self.new_id(), room, name, reason })).await
    }

    /// Says that the user has read a room up to a place. It is said again after a reconnect if it may have been
    /// lost.
    pub async fn read(&self, room: RoomId, seq: Seq) -> Result<(), ClientError> {
        self.say(ClientFrame::Read(Read { room, seq })).await
    }

    /// Says that the user is typing, or has stopped. Lost while there is no connection.
    pub async fn typing(&self, room: RoomId, on: bool) -> Result<(), ClientError> {
        self.say(ClientFrame::Typing { room, on }).await
    }

    /// Asks a query; the answer is of the shape that the query names. See also the typed questions, such as
    /// [`Client::history`].
    pub async fn ask(&self, ask: Query, fresh: Freshness) -> Result<serde_json::Value, ClientError> {
        let reference = self.new_id().to_string();
        let answer = self.hand_in(ClientFrame::Query { reference, ask, fresh }).await?;
        match answer.await.unwrap_or(Err(ClientError::Stopped))? {
            Reply::Data(data) => Ok(data),
            Reply::Accepted(_) | Reply::Tokens(_) | Reply::SecondFactor(_) => {
                Err(ClientError::Shape("not a query's answer".to_owned()))
            }
        }
    }

    /// Ends the client: what has no answer yet is given [`ClientError::Stopped`], and the events end.
    pub async fn close(&self) {
        // A client that has stopped is closed too.
        self.requests.send(Request::Close).await.ok();
    }

    /// Cuts the connection as a network failure would; the client comes back by itself. For tests.
    pub async fn cut(&self) {
        self.requests.send(Request::Cut).await.ok();
    }

    async fn hand_in(
        &self,
        frame: ClientFrame,
    ) -> Result<oneshot::Receiver<Result<Reply, ClientError>>, ClientError> {
        let is_query = matches!(frame, ClientFrame::Query { .. });
        let in_flight = if is_query { &self.shared.queries } else { &self.shared.commands };
        let permit = Arc::clone(in_flight).acquire_owned().await.map_err(|_| ClientError::Stopped)?;
        let (answer, receiver) = oneshot::channel();
        let request = Request::Answered { frame, answer, permit };
        self.requests.send(request).await.map_err(|_| ClientError::Stopped)?;
        Ok(receiver)
    }

    async fn say(&self, frame: ClientFrame) -> Result<(), ClientError> {
        self.requests.send(Request::Said(frame)).await.map_err(|_| ClientError::Stopped)
    }
}

fn room_of(accepted: &Accepted) -> Result<RoomId, ClientError> {
    accepted.room.ok_or_else(|| ClientError::Shape("the answer names no room".to_owned()))
}
