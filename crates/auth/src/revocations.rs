//! The sessions that were revoked a short while ago, known in every process that checks access tokens.
//!
//! An access token is good until it expires, whatever became of its session. So the end of a session is written into
//! the bucket `REVOKED`, where it stays for as long as a token of it can live, and every process looks there again
//! and again and refuses what it finds. Only what is new is read: one small question a second where nobody logs out.
//!
//! While the bucket cannot be read, a process goes on with what it knows for `auth.revocations_stale_s`, and then
//! refuses everybody until it can (ADR 13).

use std::{
    collections::HashMap,
    sync::Weak,
    time::{Duration, Instant},
};

use bytes::Bytes;
use chasqui_bus::{
    Log,
    kv::{Bucket, KvError, Name},
    log::LogError,
};
use chasqui_events::{Seq, SessionId, Timestamp};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::clock::now_ms;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// How often the bucket is looked at.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// How long a process that has just started lets its first callers wait for the first look.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// Clocks are apart, and an access token may be issued in the very moment of the end.
const MARGIN: Duration = Duration::from_mins(1);

/// What the bucket keeps of a session, under its id.
#[derive(Debug, Serialize, Deserialize)]
struct Revoked {
    /// Until when a token of the session may live.
    until: Timestamp,
}

/// The revoked sessions that matter, as far as this process has heard.
#[derive(Debug)]
pub(crate) struct Revocations {
    /// Each with the moment until which it matters.
    sessions: RwLock<HashMap<SessionId, Timestamp>>,
    /// When everything had been read last.
    read: watch::Sender<Option<Instant>>,
    stale_after: Duration,
}

/// Writes down that a session has ended, for everybody.
pub(crate) async fn write(bucket: &Bucket, session: SessionId, access_ttl: Duration) -> Result<(), KvError> {
    let life = access_ttl + MARGIN;
    let until = Timestamp(now_ms()).plus_millis(i64::try_from(life.as_millis()).unwrap_or(i64::MAX));
    let document = Bytes::from(serde_json::to_vec(&Revoked { until }).unwrap_or_default());
    bucket.keeping(life).put(&session.to_string(), document).await.map(drop)
}

impl Revocations {
    pub(crate) fn new(stale_after: Duration) -> Self {
        Self { sessions: RwLock::default(), read: watch::Sender::new(None), stale_after }
    }

    /// Whether a session is known to have ended.
    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.sessions.read().contains_key(&session)
    }

    /// Whether nothing is known to have ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.read().is_empty()
    }

    /// Lets through who is not known to have ended, as long as that is known well enough.
    pub(crate) async fn check(&self, session: SessionId) -> Result<(), Problem> {
        let read = *self.read.borrow();
        let known = match read {
            Some(at) => at.elapsed() <= self.stale_after,
            None => self.first_look().await,
        };
        if !known {
            let detail = "which sessions were ended cannot be read now, so nobody is let in; try again";
            return Err(Problem::new(Code::Unavailable, detail).retry_after_ms(1000));
        }
        if self.contains(session) {
            let detail = "the session of this access token was ended; log in again";
            return Err(Problem::new(Code::Unauthorized, detail));
        }
        Ok(())
    }

    async fn first_look(&self) -> bool {
        let mut read = self.read.subscribe();
        let looked = read.wait_for(Option::is_some);
        matches!(tokio::time::timeout(FIRST_LOOK, looked).await, Ok(Ok(_)))
    }

    /// Reads what is new, and forgets what does not matter any more.
    async fn look(&self, log: &Log, place: &mut Place) -> Result<(), LogError> {
        let (stream, all) = (Name::Revoked.stream(), format!("$KV.{}.>", Name::Revoked.as_str()));
        let asked = Instant::now();
        let head = log.head(&stream).await?;
        if head.incarnation != place.incarnation || head.last_seq < place.seq {
            *place = Place { incarnation: head.incarnation, seq: 0 };
        }
        while place.seq < head.last_seq {
            // Those in between have expired already.
            let Some(stored) = log.next(&stream, place.seq + 1, &all).await? else { break };
            place.seq = stored.seq;
            let session = stored.subject.rsplit('.').next().and_then(|session| session.parse().ok());
            let revoked = serde_json::from_slice::<Revoked>(&stored.payload);
            if let (Some(session), Ok(Revoked { until })) = (session, revoked) {
                self.sessions.write().insert(session, until);
            } else {
                tracing::error!(subject = %stored.subject, "the end of a session is not of its shape");
            }
        }
        place.seq = place.seq.max(head.last_seq);
        let now = Timestamp(now_ms());
        if !self.is_empty() {
            self.sessions.write().retain(|_, until| now < *until);
        }
        self.read.send_replace(Some(asked));
        Ok(())
    }
}

/// Up to where the bucket was read.
#[derive(Debug, Default)]
struct Place {
    incarnation: i64,
    seq: Seq,
}

/// Keeps the revocations up to date until nobody needs them.
pub(crate) async fn follow(revocations: Weak<Revocations>, log: Log) {
    let mut place = Place::default();
    let mut failing = false;
    while let Some(revocations) = revocations.upgrade() {
        let looked = revocations.look(&log, &mut place).await;
        drop(revocations);
        match looked {
            Ok(()) if failing => tracing::info!("revoked sessions can be read again"),
            Err(ref error) if !failing => tracing::warn!(%error, "revoked sessions cannot be read"),
            Ok(()) | Err(_) => {}
        }
        failing = looked.is_err();
        tokio::time::sleep(EVERY).await;
    }
}
