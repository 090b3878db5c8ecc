//! Buckets: what must be forgettable, with compare-and-set. Their streams keep one value per key.
//!
//! Reads ask the leader, never a replica: a stale refresh family looks like theft.

use std::time::Duration;

use async_nats::{HeaderMap, HeaderValue, Subject};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chasqui_events::Seq;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::{
    ApiError, Bus,
    connection::AskError,
    header,
    jetstream::{self, ErrorBody},
};

/// The buckets that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// Password hashes, by user.
    Credentials,
    /// Refresh-token families, by user and session.
    Refresh,
    /// Sessions that were revoked lately.
    Revoked,
    /// Whose a verified e-mail address is, by the keyed hash of the address.
    Emails,
    /// What is good once and for a short time, by the hash of its handle.
    Challenges,
    /// Public keys of access tokens.
    Jwks,
    /// The keys that sign access tokens, their private halves wrapped.
    SigningKeys,
    /// Snapshots of rooms, by room.
    Snapshots,
    /// Wrapped keys of rooms, by room.
    RoomKeys,
    /// Wrapped keys of users, by user.
    UserKeys,
    /// Hashes of the tokens of programs, by token.
    ServiceTokens,
    /// What is to be erased and what was, by `user.<user>`.
    Erasures,
}

impl Name {
    /// Every bucket.
    pub const ALL: [Self; 12] = [
        Self::Credentials,
        Self::Emails,
        Self::Refresh,
        Self::Revoked,
        Self::Challenges,
        Self::Jwks,
        Self::SigningKeys,
        Self::Snapshots,
        Self::RoomKeys,
        Self::UserKeys,
        Self::ServiceTokens,
        Self::Erasures,
    ];

    /// The bucket's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "CREDENTIALS",
            Self::Refresh => "REFRESH",
            Self::Revoked => "REVOKED",
            Self::Emails => "EMAILS",
            Self::Challenges => "CHALLENGES",
            Self::Jwks => "JWKS",
            Self::SigningKeys => "SIGNING_KEYS",
            Self::Snapshots => "SNAPSHOTS",
            Self::RoomKeys => "ROOM_KEYS",
            Self::UserKeys => "USER_KEYS",
            Self::ServiceTokens => "SERVICE_TOKENS",
            Self::Erasures => "ERASURES",
        }
    }

    /// The bucket's stream.
    #[must_use]
    pub fn stream(self) -> String {
        format!("KV_{}", self.as_str())
    }
}

/// A value and its place among all writes to the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Bytes,
    /// What [`Bucket::update`] takes.
    pub revision: Seq,
}

/// A bucket operation that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The key exists (create), or has another revision than the expected one (update).
    #[error("the key was changed by somebody else")]
    Conflict,
    /// Keys are letters, digits and `- _ = /`, and dots between them.
    #[error("{0:?} is not a key")]
    InvalidKey(String),
    /// No answer in time. A write may have happened; a repetition with the same revision and value is safe.
    #[error("the bucket does not answer: {0}")]
    Unavailable(String),
    /// JetStream refuses.
    #[error(transparent)]
    Refused(ApiError),
}

impl From<ApiError> for KvError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unavailable(reason) => Self::Unavailable(reason),
            refused @ (ApiError::Refused { .. } | ApiError::Unexpected(_)) => Self::Refused(refused),
        }
    }
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    bus: Bus,
    name: Name,
    /// What is written is removed by the server after so long.
    life: Option<Duration>,
}

#[derive(Serialize)]
struct LastBySubject<'a> {
    last_by_subj: &'a str,
}

#[derive(Deserialize)]
struct Got {
    message: Raw,
}

#[derive(Deserialize)]
struct Raw {
    seq: Seq,
    #[serde(default)]
    data: String,
    #[serde(default)]
    hdrs: Option<String>,
}

#[derive(Serialize)]
struct Erase {
    seq: Seq,
    no_erase: bool,
}

/// Parsed for its error only: a refusal has no `success`.
#[derive(Deserialize)]
struct Erased {
    #[serde(rename = "success")]
    _success: bool,
}

#[derive(Serialize)]
struct SubjectsOf<'a> {
    subjects_filter: &'a str,
    offset: usize,
}

#[derive(Deserialize)]
struct Info {
    state: State,
    #[serde(default)]
    total: usize,
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    subjects: Option<std::collections::HashMap<String, u64>>,
}

#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    error: Option<ErrorBody>,
    #[serde(default)]
    seq: Seq,
}

/// The last message of a key, a removal included.
struct Latest {
    entry: Entry,
    removed: bool,
}

const PAUSE: Duration = Duration::from_millis(50);

