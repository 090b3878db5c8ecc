//! What comes in on a WebSocket, as inputs of the session.

use axum::extract::ws::Message;
use chasqui_protocol::{CloseCode, Code, Codec, FrameError, Problem};
use serde::de::IgnoredAny;

use crate::session::Input;

/// A message as an input; `None` for one that says nothing.
pub(super) fn read(codec: Codec, message: Message) -> Option<Input> {
    match (codec, message) {
        (Codec::Json, Message::Text(text)) => Some(decode(codec, text.as_bytes())),
        (Codec::MessagePack, Message::Binary(bytes)) => Some(decode(codec, &bytes)),
        (Codec::Json, Message::Binary(_)) => Some(wrong_kind(codec, "text")),
        (Codec::MessagePack, Message::Text(_)) => Some(wrong_kind(codec, "binary")),
        (_, Message::Ping(_) | Message::Pong(_)) => Some(Input::Heard),
        (_, Message::Close(_)) => None,
    }
}

fn decode(codec: Codec, bytes: &[u8]) -> Input {
    match codec.decode_client(bytes) {
        Ok(frame) => Input::Frame(frame),
        Err(error) => {
            // Something that is not even of the encoding comes from no client of ours.
            let fatal =
                matches!(error, FrameError::Malformed(_)) && codec.decode::<IgnoredAny>(bytes).is_err();
            Input::Undecodable { problem: error.into(), fatal }
        }
    }
}

fn wrong_kind(codec: Codec, kind: &str) -> Input {
    let detail = format!("the subprotocol {} takes {kind} messages", codec.subprotocol());
    Input::Undecodable { problem: Problem::new(Code::Malformed, detail), fatal: true }
}

/// The close code that an error of the WebSocket deserves; `None` when nobody would read it.
pub(super) fn close_of(error: &axum::Error) -> Option<CloseCode> {
    use tungstenite::Error as E;
    let source = std::error::Error::source(error)?;
    match source.downcast_ref::<E>()? {
        E::Capacity(_) => Some(CloseCode::FrameTooLarge),
        E::Utf8(_) => Some(CloseCode::ProtocolError),
        E::Protocol(problem) => match problem {
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake => None,
            _ => Some(CloseCode::ProtocolError),
        },
        _ => None,
    }
}
