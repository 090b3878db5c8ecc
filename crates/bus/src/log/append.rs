//! Appending one fact, with every outcome told apart.

use std::time::Duration;

use async_nats::{HeaderMap, HeaderValue, Subject};
use bytes::Bytes;
use chasqui_events::{CommandId, Envelope, Event, Fact, Seq, UserId};
use serde::Deserialize;
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, sleep, timeout_at},
};

use super::{Log, Stored};
use crate::{connection::AskError, header, jetstream::ErrorBody, subject};

/// A fact to be appended.
#[derive(Clone, Debug)]
pub struct Append<'a> {
    /// Its subject.
    pub subject: String,
    /// The command that causes it: what makes a repetition the same.
    pub id: CommandId,
    /// In whose name it is recorded.
    pub by: UserId,
    /// The event's wire name.
    pub type_name: &'static str,
    /// The version of its payload.
    pub version: u32,
    /// The encoded envelope.
    pub payload: Bytes,
    /// The sequence that the subject's last fact must have, 0 for none; `None` to append in any case.
    pub expected: Option<Seq>,
    /// Which fact of its aggregate it is, from 1.
    pub aggregate_seq: Option<u64>,
    /// The `traceparent` of whoever causes it.
    pub trace: Option<&'a str>,
}

impl Append<'_> {
    /// An envelope to be appended to a subject in any case, without trace.
    #[must_use]
    pub fn fact<E: Event>(subject: String, envelope: &Envelope<E>) -> Self {
        Self {
            subject,
            id: envelope.id,
            by: envelope.by,
            type_name: envelope.event.type_name(),
            version: envelope.event.version(),
            payload: envelope.encode().into(),
            expected: None,
            aggregate_seq: None,
            trace: None,
        }
    }
}

/// Where a fact stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its sequence.
    pub seq: Seq,
    /// It stood there already: an earlier attempt of the same command had stored it.
    pub duplicate: bool,
}

/// A fact that was not appended, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another fact stands behind the expected one: read the subject from the expected sequence on, decide again.
    #[error("another fact was appended to the subject first")]
    Conflict,
    /// Whether it was stored could not be found out in time. Repeating the same bytes with the same id is safe.
    #[error("it is not known whether the fact was stored: {0}")]
    Unknown(String),
    /// It was not stored, nothing was sent: no connection, or too many appends in flight. Repeating is safe.
    #[error("the fact was not sent: {0}")]
    Unavailable(String),
    /// It was not stored: the same id was used a moment ago for something else.
    #[error("the id is that of another fact")]
    IdUsed,
    /// It was not stored and will not be: the log refuses it.
    #[error("the log refuses the fact: {0}")]
    Refused(String),
}

/// The expectation does not hold; the second is what a cluster says while another append is on its way.
const WRONG_LAST: u64 = 10_071;
const WRONG_LAST_IN_FLIGHT: u64 = 10_164;
/// The same id is being stored at this moment.
const DUPLICATE_IN_FLIGHT: u64 = 10_158;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long the last look at the log may take, after the attempts.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// What became of one attempt.
enum Attempt {
    Stored(Appended),
    /// The expectation did not hold; `in_flight` when another append may still be on its way.
    Behind {
        in_flight: bool,
    },
    Refused(String),
    NotSent(String),
    Unknown(String),
}

/// What stands where an append was expected to go.
enum Behind {
    Ours(Appended),
    Another,
    NothingYet,
    Unread(String),
}

#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    error: Option<ErrorBody>,
    #[serde(default)]
    seq: Seq,
    #[serde(default)]
    duplicate: bool,
}