impl Bucket {
    /// A bucket; it must exist, see [`crate::topology`]. Asks nothing.
    #[must_use]
    pub fn open(bus: Bus, name: Name) -> Self {
        Self { bus, name, life: None }
    }

    /// The same bucket; what is written through it, the mark of a removal included, is gone after `life` (whole
    /// seconds, rounded up). The bucket's file must say `allow_msg_ttl`.
    #[must_use]
    pub fn keeping(&self, life: Duration) -> Self {
        Self { life: Some(life), ..self.clone() }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`KvError::InvalidKey`], [`KvError::Unavailable`], [`KvError::Refused`].
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, KvError> {
        let latest = self.latest(key).await?;
        Ok(latest.filter(|latest| !latest.removed).map(|latest| latest.entry))
    }

    /// Writes a key that must not exist. The new revision.
    ///
    /// # Errors
    /// [`KvError::Conflict`] when it exists, or as [`Bucket::get`].
    pub async fn create(&self, key: &str, value: Bytes) -> Result<Seq, KvError> {
        match self.write(key, value.clone(), Some(0), None).await {
            Err(KvError::Conflict) => match self.latest(key).await? {
                Some(latest) if latest.removed => {
                    self.write(key, value, Some(latest.entry.revision), None).await
                }
                _ => Err(KvError::Conflict),
            },
            other => other,
        }
    }

    /// Writes a key that must have this revision. The new revision.
    ///
    /// # Errors
    /// [`KvError::Conflict`] when it has another, or as [`Bucket::get`].
    pub async fn update(&self, key: &str, value: Bytes, revision: Seq) -> Result<Seq, KvError> {
        self.write(key, value, Some(revision), None).await
    }

