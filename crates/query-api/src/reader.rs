//! Answers queries, whoever carries them.

use std::{future::Future, sync::Arc, time::Duration, time::Instant};

use chasqui_auth::{GlobalRole, KeysError, NameKey, NameKeyError, keyring, refusal};
use chasqui_bus::{Bus, Log};
use chasqui_crypto::Keyring;
use chasqui_events::{CommandId, Position, RoomId, UserId};
use chasqui_limiter::Rates;
use chasqui_protocol::{
    Accepted, Code, Item, Problem,
    query::{Freshness, Query},
};
use chasqui_read_model::{ReadError, ReadModel, StoredItem};
use chasqui_runtime::{config::Config, metrics::names};
use serde::Serialize;
use serde_json::Value;

use crate::{
    opening,
    query::{
        bans, conversation, conversations, history, members, message, profile, public_rooms, receipts,
        user_by_name,
    },
};

/// How much and how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long a query waits for the projection.
    pub wait: Duration,
    /// The most entries of a page.
    pub page: usize,
    /// How many partitions there are.
    pub partitions: u16,
    /// How old a login may be to stand for the password.
    pub proof_max_age: Duration,
}

impl Bounds {
    /// As configured.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            wait: config.query.barrier_wait_ms,
            page: config.query.page_max,
            partitions: config.chat.partitions,
            proof_max_age: config.auth.proof_max_age_s,
        }
    }
}

/// Answers queries from the projections. Cheap to clone.
#[derive(Clone)]
pub struct Reader(Arc<Inner>);

struct Inner {
    model: ReadModel,
    log: Log,
    secrets: Secrets,
    bounds: Bounds,
    rates: Rates,
}

/// What reads what is sealed.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Opens it, with the keys of a role that may have them.
    pub keyring: Arc<Keyring>,
    /// Finds names, which the projections know by their claim tokens only; where nobody asks for names there is none.
    pub names: Option<NameKey>,
}

impl Secrets {
    /// As configured, over the connection of a role that may read keys.
    ///
    /// # Errors
    /// When a key is not configured or cannot be used.
    pub fn load(config: &Config, bus: Bus) -> Result<Self, SecretsError> {
        let names = Some(NameKey::configured(&config.auth)?);
        Ok(Self { keyring: keyring(config, bus)?, names })
    }
}

/// What reads what is sealed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// Nothing can be opened.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// No name can be found.
    #[error(transparent)]
    Names(#[from] NameKeyError),
}

impl Reader {
    /// A reader. The log is only asked how far its streams reach, so any role that may ask that will do.
    #[must_use]
    pub fn new(model: ReadModel, log: Log, secrets: Secrets, bounds: Bounds, rates: Rates) -> Self {
        Self(Arc::new(Inner { model, log, secrets, bounds, rates }))
    }

    /// What opens.
    #[must_use]
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.0.secrets.keyring
    }

    /// What finds names.
    pub(crate) fn names(&self) -> Result<&NameKey, Problem> {
        let missing = || Problem::new(Code::Internal, "this process does not look names up");
        self.0.secrets.names.as_ref().ok_or_else(missing)
    }

    /// Opens entries of timelines.
    pub(crate) async fn open(&self, items: Vec<StoredItem>) -> Result<Vec<Item>, Problem> {
        opening::open(self.keyring(), items).await.map_err(|error| refusal::no_key(&error))
    }

    pub(crate) fn model(&self) -> &ReadModel {
        &self.0.model
    }

    pub(crate) fn log(&self) -> &Log {
        &self.0.log
    }

    /// Counts a query of a caller that comes by a route.
    pub(crate) fn admit(&self, caller: UserId) -> Result<(), Problem> {
        self.0.rates.query(caller)
    }

    /// Counts an export.
    pub(crate) async fn admit_export(&self, caller: UserId) -> Result<(), Problem> {
        self.0.rates.export(caller).await
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.0.bounds
    }

    /// Answers a query as `caller` may see it, as JSON of the shape that the query names. Global roles give nothing
    /// here: a connection outlives the token that it was opened with.
    ///
    /// # Errors
    /// The documented codes of the query; `not-yet-projected` when the demanded freshness was not reached in time.
    pub async fn answer(&self, caller: UserId, query: Query, fresh: Freshness) -> Result<Value, Problem> {
        self.0.rates.query(caller)?;
        match query {
            Query::Conversations {} => value(conversations::read(self, caller, fresh).await?),
            Query::Conversation { room } => value(conversation::read(self, caller, room, fresh).await?),
            Query::PublicRooms { name } => value(public_rooms::read(self, &name, fresh).await?),
            Query::Members { room, after, limit } => {
                value(members::read(self, caller, room, after, limit, fresh).await?)
            }
            Query::Bans { room, after, limit } => {
                value(bans::read(self, caller, GlobalRole::User, room, after, limit, fresh).await?)
            }
            Query::History { room, page, limit } => {
                value(history::read(self, caller, room, page, limit, fresh).await?)
            }
            Query::Message { room, author, id } => {
                value(message::read(self, caller, room, author, id, fresh).await?)
            }
            Query::Receipts { room, seq } => value(receipts::read(self, caller, room, seq, fresh).await?),
            Query::Profile { user } => value(profile::read(self, user, fresh).await?),
            Query::UserByName { name } => value(user_by_name::read(self, &name, fresh).await?),
        }
    }

    /// The answer that a send got, when its message is recorded and stands: for retries whose id the broker has
    /// forgotten. Waits until everything that was recorded when it was asked has been projected.
    ///
    /// # Errors
    /// `not-yet-projected` when that took too long; then it is still not known.
    pub async fn find_sent(
        &self,
        author: UserId,
        room: RoomId,
        id: CommandId,
    ) -> Result<Option<Accepted>, Problem> {
        self.fresh_room(room, Freshness::Latest).await?;
        let item = self.model().message(room, author, id).await.map_err(|error| not_read(&error))?;
        Ok(item.map(|item| Accepted {
            position: Some(Position { partition: room.partition(), seq: item.seq }),
            at: Some(item.at),
            ..Accepted::default()
        }))
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("bounds", &self.0.bounds).finish_non_exhaustive()
    }
}

fn value(answer: impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(answer).map_err(|error| {
        tracing::error!(%error, "an answer is not JSON");
        Problem::new(Code::Internal, "the answer could not be written")
    })
}

/// Runs a query and records its time.
pub(crate) async fn measured<T>(
    name: &'static str,
    query: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let begun = Instant::now();
    let result = query.await;
    metrics::histogram!(names::QUERY_SECONDS, "query" => name).record(begun.elapsed());
    result
}

/// The projections could not be read.
pub(crate) fn not_read(error: &ReadError) -> Problem {
    match error {
        ReadError::Unavailable(_) => {
            tracing::warn!(%error, "the read model does not answer");
            Problem::new(Code::Unavailable, "the history does not answer now; try again").retry_after_ms(1000)
        }
        ReadError::Corrupt(_) => {
            tracing::error!(%error, "the read model holds a document of another shape");
            Problem::new(Code::Internal, "the history holds something that cannot be read; tell the operator")
        }
    }
}
