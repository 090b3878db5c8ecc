//! What happens now: republished facts, and hints that are never stored.
//!
//! All of it may be lost, never wrong. A fact carries its predecessor on its lane, so that a hole shows; a lost
//! connection or a full subscription is told by [`crate::Bus::events`].

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use chasqui_events::{CommandId, Partition, RoomId, Seq, Timestamp, UserId};
use futures::{Stream, StreamExt};

use crate::{
    Bus, BusError, header,
    log::Stored,
    subject::{self, Lane},
};

/// A stored fact of a room, as JetStream republished it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveFact {
    /// The partition.
    pub partition: Partition,
    /// The room.
    pub room: RoomId,
    /// The lane.
    pub lane: Lane,
    /// Its sequence in the partition's stream.
    pub seq: Seq,
    /// The sequence of the fact before it on this lane of this room; 0 for the first.
    pub prev: Seq,
    /// The command that caused it.
    pub msg_id: Option<CommandId>,
    /// When the server stored it.
    pub time: Timestamp,
    /// The envelope.
    pub payload: Bytes,
    /// The `traceparent` of whoever caused it.
    pub trace: Option<String>,
}

impl LiveFact {
    /// The same fact as it stands in the log.
    #[must_use]
    pub fn into_stored(self) -> Stored {
        Stored {
            subject: subject::room(self.room, self.lane),
            seq: self.seq,
            msg_id: self.msg_id,
            time: self.time,
            payload: self.payload,
            trace: self.trace,
        }
    }

    fn from_message(message: Message) -> Option<Self> {
        let subject::Parsed { partition, room, lane } = subject::parse(&message.subject)?;
        let headers = message.headers.as_ref();
        Some(Self {
            partition,
            room,
            lane,
            seq: header::get(headers, header::SEQUENCE)?.parse().ok()?,
            prev: header::get(headers, header::LAST_SEQUENCE)?.parse().ok()?,
            msg_id: header::get(headers, header::MSG_ID).and_then(|id| id.parse().ok()),
            time: crate::log::timestamp(header::get(headers, header::TIME_STAMP)?)?,
            trace: header::get(headers, header::TRACEPARENT).map(str::to_owned),
            payload: message.payload,
        })
    }
}

/// A subscription to republished facts. Dropping it ends it.
#[derive(Debug)]
pub struct LiveSub {
    subscriber: Subscriber,
}

impl LiveSub {
    /// The next fact; `None` when the connection was drained.
    pub async fn recv(&mut self) -> Option<LiveFact> {
        self.next().await
    }
}

