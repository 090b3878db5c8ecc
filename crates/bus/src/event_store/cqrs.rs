//! The store as `cqrs-es` sees it, so that its framework and its tools work on rooms.
//!
//! `cqrs-es` knows who and when only as metadata: see [`metadata`].

use std::{collections::HashMap, error::Error, sync::Arc, time::Instant};

use chasqui_domain::{Rejection, Room, cqrs::RecordedEvent, room::VersionedRoom};
use chasqui_events::{CommandId, Envelope, RoomId, Timestamp, UserId, room::RoomEvent};
use cqrs_es::{AggregateContext, AggregateError, EventEnvelope, EventStore};

use super::{LoadError, RoomStore};
use crate::{
    log::{Append, AppendError},
    subject::{self, Lane},
};

/// The keys that [`RoomStore`] asks of a commit's metadata.
pub mod metadata {
    /// The command's id.
    pub const COMMAND_ID: &str = "command_id";
    /// Who asks, a user id.
    pub const BY: &str = "by";
    /// When the command was accepted, milliseconds since the Unix epoch.
    pub const AT: &str = "at";
    /// The `traceparent`; may be left out.
    pub const TRACEPARENT: &str = "traceparent";
}

/// A loaded room with its place on its lane.
#[derive(Clone, Debug)]
pub struct RoomContext {
    id: RoomId,
    loaded: VersionedRoom,
}

impl AggregateContext<Room> for RoomContext {
    fn aggregate(&mut self) -> &mut Room {
        &mut self.loaded.room
    }
}

type Failure = AggregateError<Rejection>;

impl EventStore<Room> for RoomStore {
    type AC = RoomContext;

    async fn load_events(&self, aggregate_id: &str) -> Result<Vec<EventEnvelope<Room>>, Failure> {
        let room = room_id(aggregate_id)?;
        let mut facts = Vec::new();
        self.read_on(room, &mut Arc::default(), |fact| facts.push(fact.clone())).await?;
        (1..).zip(facts).map(|(sequence, fact)| event_envelope(aggregate_id, sequence, &fact)).collect()
    }

    async fn load_aggregate(&self, aggregate_id: &str) -> Result<RoomContext, Failure> {
        let id = room_id(aggregate_id)?;
        let loaded = Arc::unwrap_or_clone(self.load(id).await?);
        Ok(RoomContext { id, loaded })
    }

    /// Appends the one event of a command (one command is one message). The context holds the room with the event
    /// applied already, because `cqrs-es` applies while it decides.
    async fn commit(
        &self,
        events: Vec<RecordedEvent>,
        context: RoomContext,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<Room>>, Failure> {
        let mut events = events.into_iter();
        let Some(event) = events.next() else { return Ok(Vec::new()) };
        if events.next().is_some() {
            return Err(AggregateError::UnexpectedError("one command is one event".into()));
        }
        let envelope = envelope(event.0, &metadata)?;
        let RoomContext { id, loaded } = context;
        let append = Append {
            expected: Some(loaded.seq),
            aggregate_seq: Some(loaded.count + 1),
            trace: metadata.get(metadata::TRACEPARENT).map(String::as_str),
            ..Append::fact(subject::room(id, Lane::State), &envelope)
        };
        let slot = self.inner.cache.slot(id);
        let sent = Instant::now();
        let appended = match self.log().append(append).await {
            Ok(appended) => appended,
            Err(error) => {
                slot.forget();
                return Err(failure(error));
            }
        };
        if appended.duplicate {
            slot.forget();
        } else {
            let now = VersionedRoom { room: loaded.room, seq: appended.seq, count: loaded.count + 1 };
            slot.put(&Arc::new(now), sent);
        }
        Ok(vec![EventEnvelope {
            aggregate_id: id.to_string(),
            sequence: usize::try_from(loaded.count + 1).unwrap_or(usize::MAX),
            payload: RecordedEvent(envelope.event),
            metadata,
        }])
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Log(_) => Self::DatabaseConnectionError(Box::new(error)),
            LoadError::Poison { .. } => Self::DeserializationError(Box::new(error)),
        }
    }
}

fn failure(error: AppendError) -> Failure {
    match error {
        AppendError::Conflict => AggregateError::AggregateConflict,
        AppendError::Unknown(_) | AppendError::Unavailable(_) => {
            AggregateError::DatabaseConnectionError(Box::new(error))
        }
        AppendError::Refused(_) | AppendError::IdUsed => AggregateError::UnexpectedError(Box::new(error)),
    }
}

fn room_id(aggregate_id: &str) -> Result<RoomId, Failure> {
    aggregate_id.parse().map_err(|error| AggregateError::UnexpectedError(Box::new(error)))
}

fn envelope(event: RoomEvent, metadata: &HashMap<String, String>) -> Result<Envelope<RoomEvent>, Failure> {
    let id: CommandId = read(metadata, metadata::COMMAND_ID)?;
    let by: UserId = read(metadata, metadata::BY)?;
    let at = Timestamp(read(metadata, metadata::AT)?);
    Ok(Envelope { id, at, by, basis: 0, import: None, event })
}

fn read<T>(metadata: &HashMap<String, String>, key: &str) -> Result<T, Failure>
where
    T: std::str::FromStr<Err: Error + Send + Sync + 'static>,
{
    let text = metadata
        .get(key)
        .ok_or_else(|| AggregateError::UnexpectedError(format!("the metadata lack {key:?}").into()))?;
    text.parse().map_err(|error| AggregateError::UnexpectedError(Box::new(error)))
}

fn event_envelope(
    aggregate_id: &str,
    sequence: usize,
    fact: &crate::log::Stored,
) -> Result<EventEnvelope<Room>, Failure> {
    let decoded: Envelope<RoomEvent> =
        fact.decode().map_err(|error| AggregateError::DeserializationError(Box::new(error)))?;
    let metadata = HashMap::from([
        (metadata::COMMAND_ID.to_owned(), decoded.id.to_string()),
        (metadata::BY.to_owned(), decoded.by.to_string()),
        (metadata::AT.to_owned(), decoded.at.millis().to_string()),
    ]);
    Ok(EventEnvelope {
        aggregate_id: aggregate_id.to_owned(),
        sequence,
        payload: RecordedEvent(decoded.event),
        metadata,
    })
}
