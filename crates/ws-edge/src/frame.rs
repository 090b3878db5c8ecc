//! Frames on their way out: written once per codec, shared by every socket.

use axum::extract::ws::{Message, Utf8Bytes};
use bytes::Bytes;
use chasqui_protocol::{Codec, ServerFrame};

/// A written frame. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// JSON.
    Text(Utf8Bytes),
    /// MessagePack.
    Binary(Bytes),
}

impl Frame {
    /// Writes a frame. A frame that cannot be written, which no type of the protocol allows, becomes empty.
    pub(crate) fn encode(codec: Codec, frame: &ServerFrame) -> Self {
        let bytes = codec.encode(frame).unwrap_or_else(|error| {
            tracing::error!(%error, "a frame could not be written");
            Vec::new()
        });
        match codec {
            Codec::Json => Self::Text(Utf8Bytes::try_from(bytes).unwrap_or_default()),
            Codec::MessagePack => Self::Binary(bytes.into()),
        }
    }

    /// What it counts in an outbox: its bytes and the place it takes.
    pub(crate) fn weight(&self) -> usize {
        const PLACE: usize = size_of::<Frame>();
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        };
        bytes + PLACE
    }

    pub(crate) fn into_message(self) -> Message {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(bytes) => Message::Binary(bytes),
        }
    }
}

/// A frame that is written when the first socket of a codec wants it.
pub(crate) struct Shared {
    frame: ServerFrame,
    json: Option<Frame>,
    message_pack: Option<Frame>,
}

impl Shared {
    pub(crate) const fn new(frame: ServerFrame) -> Self {
        Self { frame, json: None, message_pack: None }
    }

    pub(crate) fn in_codec(&mut self, codec: Codec) -> Frame {
        let slot = match codec {
            Codec::Json => &mut self.json,
            Codec::MessagePack => &mut self.message_pack,
        };
        slot.get_or_insert_with(|| Frame::encode(codec, &self.frame)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_written_once_per_codec() {
        let mut shared = Shared::new(ServerFrame::Pong(7));
        let (Frame::Text(one), Frame::Text(other)) =
            (shared.in_codec(Codec::Json), shared.in_codec(Codec::Json))
        else {
            panic!("JSON is text")
        };
        assert_eq!(one.as_str(), r#"{"pong":7}"#);
        assert_eq!(one.as_ptr(), other.as_ptr(), "the same bytes");
        assert!(matches!(shared.in_codec(Codec::MessagePack), Frame::Binary(_)));
    }
}
