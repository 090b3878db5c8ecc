//! One WebSocket connection of the driver: tokio-tungstenite with 4 KiB buffers, one flush for many frames.

use bytes::Bytes;
use chasqui_protocol::{ClientFrame, Codec, FrameError};
use futures::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message, Utf8Bytes,
        client::IntoClientRequest,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};

/// Buffers of the same size that the servers use.
pub const BUFFER: usize = 4096;
const LARGEST: usize = 4 << 20;

/// The connection is over, or never came to be.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The server closed it.
    #[error("closed by the server with code {code}: {reason}")]
    Closed {
        /// The close code, 1005 when there was none.
        code: u16,
        /// The reason that came with it.
        reason: String,
    },
    /// The network, or a peer that does not speak the protocol.
    #[error(transparent)]
    WebSocket(#[from] tungstenite::Error),
    /// The connection could not be made.
    #[error("connecting to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// What came was no frame of the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Where a server's socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port.
    pub address: String,
    /// Host and port of the HTTP API.
    pub api: String,
    /// Such as `/v1/ws`.
    pub path: String,
    /// What to speak; `None` asks for no subprotocol and sends binary messages.
    pub codec: Option<Codec>,
}

impl Endpoint {
    /// A Chasqui server whose API and sockets have one address.
    #[must_use]
    pub fn chasqui(address: impl Into<String>, codec: Codec) -> Self {
        let address = address.into();
        Self { api: address.clone(), address, path: "/v1/ws".to_owned(), codec: Some(codec) }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    codec: Codec,
}

impl Socket {
    /// Connects and upgrades.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, SocketError> {
        let connect = |source| SocketError::Connect { address: endpoint.address.clone(), source };
        let tcp = TcpStream::connect(&endpoint.address).await.map_err(connect)?;
        tcp.set_nodelay(true).map_err(connect)?;
        let mut request = format!("ws://{}{}", endpoint.address, endpoint.path).into_client_request()?;
        if let Some(codec) = endpoint.codec {
            let name = HeaderValue::from_static(codec.subprotocol());
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
        }
        let (stream, _) = client_async_with_config(request, tcp, Some(config())).await?;
        Ok(Self { stream, codec: endpoint.codec.unwrap_or(Codec::MessagePack) })
    }

    /// How frames are written.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Queues a frame; [`Self::flush`] sends it.
    pub async fn feed(&mut self, frame: &ClientFrame) -> Result<(), SocketError> {
        let bytes = self.codec.encode(frame)?;
        let message =
            match self.codec {
                Codec::MessagePack => Message::Binary(bytes.into()),
                Codec::Json => Message::Text(Utf8Bytes::try_from(bytes).map_err(|_| {
                    FrameError::Malformed("the codec wrote JSON that is not UTF-8".to_owned())
                })?),
            };
        Ok(self.stream.feed(message).await?)
    }

    /// Queues bytes as they are.
    pub async fn feed_bytes(&mut self, bytes: Bytes) -> Result<(), SocketError> {
        Ok(self.stream.feed(Message::Binary(bytes)).await?)
    }

    /// Sends what is queued.
    pub async fn flush(&mut self) -> Result<(), SocketError> {
        Ok(self.stream.flush().await?)
    }

    /// The next frame's bytes. Cancel-safe.
    pub async fn next(&mut self) -> Result<Bytes, SocketError> {
        loop {
            if let Some(bytes) = payload(self.stream.next().await)? {
                return Ok(bytes);
            }
        }
    }

    /// The next frame's bytes, if they are here already.
    pub fn next_ready(&mut self) -> Result<Option<Bytes>, SocketError> {
        while let Some(next) = self.stream.next().now_or_never() {
            if let Some(bytes) = payload(next)? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// The buffers and bounds of a connection on either side.
#[must_use]
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(LARGEST)
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST))
}

/// `None` for control frames, which tungstenite answers by itself.
fn payload(next: Option<Result<Message, tungstenite::Error>>) -> Result<Option<Bytes>, SocketError> {
    match next {
        Some(Ok(Message::Binary(bytes))) => Ok(Some(bytes)),
        Some(Ok(Message::Text(text))) => Ok(Some(text.into())),
        Some(Ok(Message::Close(frame))) => {
            let (code, reason) = frame
                .map_or((1005, String::new()), |frame| (u16::from(frame.code), frame.reason.to_string()));
            Err(SocketError::Closed { code, reason })
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Err(error)) => Err(error.into()),
        None => Err(tungstenite::Error::ConnectionClosed.into()),
    }
}