impl Log {
    /// Appends a fact once.
    ///
    /// An outcome that is not known (no answer, a lost connection, no leader) is resolved by sending the same bytes
    /// and id again for the bus's `retry_for`, then by reading back.
    ///
    /// # Errors
    /// See [`AppendError`]; each says whether the fact may have been stored.
    pub async fn append(&self, append: Append<'_>) -> Result<Appended, AppendError> {
        let deadline = Instant::now() + self.bus.settings().retry_for;
        let _permit = self.turn(deadline).await?;
        let subject = Subject::from(append.subject.as_str());
        let mut doubt = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let reason = match self.attempt(&subject, &append, deadline).await {
                Attempt::Stored(appended) if !appended.duplicate => return Ok(appended),
                Attempt::Stored(appended) => match self.holds(&append, appended.seq).await {
                    Ok(true) => return Ok(appended),
                    Ok(false) => return Err(AppendError::IdUsed),
                    Err(error) => doubt.insert(error.to_string()).clone(),
                },
                Attempt::Behind { in_flight } => match self.behind(&append, in_flight).await {
                    Behind::Ours(appended) => return Ok(appended),
                    Behind::Another => return Err(AppendError::Conflict),
                    Behind::NothingYet => "another append to the subject is on its way".to_owned(),
                    Behind::Unread(reason) => doubt.insert(reason).clone(),
                },
                Attempt::Refused(reason) if doubt.is_some() => return Err(AppendError::Unknown(reason)),
                Attempt::Refused(reason) => return Err(AppendError::Refused(reason)),
                Attempt::NotSent(reason) => reason,
                Attempt::Unknown(reason) => doubt.insert(reason).clone(),
            };
            if Instant::now() + pause >= deadline {
                return self.give_up(&append, doubt, reason).await;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A place among the appends in flight.
    async fn turn(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, AppendError> {
        let places = self.bus.in_flight();
        if let Ok(permit) = places.try_acquire() {
            return Ok(permit);
        }
        match timeout_at(deadline, places.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                Err(AppendError::Unavailable("too many appends await their acknowledgement".to_owned()))
            }
        }
    }

    async fn attempt(&self, subject: &Subject, append: &Append<'_>, deadline: Instant) -> Attempt {
        let until = deadline.min(Instant::now() + self.bus.settings().ack_timeout);
        let answer =
            self.bus.ask(subject.clone(), Some(headers(append)), append.payload.clone(), until).await;
        match answer {
            Ok(message) => judge(&message.payload),
            Err(AskError::NotSent(reason)) => Attempt::NotSent(reason),
            Err(AskError::NoAnswer(reason)) => Attempt::Unknown(reason),
            Err(AskError::NoResponders) => Attempt::NotSent("no stream takes the subject now".to_owned()),
            Err(AskError::TooLarge(reason)) => Attempt::Refused(reason),
        }
    }

    /// The expectation did not hold: because of an earlier attempt of the same command, or of another fact. Only
    /// the first fact after the expected one can be ours.
    async fn behind(&self, append: &Append<'_>, in_flight: bool) -> Behind {
        match self.first_after(append, append.expected.unwrap_or(0)).await {
            Ok(Some(stored)) if stored.msg_id == Some(append.id) => {
                Behind::Ours(Appended { seq: stored.seq, duplicate: true })
            }
            Ok(None) if in_flight => Behind::NothingYet,
            Ok(_) => Behind::Another,
            Err(error) => Behind::Unread(error.to_string()),
        }
    }

    /// Whether what stands there came of the same command: the server compares ids only, across a whole stream.
    async fn holds(&self, append: &Append<'_>, seq: Seq) -> Result<bool, super::LogError> {
        let stream = subject::stream_of(&append.subject).unwrap_or_default();
        // What was removed since cannot be compared.
        let Some(stored) = self.get(&stream, seq).await? else { return Ok(true) };
        let same = |fact: Envelope<Fact>| fact.by == append.by && fact.event.type_name() == append.type_name;
        Ok(stored.subject == append.subject && stored.decode::<Fact>().is_ok_and(same))
    }

    async fn first_after(&self, append: &Append<'_>, seq: Seq) -> Result<Option<Stored>, super::LogError> {
        let stream = subject::stream_of(&append.subject).unwrap_or_default();
        self.next(&stream, seq + 1, &append.subject).await
    }

    /// Time is up: one last look, if there is anything to look for.
    async fn give_up(
        &self,
        append: &Append<'_>,
        doubt: Option<String>,
        reason: String,
    ) -> Result<Appended, AppendError> {
        let Some(doubt) = doubt else { return Err(AppendError::Unavailable(reason)) };
        let look = async {
            match append.expected {
                Some(expected) => self.first_after(append, expected).await,
                None => self.last(&append.subject).await,
            }
        };
        match timeout_at(Instant::now() + LAST_LOOK, look).await {
            Ok(Ok(Some(stored))) if stored.msg_id == Some(append.id) => {
                Ok(Appended { seq: stored.seq, duplicate: true })
            }
            _ => Err(AppendError::Unknown(doubt)),
        }
    }
}

fn headers(append: &Append<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::MSG_ID, append.id.to_string());
    headers.insert(header::TYPE, append.type_name);
    headers.insert(header::VERSION, HeaderValue::from(u64::from(append.version)));
    if let Some(expected) = append.expected {
        headers.insert(header::EXPECTED, HeaderValue::from(expected));
    }
    if let Some(seq) = append.aggregate_seq {
        headers.insert(header::AGGREGATE_SEQ, HeaderValue::from(seq));
    }
    header::add(&mut headers, header::TRACEPARENT, append.trace);
    headers
}

fn judge(payload: &[u8]) -> Attempt {
    let ack: Ack = match serde_json::from_slice(payload) {
        Ok(ack) => ack,
        Err(error) => return Attempt::Unknown(format!("not an acknowledgement: {error}")),
    };
    match ack.error {
        None if ack.seq > 0 => Attempt::Stored(Appended { seq: ack.seq, duplicate: ack.duplicate }),
        None => Attempt::Unknown("an acknowledgement without a sequence".to_owned()),
        Some(error) => match error.err_code {
            WRONG_LAST => Attempt::Behind { in_flight: false },
            WRONG_LAST_IN_FLIGHT => Attempt::Behind { in_flight: true },
            DUPLICATE_IN_FLIGHT => Attempt::Unknown(error.description),
            _ if error.code == 503 => Attempt::Unknown(error.description),
            code => Attempt::Refused(format!("{} ({code})", error.description)),
        },
    }
}