impl Stream for LiveSub {
    type Item = LiveFact;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<LiveFact>> {
        loop {
            match self.subscriber.poll_next_unpin(context) {
                Poll::Ready(Some(message)) => {
                    if let Some(fact) = LiveFact::from_message(message) {
                        return Poll::Ready(Some(fact));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Something fleeting: a hint to look, typing, presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// On `notify.user.<user>`.
    Notify {
        /// Whom it concerns.
        user: UserId,
        /// What; a matter between projector and edge.
        payload: Bytes,
    },
    /// On `eph.room.<room>.<kind>`.
    Room {
        /// The room.
        room: RoomId,
        /// For example `typing`.
        kind: String,
        /// What; a matter between edges.
        payload: Bytes,
    },
    /// On `eph.user.<user>.<kind>`.
    User {
        /// The user.
        user: UserId,
        /// For example `presence`.
        kind: String,
        /// What; a matter between edges.
        payload: Bytes,
    },
}

impl Hint {
    fn from_message(message: Message) -> Option<Self> {
        let payload = message.payload;
        let mut tokens = message.subject.split('.');
        let hint = match (tokens.next()?, tokens.next()?) {
            ("notify", "user") => Self::Notify { user: tokens.next()?.parse().ok()?, payload },
            ("eph", "room") => {
                let room = tokens.next()?.parse().ok()?;
                Self::Room { room, kind: tokens.next()?.to_owned(), payload }
            }
            ("eph", "user") => {
                let user = tokens.next()?.parse().ok()?;
                Self::User { user, kind: tokens.next()?.to_owned(), payload }
            }
            _ => return None,
        };
        tokens.next().is_none().then_some(hint)
    }
}

/// A subscription to hints. Dropping it ends it.
#[derive(Debug)]
pub struct HintSub {
    subscriber: Subscriber,
}

impl HintSub {
    /// The next hint; `None` when the connection was drained.
    pub async fn recv(&mut self) -> Option<Hint> {
        self.next().await
    }
}

impl Stream for HintSub {
    type Item = Hint;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Hint>> {
        loop {
            match self.subscriber.poll_next_unpin(context) {
                Poll::Ready(Some(message)) => {
                    if let Some(hint) = Hint::from_message(message) {
                        return Poll::Ready(Some(hint));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// What is live on a bus.
#[derive(Clone, Debug)]
pub struct Live {
    bus: Bus,
}

impl Live {
    /// What is live on this bus.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// The connection underneath, for its events.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// All lanes of one room. Facts stored after a later answer on the same connection are not missed: the server
    /// handles subscription and request in order.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_room(&self, room: RoomId) -> Result<LiveSub, BusError> {
        self.facts(subject::live_room(room)).await
    }

    /// One lane of all rooms.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_lane(&self, lane: Lane) -> Result<LiveSub, BusError> {
        self.facts(subject::live_lane(lane)).await
    }

    /// All lanes of all rooms of a partition: cheaper than one subscription per room where most rooms of the
    /// partition are wanted. A subscription of its own costs about 6 KiB of memory.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_partition(&self, partition: Partition) -> Result<LiveSub, BusError> {
        self.facts(subject::live_partition(partition)).await
    }

    /// Hints for one user.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_notify(&self, user: UserId) -> Result<HintSub, BusError> {
        self.hints(subject::notify_user(user)).await
    }

    /// Hints for all users.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_notify_all(&self) -> Result<HintSub, BusError> {
        self.hints("notify.user.*".to_owned()).await
    }

    /// What is fleeting in a room, of every kind.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_eph_room(&self, room: RoomId) -> Result<HintSub, BusError> {
        self.hints(subject::eph_room(room, "*")).await
    }

    /// What is fleeting in all rooms, of every kind.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_eph_rooms(&self) -> Result<HintSub, BusError> {
        self.hints("eph.room.*.*".to_owned()).await
    }

    /// What is fleeting about all users, of every kind.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_eph_users(&self) -> Result<HintSub, BusError> {
        self.hints("eph.user.*.*".to_owned()).await
    }

    /// What is fleeting about a user, of every kind.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_eph_user(&self, user: UserId) -> Result<HintSub, BusError> {
        self.hints(subject::eph_user(user, "*")).await
    }

    /// Tells the edges that hold a connection of this user.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn notify(&self, user: UserId, payload: Bytes) -> Result<(), BusError> {
        self.publish(subject::notify_user(user), payload).await
    }

    /// Says something fleeting in a room. `kind` is one token of letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn publish_eph_room(&self, room: RoomId, kind: &str, payload: Bytes) -> Result<(), BusError> {
        self.publish(subject::eph_room(room, kind), payload).await
    }

    /// Says something fleeting about a user. `kind` as in [`Live::publish_eph_room`].
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn publish_eph_user(&self, user: UserId, kind: &str, payload: Bytes) -> Result<(), BusError> {
        self.publish(subject::eph_user(user, kind), payload).await
    }

    async fn facts(&self, subject: String) -> Result<LiveSub, BusError> {
        let subscriber = self.bus.client().subscribe(subject).await.map_err(|_| BusError::Closed)?;
        Ok(LiveSub { subscriber })
    }

    async fn hints(&self, subject: String) -> Result<HintSub, BusError> {
        let subscriber = self.bus.client().subscribe(subject).await.map_err(|_| BusError::Closed)?;
        Ok(HintSub { subscriber })
    }

    async fn publish(&self, subject: String, payload: Bytes) -> Result<(), BusError> {
        // Fleeting: worth nothing any more once the connection is back.
        if !self.bus.is_connected() {
            return Ok(());
        }
        self.bus.client().publish(subject, payload).await.map_err(|_| BusError::Closed)
    }
}