    /// Writes a key in any case. The new revision.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub async fn put(&self, key: &str, value: Bytes) -> Result<Seq, KvError> {
        self.write(key, value, None, None).await
    }

    /// Removes a key, whether it exists or not; its value is gone from the bucket.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub async fn delete(&self, key: &str) -> Result<(), KvError> {
        self.write(key, Bytes::new(), None, Some("PURGE")).await.map(drop)
    }

    /// Overwrites the value of a key where it lies on the medium, and removes it; for buckets that allow it. May be
    /// repeated.
    ///
    /// # Errors
    /// [`KvError::Conflict`] when somebody wrote the key meanwhile, or as [`Bucket::get`].
    pub async fn erase(&self, key: &str) -> Result<(), KvError> {
        let Some(latest) = self.latest(key).await? else { return Ok(()) };
        let api = format!("STREAM.MSG.DELETE.{}", self.name.stream());
        let wanted = Erase { seq: latest.entry.revision, no_erase: false };
        match jetstream::request::<Erased>(&self.bus, &api, &wanted).await {
            Ok(_) => Ok(()),
            // Of a repeated request, or because a newer value has taken its place.
            Err(ApiError::Refused {
                code: jetstream::NO_MESSAGE | jetstream::NO_SEQUENCE | jetstream::NOT_DELETED,
                ..
            }) => match self.latest(key).await? {
                None => Ok(()),
                Some(_) => Err(KvError::Conflict),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// All keys that have a value, in no order. Reads each of them.
    ///
    /// # Errors
    /// [`KvError::Unavailable`], [`KvError::Refused`].
    pub async fn keys(&self) -> Result<Vec<String>, KvError> {
        let mut keys = Vec::new();
        for key in self.key_names().await? {
            if self.get(&key).await?.is_some() {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// All keys that were ever written, removed ones among them, in no order. Reads no value.
    ///
    /// # Errors
    /// [`KvError::Unavailable`], [`KvError::Refused`].
    pub async fn key_names(&self) -> Result<Vec<String>, KvError> {
        let prefix = format!("$KV.{}.", self.name.as_str());
        let subjects = self.subjects(&format!("{prefix}>")).await?;
        Ok(subjects.iter().filter_map(|subject| subject.strip_prefix(&prefix)).map(str::to_owned).collect())
    }

    /// The keys `<prefix>.<one more part>` that were ever written, removed ones among them, in no order. Reads no
    /// value.
    ///
    /// # Errors
    /// [`KvError::InvalidKey`], [`KvError::Unavailable`], [`KvError::Refused`].
    pub async fn key_names_under(&self, prefix: &str) -> Result<Vec<String>, KvError> {
        let filter = format!("{}.*", self.subject(prefix)?);
        let bucket = format!("$KV.{}.", self.name.as_str());
        let subjects = self.subjects(&filter).await?;
        Ok(subjects.iter().filter_map(|subject| subject.strip_prefix(&bucket)).map(str::to_owned).collect())
    }

    async fn subjects(&self, filter: &str) -> Result<Vec<String>, KvError> {
        let api = format!("STREAM.INFO.{}", self.name.stream());
        let mut subjects: Vec<String> = Vec::new();
        loop {
            let wanted = SubjectsOf { subjects_filter: filter, offset: subjects.len() };
            let info: Info = jetstream::request(&self.bus, &api, &wanted).await?;
            let page = info.state.subjects.unwrap_or_default();
            if page.is_empty() {
                return Ok(subjects);
            }
            subjects.extend(page.into_keys());
            if subjects.len() >= info.total {
                return Ok(subjects);
            }
        }
    }

    fn subject(&self, key: &str) -> Result<String, KvError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '/');
        if key.split('.').all(|part| !part.is_empty() && part.chars().all(allowed)) {
            Ok(format!("$KV.{}.{key}", self.name.as_str()))
        } else {
            Err(KvError::InvalidKey(key.to_owned()))
        }
    }

    async fn latest(&self, key: &str) -> Result<Option<Latest>, KvError> {
        let subject = self.subject(key)?;
        let api = format!("STREAM.MSG.GET.{}", self.name.stream());
        let wanted = LastBySubject { last_by_subj: &subject };
        let raw = match jetstream::request::<Got>(&self.bus, &api, &wanted).await {
            Ok(got) => got.message,
            Err(ApiError::Refused { code: jetstream::NO_MESSAGE, .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let unexpected =
            || KvError::Refused(ApiError::Unexpected(format!("revision {} is not Base64", raw.seq)));
        let value = STANDARD.decode(&raw.data).map_err(|_| unexpected())?;
        let headers = STANDARD.decode(raw.hdrs.as_deref().unwrap_or_default()).map_err(|_| unexpected())?;
        let removed = header::get_raw(&String::from_utf8_lossy(&headers), &header::KV_OPERATION).is_some();
        Ok(Some(Latest { entry: Entry { value: value.into(), revision: raw.seq }, removed }))
    }

    /// Writes once. A conflict after an attempt of unknown outcome may be with oneself: then the value decides.
    async fn write(
        &self,
        key: &str,
        value: Bytes,
        expected: Option<Seq>,
        operation: Option<&'static str>,
    ) -> Result<Seq, KvError> {
        let subject = Subject::from(self.subject(key)?);
        let headers = headers(expected, operation, self.life);
        let settings = self.bus.settings();
        let deadline = Instant::now() + settings.retry_for;
        let mut doubt = false;
        loop {
            let until = deadline.min(Instant::now() + settings.ack_timeout);
            let answer = self.bus.ask(subject.clone(), Some(headers.clone()), value.clone(), until).await;
            let reason = match answer {
                Ok(message) => match judge(&message.payload) {
                    Err(KvError::Conflict) if doubt => return self.conflict_with_oneself(key, &value).await,
                    Err(KvError::Unavailable(reason)) => reason,
                    other => return other,
                },
                Err(AskError::TooLarge(reason)) => {
                    return Err(KvError::Refused(ApiError::Unexpected(reason)));
                }
                Err(AskError::NotSent(reason)) => reason,
                Err(AskError::NoResponders) => "the bucket has no leader, or does not exist".to_owned(),
                Err(AskError::NoAnswer(reason)) => {
                    doubt = true;
                    reason
                }
            };
            if Instant::now() + PAUSE >= deadline {
                return Err(KvError::Unavailable(reason));
            }
            sleep(PAUSE).await;
        }
    }

    async fn conflict_with_oneself(&self, key: &str, value: &Bytes) -> Result<Seq, KvError> {
        match self.latest(key).await? {
            Some(latest) if !latest.removed && latest.entry.value == value => Ok(latest.entry.revision),
            _ => Err(KvError::Conflict),
        }
    }
}

fn headers(expected: Option<Seq>, operation: Option<&'static str>, life: Option<Duration>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(life) = life {
        let seconds = u64::try_from(life.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        headers.insert(header::TTL, HeaderValue::from(seconds));
    }
    if let Some(expected) = expected {
        headers.insert(header::EXPECTED, HeaderValue::from(expected));
    }
    if let Some(operation) = operation {
        headers.insert(header::KV_OPERATION, operation);
        headers.insert(header::ROLLUP, "sub");
    }
    headers
}

fn judge(payload: &[u8]) -> Result<Seq, KvError> {
    let ack: Ack = serde_json::from_slice(payload)
        .map_err(|error| KvError::Refused(ApiError::Unexpected(error.to_string())))?;
    match ack.error {
        None => Ok(ack.seq),
        Some(error) => Err(match error.err_code {
            10_071 | 10_164 => KvError::Conflict,
            _ if error.code == 503 => KvError::Unavailable(error.description),
            code => KvError::Refused(ApiError::Refused { code, description: error.description }),
        }),
    }
}
