//! Somebody with an account and a connected client.

use std::{ops::Deref, time::Duration};

use chasqui_client::{Client, Endpoint, Event, Options, Session};
use chasqui_events::{RoomId, UserId, room::Kind};
use chasqui_protocol::{command::Accepted, query::Freshness};
use secrecy::SecretString;

use crate::{Message, PATIENCE, Seen, Stack, within};

/// A user with a session, a client, and a record of everything the client said. What can be asked of the record
/// can be asked of the person.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their user name.
    pub name: String,
    /// Who they are.
    pub id: UserId,
    /// Their login.
    pub session: Session,
    /// Their client.
    pub client: Client,
    /// What it said.
    pub seen: Seen,
}

impl Deref for Person {
    type Target = Seen;

    fn deref(&self) -> &Seen {
        &self.seen
    }
}

impl Person {
    /// Everybody's password.
    pub const PASSWORD: &str = "quipu-knots-7-llamas";

    /// A client that comes back fast, and takes everything.
    #[must_use]
    pub fn options() -> Options {
        Options {
            event_capacity: 65_536,
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_millis(500),
            patience: PATIENCE * 2,
            ..Options::default()
        }
    }

    /// Everybody's password, as the client wants it.
    #[must_use]
    pub fn password() -> SecretString {
        Self::PASSWORD.into()
    }

    pub(crate) async fn arrive(stack: &Stack, name: &str, endpoint: Endpoint, options: Options) -> Self {
        let accounts = stack.accounts();
        let registered = accounts.register(name, "", &Self::password()).await;
        registered.unwrap_or_else(|error| panic!("registering {name}: {error}"));
        let session = accounts.login(name, &Self::password(), "testkit").await;
        let session = session.unwrap_or_else(|error| panic!("logging {name} in: {error}"));
        Self::connected(name, session, endpoint, options).await
    }

    /// Another client of the same session.
    pub async fn device(&self, endpoint: Endpoint, options: Options) -> Self {
        Self::connected(&self.name, self.session.clone(), endpoint, options).await
    }

    async fn connected(name: &str, session: Session, endpoint: Endpoint, options: Options) -> Self {
        let (client, events) = Client::connect(endpoint, session.clone(), options);
        let seen = Seen::record(name, events);
        let person = Self { name: name.to_owned(), id: session.user(), session, client, seen };
        person.seen.after(0, "being connected and caught up", |event| matches!(event, Event::CaughtUp)).await;
        person
    }

    /// An access token for plain HTTP.
    pub async fn token(&self) -> String {
        self.session.tokens().await.access_token
    }

    /// Says something, and waits until it is recorded.
    pub async fn says(&self, room: RoomId, body: &str) -> Accepted {
        within(&format!("{} says {body:?}", self.name), self.client.send(room, body)).await.unwrap()
    }

    /// Opens a private room and brings these people in; returns when they are members.
    pub async fn room_with(&self, name: &str, others: &[&Self]) -> RoomId {
        let room = self.client.create_room(Kind::Private, name).await.unwrap();
        for other in others {
            self.client.invite(room, other.id).await.unwrap();
            other.client.join(room).await.unwrap();
            other.entered(room).await;
        }
        self.entered(room).await;
        room
    }

    /// Opens the conversation with somebody; returns when both see it.
    pub async fn direct_with(&self, other: &Self) -> RoomId {
        let room = self.client.open_direct(other.id).await.unwrap();
        self.entered(room).await;
        other.entered(room).await;
        room
    }

    /// Waits until the client was told that it is in a room.
    pub async fn entered(&self, room: RoomId) {
        let entered = |event: &Event| matches!(event, Event::RoomEntered { room: of, .. } if *of == room);
        self.seen.after(0, &format!("entering {room}"), entered).await;
    }

    /// Waits for the message with this text.
    pub async fn sees_message(&self, room: RoomId, body: &str) -> Message {
        self.seen.message(room, body).await
    }

    /// Waits until the connection is lost and made again after the first `mark` events, and everything has come.
    pub async fn back_after(&self, mark: usize) {
        self.seen
            .until("coming back and being caught up", |events| {
                let events = events.get(mark..).unwrap_or_default();
                let back = events.iter().position(|event| matches!(event, Event::Reconnected { .. }))?;
                let caught_up = |event: &Event| matches!(event, Event::CaughtUp);
                events.get(back..)?.iter().any(caught_up).then_some(())
            })
            .await;
    }

    /// A question there and back on the same connection: what the server had pushed before has come after it.
    pub async fn fence(&self) {
        let ask = self.client.ask(chasqui_protocol::query::Query::Conversations {}, Freshness::Any);
        within(&format!("an answer to {}", self.name), ask).await.unwrap();
    }
}
