//! The part of the NATS client protocol that tells a server's messages apart. Pure.
//!
//! Source: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use bytes::{Buf, Bytes, BytesMut};

/// A message on its way from the server to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsMessage {
    /// Its subject.
    pub subject: String,
    /// Headers, if any, and body.
    pub payload: Bytes,
}

impl NatsMessage {
    /// Whether headers or body hold this text.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        self.payload.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// One unit of the stream from server to client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A message, and all of its bytes.
    Message(NatsMessage, Bytes),
    /// Anything else: `INFO`, `PING`, `+OK` …
    Line(Bytes),
}

/// Takes the next whole unit from the front, if it is there.
pub(crate) fn take(buffer: &mut BytesMut) -> Option<Unit> {
    let end = buffer.windows(2).position(|window| window == b"\r\n")? + 2;
    let line = String::from_utf8_lossy(buffer.get(..end)?).into_owned();
    let Some((subject, length)) = message(&line) else {
        return Some(Unit::Line(buffer.split_to(end).freeze()));
    };
    let whole = end + length + 2;
    if buffer.len() < whole {
        buffer.reserve(whole - buffer.len());
        return None;
    }
    let bytes = buffer.split_to(whole).freeze();
    let mut payload = bytes.clone();
    payload.advance(end);
    payload.truncate(length);
    Some(Unit::Message(NatsMessage { subject, payload }, bytes))
}

/// Subject and length of what follows, when the line begins a message:
/// `MSG <subject> <sid> [reply] <bytes>` or `HMSG <subject> <sid> [reply] <header bytes> <all bytes>`.
fn message(line: &str) -> Option<(String, usize)> {
    let mut words = line.split_ascii_whitespace();
    let operation = words.next()?;
    if !operation.eq_ignore_ascii_case("MSG") && !operation.eq_ignore_ascii_case("HMSG") {
        return None;
    }
    let subject = words.next()?.to_owned();
    Some((subject, words.last()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &[u8] = b"INFO {\"a\":1}\r\nMSG live.0.x 1 5\r\nhe\r\nl\r\n\
        HMSG _INBOX.a 2 reply.to 12 14\r\nNATS/1.0\r\n\r\nok\r\nPING\r\n";

    fn units(pieces: &[&[u8]]) -> Vec<Unit> {
        let (mut buffer, mut units) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(unit) = take(&mut buffer) {
                units.push(unit);
            }
        }
        assert!(buffer.is_empty(), "{buffer:?}");
        units
    }

    #[test]
    fn messages_are_told_apart_from_the_rest() {
        let units = units(&[STREAM]);
        let [Unit::Line(info), Unit::Message(live, _), Unit::Message(reply, _), Unit::Line(ping)] =
            &units[..]
        else {
            panic!("{units:?}");
        };
        assert_eq!(info, "INFO {\"a\":1}\r\n");
        assert_eq!((live.subject.as_str(), &live.payload[..]), ("live.0.x", &b"he\r\nl"[..]));
        assert_eq!(reply.subject, "_INBOX.a");
        assert!(reply.holds("ok") && !reply.holds("no"));
        assert_eq!(ping, "PING\r\n");
    }

    proptest! {
        #[test]
        fn nothing_depends_on_how_the_stream_is_cut(at in 0..STREAM.len(), then in 0..STREAM.len()) {
            let (first, second) = (at.min(then), at.max(then));
            let cut = units(&[&STREAM[..first], &STREAM[first..second], &STREAM[second..]]);
            prop_assert_eq!(cut, units(&[STREAM]));
        }
    }
}
