//! A fact as it stands in the log.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chasqui_events::{CommandId, DecodeError, Envelope, Event, Seq, Timestamp};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{ApiError, header};

/// A fact as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its subject.
    pub subject: String,
    /// Its sequence in its stream.
    pub seq: Seq,
    /// Its `Nats-Msg-Id`: the command that caused it. `None` for a message that no Chasqui wrote.
    pub msg_id: Option<CommandId>,
    /// When the server stored it, by the server's clock.
    pub time: Timestamp,
    /// The envelope, see [`Stored::decode`].
    pub payload: Bytes,
    /// The `traceparent` of whoever caused it.
    pub trace: Option<String>,
}

impl Stored {
    /// Reads the envelope, of whatever version.
    ///
    /// # Errors
    /// When it is no fact of this family that this program knows.
    pub fn decode<E: Event>(&self) -> Result<Envelope<E>, DecodeError> {
        Envelope::decode(&self.payload)
    }

    /// What tells this fact from another one that stands at the same sequence of a recreated or shortened stream:
    /// the first eight bytes of the SHA-256 of subject, message id and time.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.subject.as_bytes());
        hash.update([0]);
        if let Some(id) = self.msg_id {
            hash.update(id.as_uuid().as_bytes());
        }
        hash.update([0]);
        hash.update(self.time.millis().to_be_bytes());
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        u64::from_be_bytes(first)
    }

    pub(crate) fn from_raw(raw: Raw) -> Result<Self, ApiError> {
        let unexpected = |what: &str| ApiError::Unexpected(format!("message {}: {what}", raw.seq));
        let payload = STANDARD.decode(&raw.data).map_err(|_| unexpected("its data is not Base64"))?;
        let time = timestamp(&raw.time).ok_or_else(|| unexpected("its time is not RFC 3339"))?;
        let headers = match &raw.hdrs {
            Some(encoded) => {
                STANDARD.decode(encoded).map_err(|_| unexpected("its headers are not Base64"))?
            }
            None => Vec::new(),
        };
        let headers = String::from_utf8_lossy(&headers);
        Ok(Self {
            msg_id: header::get_raw(&headers, &header::MSG_ID).and_then(|id| id.parse().ok()),
            trace: header::get_raw(&headers, &header::TRACEPARENT).map(str::to_owned),
            subject: raw.subject,
            seq: raw.seq,
            time,
            payload: payload.into(),
        })
    }
}

/// A message as `STREAM.MSG.GET` answers it.
#[derive(Deserialize)]
pub(crate) struct Raw {
    subject: String,
    seq: Seq,
    #[serde(default)]
    data: String,
    #[serde(default)]
    hdrs: Option<String>,
    time: String,
}

/// An RFC 3339 time as a timestamp, rounded down to the millisecond.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    from_nanos(nanos)
}

pub(crate) fn from_nanos(nanos: i128) -> Option<Timestamp> {
    i64::try_from(nanos.div_euclid(1_000_000)).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Stored {
        Stored {
            subject: "chat.0.room.x.msg".to_owned(),
            seq: 7,
            msg_id: Some(CommandId::new(Timestamp(5), [1; 10])),
            time: Timestamp(1_700_000_000_123),
            payload: Bytes::from_static(b"{}"),
            trace: None,
        }
    }

    #[test]
    fn a_fingerprint_is_of_subject_id_and_time() {
        let one = stored();
        assert_eq!(one.fingerprint(), stored().fingerprint());
        for other in [
            Stored { subject: "chat.0.room.y.msg".to_owned(), ..stored() },
            Stored { msg_id: None, ..stored() },
            Stored { time: Timestamp(1_700_000_000_124), ..stored() },
        ] {
            assert_ne!(one.fingerprint(), other.fingerprint(), "{other:?}");
        }
    }

    #[test]
    fn raw_messages_are_understood() {
        let id = "01939e0b-2c7a-7cc0-b5f1-a2b6e0c1d2e3";
        let headers = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\ntraceparent: 00-aa-bb-01\r\n\r\n");
        let raw = Raw {
            subject: "chat.0.room.x.msg".to_owned(),
            seq: 9,
            data: STANDARD.encode("body"),
            hdrs: Some(STANDARD.encode(headers)),
            time: "2024-11-22T17:00:00.123999999Z".to_owned(),
        };
        let stored = Stored::from_raw(raw).unwrap();
        assert_eq!(stored.msg_id.unwrap().to_string(), id);
        assert_eq!(stored.trace.as_deref(), Some("00-aa-bb-01"));
        assert_eq!(stored.time, Timestamp(1_732_294_800_123));
        assert_eq!(stored.payload, "body");
    }
}
