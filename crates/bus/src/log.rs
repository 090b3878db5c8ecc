//! The log: facts are appended and read.
//!
//! Every read here asks the stream's leader, because a direct read may be stale and decisions stand on these.

mod append;
mod stored;

use chasqui_events::{Partition, Seq};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub use append::{Append, AppendError, Appended};
pub use stored::Stored;
pub(crate) use stored::{from_nanos, timestamp};

use crate::{ApiError, Bus, jetstream, subject};

/// What a read of the log can fail with.
pub type LogError = ApiError;

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// The sequence of the first fact that is still there; one more than `last_seq` when there is none.
    pub first_seq: Seq,
    /// The sequence of the last fact ever stored; 0 when there was none.
    pub last_seq: Seq,
    /// When the stream was made, in nanoseconds since the Unix epoch: a stream of the same name that was made
    /// again is another one.
    pub incarnation: i64,
}

/// The facts, of whatever stream.
#[derive(Clone, Debug)]
pub struct Log {
    bus: Bus,
}

#[derive(Serialize)]
struct Wanted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
}

#[derive(Deserialize)]
struct Got {
    message: stored::Raw,
}

#[derive(Deserialize)]
struct Info {
    created: String,
    state: State,
}

#[derive(Deserialize)]
struct State {
    first_seq: Seq,
    last_seq: Seq,
}

impl Log {
    /// The log as the bus's role may see it.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// The connection underneath.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The last fact of a subject.
    ///
    /// # Errors
    /// When the log does not answer within the bus's `read_for`, or refuses.
    pub async fn last(&self, subject: &str) -> Result<Option<Stored>, LogError> {
        let stream = stream_of(subject)?;
        self.read(&stream, &Wanted { seq: None, last_by_subj: Some(subject), next_by_subj: None }).await
    }

    /// The first fact at or after `from` in `stream` whose subject matches `filter` (wildcards allowed).
    ///
    /// # Errors
    /// As [`Log::last`].
    pub async fn next(&self, stream: &str, from: Seq, filter: &str) -> Result<Option<Stored>, LogError> {
        let wanted = Wanted { seq: Some(from.max(1)), last_by_subj: None, next_by_subj: Some(filter) };
        self.read(stream, &wanted).await
    }

    /// The facts of one subject from `from` to `to`, both included, in order, at most `max`. Costs a round trip per
    /// fact and one more: meant for short ranges.
    ///
    /// # Errors
    /// As [`Log::last`].
    pub async fn lane_range(
        &self,
        subject: &str,
        from: Seq,
        to: Seq,
        max: usize,
    ) -> Result<Vec<Stored>, LogError> {
        let stream = stream_of(subject)?;
        let mut facts = Vec::new();
        let mut from = from;
        while facts.len() < max && from <= to {
            match self.next(&stream, from, subject).await? {
                Some(fact) if fact.seq <= to => {
                    from = fact.seq + 1;
                    facts.push(fact);
                }
                Some(_) | None => break,
            }
        }
        Ok(facts)
    }

    /// The fact at a sequence; `None` when there is none (yet, or any more).
    ///
    /// # Errors
    /// As [`Log::last`].
    pub async fn get(&self, stream: &str, seq: Seq) -> Result<Option<Stored>, LogError> {
        self.read(stream, &Wanted { seq: Some(seq), last_by_subj: None, next_by_subj: None }).await
    }

    /// Where a stream stands now.
    ///
    /// # Errors
    /// As [`Log::last`]; also when the stream does not exist.
    pub async fn head(&self, stream: &str) -> Result<StreamHead, LogError> {
        let info: Info = jetstream::request(&self.bus, &format!("STREAM.INFO.{stream}"), &()).await?;
        let created = OffsetDateTime::parse(&info.created, &Rfc3339)
            .map_err(|error| ApiError::Unexpected(format!("the time {:?}: {error}", info.created)))?;
        let incarnation = i64::try_from(created.unix_timestamp_nanos()).unwrap_or(i64::MAX);
        Ok(StreamHead { first_seq: info.state.first_seq.max(1), last_seq: info.state.last_seq, incarnation })
    }

    /// The head of a partition's stream.
    ///
    /// # Errors
    /// As [`Log::head`].
    pub async fn partition_head(&self, partition: Partition) -> Result<StreamHead, LogError> {
        self.head(&subject::stream(partition)).await
    }

    async fn read(&self, stream: &str, wanted: &Wanted<'_>) -> Result<Option<Stored>, LogError> {
        match jetstream::request::<Got>(&self.bus, &format!("STREAM.MSG.GET.{stream}"), wanted).await {
            Ok(got) => Stored::from_raw(got.message).map(Some),
            Err(ApiError::Refused { code: jetstream::NO_MESSAGE, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn stream_of(subject: &str) -> Result<String, LogError> {
    subject::stream_of(subject)
        .ok_or_else(|| ApiError::Unexpected(format!("no stream stores the subject {subject:?}")))
}
