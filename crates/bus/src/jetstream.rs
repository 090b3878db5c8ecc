//! Requests to JetStream's API, as JSON: what the client library offers for it parses more than is needed here and
//! reads where a read may be stale.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};

use crate::{Bus, connection::AskError};

/// A request to JetStream did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// JetStream refused it.
    #[error("JetStream refuses: {description} ({code})")]
    Refused {
        /// The error code of JetStream (`err_code`), for example 10059 for a stream that does not exist.
        code: u64,
        /// In its words.
        description: String,
    },
    /// No answer in time; asking again may help.
    #[error("JetStream does not answer: {0}")]
    Unavailable(String),
    /// An answer that this program does not understand.
    #[error("JetStream answers something unexpected: {0}")]
    Unexpected(String),
}

impl ApiError {
    /// What was asked for does not exist (message, stream or consumer).
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: NO_MESSAGE | NO_STREAM | NO_CONSUMER, .. })
    }
}

pub(crate) const NO_MESSAGE: u64 = 10_037;
pub(crate) const NO_STREAM: u64 = 10_059;
pub(crate) const NO_SEQUENCE: u64 = 10_043;
pub(crate) const NOT_DELETED: u64 = 10_057;
pub(crate) const NO_CONSUMER: u64 = 10_014;

/// The `error` member of JetStream's answers.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody {
    #[serde(default)]
    pub(crate) code: u64,
    #[serde(default)]
    pub(crate) err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: ErrorBody,
}

/// How long one attempt waits for its answer.
const ATTEMPT: Duration = Duration::from_millis(1_500);
const PAUSE: Duration = Duration::from_millis(50);

/// Asks `$JS.API.<subject>`; for requests that may be repeated without harm. Tries again for the bus's `read_for`.
pub(crate) async fn request<T: DeserializeOwned>(
    bus: &Bus,
    subject: &str,
    body: &impl Serialize,
) -> Result<T, ApiError> {
    request_for(bus, subject, body, bus.settings().read_for).await
}

pub(crate) async fn request_for<T: DeserializeOwned>(
    bus: &Bus,
    subject: &str,
    body: &impl Serialize,
    limit: Duration,
) -> Result<T, ApiError> {
    let subject = async_nats::Subject::from(format!("$JS.API.{subject}"));
    let body = serde_json::to_vec(body).map_err(|error| ApiError::Unexpected(error.to_string()))?;
    // `()` stands for no body, which JetStream insists on where it expects none.
    let body = if body == b"null" { Bytes::new() } else { Bytes::from(body) };
    let deadline = Instant::now() + limit;
    loop {
        let until = deadline.min(Instant::now() + ATTEMPT);
        let reason = match bus.ask(subject.clone(), None, body.clone(), until).await {
            Ok(message) => match parse(&message.payload) {
                Err(ApiError::Refused { code, description }) if is_passing(code) => description,
                other => return other,
            },
            Err(AskError::TooLarge(reason)) => return Err(ApiError::Unexpected(reason)),
            Err(AskError::NotSent(reason) | AskError::NoAnswer(reason)) => reason,
            Err(AskError::NoResponders) => "nobody answers for JetStream".to_owned(),
        };
        if Instant::now() + PAUSE >= deadline {
            return Err(ApiError::Unavailable(reason));
        }
        sleep(PAUSE).await;
    }
}

/// No leader or no metadata leader right now.
const fn is_passing(code: u64) -> bool {
    matches!(code, 10_008 | 10_009)
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(payload).map_err(|error| match serde_json::from_slice::<Refusal>(payload) {
        Ok(Refusal { error }) => ApiError::Refused { code: error.err_code, description: error.description },
        Err(_) => ApiError::Unexpected(error.to_string()),
    })
}
