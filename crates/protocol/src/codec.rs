//! How frames become bytes: the two WebSocket subprotocols.

use serde::{Serialize, de::DeserializeOwned};

use crate::{ClientFrame, Code, Problem, ServerFrame, without_values};

/// A subprotocol (RFC 6455 §1.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// `chasqui.v1.json`: text frames of JSON. What a client gets that asks for none.
    #[default]
    Json,
    /// `chasqui.v1.msgpack`: binary frames of MessagePack, maps with names, ids as 16 bytes.
    MessagePack,
}

/// Bytes that are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The name of the frame does not exist.
    #[error("there is no frame {name:?}{}", nearest.map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    UnknownFrame {
        /// What was given.
        name: String,
        /// The nearest name that does exist.
        nearest: Option<&'static str>,
    },
    /// Not an object with one key, or not of the shape that the frame has.
    #[error("not a frame: {0}")]
    Malformed(String),
}

impl From<FrameError> for Problem {
    fn from(error: FrameError) -> Self {
        let code = match error {
            FrameError::UnknownFrame { .. } => Code::UnknownFrame,
            FrameError::Malformed(_) => Code::Malformed,
        };
        Self::new(code, error.to_string())
    }
}

impl Codec {
    /// Both, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Json, Self::MessagePack];

    /// The name in `Sec-WebSocket-Protocol`.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "chasqui.v1.json",
            Self::MessagePack => "chasqui.v1.msgpack",
        }
    }

    /// The codec of a subprotocol's name.
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.subprotocol() == name)
    }

    /// Writes a frame or a body.
    ///
    /// # Errors
    /// When a type of a caller's own cannot be written; the types of this crate always can.
    pub fn encode<T: Serialize>(self, value: &T) -> Result<Vec<u8>, FrameError> {
        match self {
            Self::Json => serde_json::to_vec(value).map_err(|e| FrameError::Malformed(e.to_string())),
            Self::MessagePack => {
                rmp_serde::to_vec_named(value).map_err(|e| FrameError::Malformed(e.to_string()))
            }
        }
    }

    /// Reads a frame or a body.
    ///
    /// # Errors
    /// [`FrameError::Malformed`] with what is wrong and where.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, FrameError> {
        match self {
            Self::Json => serde_json::from_slice(bytes)
                .map_err(|e| FrameError::Malformed(without_values(&e.to_string()))),
            Self::MessagePack => rmp_serde::from_slice(bytes)
                .map_err(|e| FrameError::Malformed(without_values(&e.to_string()))),
        }
    }

    /// Reads a client's frame, and says which name was meant when it does not exist.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn decode_client(self, bytes: &[u8]) -> Result<ClientFrame, FrameError> {
        self.decode(bytes).map_err(|error| match self.frame_name(bytes) {
            Some(name) if !ClientFrame::NAMES.contains(&name.as_str()) => {
                FrameError::UnknownFrame { nearest: nearest(&name), name }
            }
            _ => error,
        })
    }

    /// Reads a server's frame; `None` for one whose name this version does not know.
    ///
    /// # Errors
    /// [`FrameError::Malformed`].
    pub fn decode_server(self, bytes: &[u8]) -> Result<Option<ServerFrame>, FrameError> {
        match self.decode(bytes) {
            Ok(frame) => Ok(Some(frame)),
            Err(error) => match self.frame_name(bytes) {
                Some(name) if !ServerFrame::NAMES.contains(&name.as_str()) => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The one key of the object, as far as it can be read.
    fn frame_name(self, bytes: &[u8]) -> Option<String> {
        let object: serde_json::Map<String, serde_json::Value> = self.decode(bytes).ok()?;
        object.keys().next().map(|name| name.chars().take(40).collect())
    }
}

fn nearest(name: &str) -> Option<&'static str> {
    let distance = |known: &&'static str| strsim::damerau_levenshtein(name, known);
    ClientFrame::NAMES.iter().copied().min_by_key(distance).filter(|known| distance(known) <= 3)
}

#[cfg(test)]
mod tests {
    use chasqui_events::{CommandId, RoomId, Timestamp, place::Partition};
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;
    use crate::command::Send;

    fn send() -> ClientFrame {
        ClientFrame::Send(Send {
            id: CommandId::new(Timestamp(1), [1; 10]),
            room: RoomId::new(Partition::from_low_bits(2), Timestamp(1), [2; 10]),
            body: "hola".to_owned(),
            replies_to: vec![],
            retry: false,
            on_behalf: None,
        })
    }

    #[test]
    fn a_frame_is_an_object_with_one_key() {
        let json = String::from_utf8(Codec::Json.encode(&send()).unwrap()).unwrap();
        assert_eq!(
            json,
            r#"{"send":{"id":"00000000-0001-7101-8101-010101010101","room":"00000000-0001-7002-8202-020202020202","body":"hola"}}"#
        );
    }

    #[test]
    fn both_codecs_read_what_they_write() {
        for codec in Codec::ALL {
            let bytes = codec.encode(&send()).unwrap();
            assert_eq!(codec.decode_client(&bytes).unwrap(), send(), "{codec:?}");
        }
    }

    #[test]
    fn a_mistyped_name_is_answered_with_the_nearest() {
        let error = Codec::Json.decode_client(br#"{"sned":{}}"#).unwrap_err();
        assert_eq!(error.to_string(), r#"there is no frame "sned"; did you mean "send"?"#);
        let error = Codec::Json.decode_client(br#"{"send":{"room":1}}"#).unwrap_err();
        assert!(matches!(error, FrameError::Malformed(_)), "{error}");
        assert!(Codec::Json.decode_client(b"{}").is_err());
        assert!(Codec::Json.decode_client(br#"{"ping":1,"renew":{"token":"x"}}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for codec in Codec::ALL {
                let _ = codec.decode_client(&bytes);
            }
        }
    }
}
