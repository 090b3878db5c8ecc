//! One WebSocket: frames out, frames in. No task, no memory, no retries.

use std::time::Duration;

use bytes::Bytes;
use chasqui_protocol::{
    ClientFrame, CloseCode, Codec, FrameError, Problem, ServerFrame,
    frame::{Hello, Welcome},
};
use futures::{
    Sink, SinkExt, Stream, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error as SocketError, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};

use crate::Endpoint;

/// What one connection may hold. The defaults suit thousands of connections in one process.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Bytes of the read buffer, held for as long as the connection lives.
    pub read_buffer: usize,
    /// Bytes gathered before they are written without a flush.
    pub write_buffer: usize,
    /// The largest frame that is taken from the server, in bytes.
    pub max_frame: usize,
    /// How long TCP and WebSocket handshakes may take together.
    pub connect_timeout: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            read_buffer: 4096,
            write_buffer: 4096,
            max_frame: 4 << 20,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// Why a connection could not be made, or is no more.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The server cannot be reached.
    #[error("cannot reach {endpoint}: {source}")]
    Unreachable {
        /// Which.
        endpoint: Endpoint,
        /// Why.
        source: std::io::Error,
    },
    /// The server did not answer in time.
    #[error("{endpoint} did not answer within {waited:?}")]
    Timeout {
        /// Which.
        endpoint: Endpoint,
        /// How long it had.
        waited: Duration,
    },
    /// Something answers there, but it is not a Chasqui server, or it does not want this connection.
    #[error("{endpoint} refused the WebSocket: {detail}")]
    Refused {
        /// Which.
        endpoint: Endpoint,
        /// What it said.
        detail: String,
    },
    /// The server closed, with a code of the table in [`CloseCode`] if it gave one.
    #[error("the server closed the connection{}", close_text(*code, reason))]
    Closed {
        /// The code, as a number.
        code: Option<u16>,
        /// The server's reason.
        reason: String,
    },
    /// The server takes no bytes.
    #[error("the server took nothing for {waited:?}")]
    Stalled {
        /// How long it had.
        waited: Duration,
    },
    /// The socket broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] SocketError),
    /// The server sent what is no frame.
    #[error("the server sent what is not a frame of this protocol: {0}")]
    NotAFrame(#[from] FrameError),
    /// The server answered the hello with a problem.
    #[error("the server did not accept the hello: {0}")]
    HelloRefused(Problem),
}

fn close_text(code: Option<u16>, reason: &str) -> String {
    match (code, reason) {
        (None, _) => " without a code".to_owned(),
        (Some(code), "") => format!(" with code {code}"),
        (Some(code), reason) => format!(" with code {code}: {reason}"),
    }
}

impl ConnectionError {
    /// The close code, when the server gave one of the table.
    #[must_use]
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Closed { code, .. } => code.and_then(CloseCode::from_code),
            _ => None,
        }
    }
}

type Socket = WebSocketStream<TcpStream>;

/// A connected WebSocket that speaks frames.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    codec: Codec,
}

/// The writing half of a [`Connection`].
#[derive(Debug)]
pub struct FrameSink {
    half: SplitSink<Socket, Message>,
    codec: Codec,
}

/// The reading half of a [`Connection`].
#[derive(Debug)]
pub struct FrameStream {
    half: SplitStream<Socket>,
    codec: Codec,
}

impl Connection {
    /// Connects, and agrees on the codec.
    pub async fn open(
        endpoint: &Endpoint,
        codec: Codec,
        limits: SocketLimits,
    ) -> Result<Self, ConnectionError> {
        let waited = limits.connect_timeout;
        let opening = open(endpoint, codec, limits);
        let timeout = || ConnectionError::Timeout { endpoint: endpoint.clone(), waited };
        tokio::time::timeout(waited, opening).await.unwrap_or_else(|_| Err(timeout()))
    }

    /// Says hello and waits for the welcome.
    pub async fn hello(
        &mut self,
        token: &str,
        cursor: Option<&str>,
        client: Option<&str>,
    ) -> Result<Welcome, ConnectionError> {
        let hello = Hello {
            token: token.to_owned(),
            cursor: cursor.map(str::to_owned),
            client: client.map(str::to_owned),
        };
        self.send(&ClientFrame::Hello(hello)).await?;
        loop {
            match self.next().await? {
                ServerFrame::Welcome(welcome) => return Ok(welcome),
                ServerFrame::Error(refused) => return Err(ConnectionError::HelloRefused(refused.problem)),
                // A `bye` says no more than the close that follows it.
                other => tracing::debug!(?other, "a frame before the welcome"),
            }
        }
    }

    /// Writes a frame and flushes.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), ConnectionError> {
        send(&mut self.socket, self.codec, frame).await
    }

    /// Writes a frame without flushing: cheaper when more follow at once. Call [`Self::flush`] after the last.
    pub async fn feed(&mut self, frame: &ClientFrame) -> Result<(), ConnectionError> {
        feed(&mut self.socket, self.codec, frame).await
    }

    /// Sends bytes as one WebSocket message, whatever they are: for tests of bad input.
    pub async fn send_bytes(&mut self, bytes: Vec<u8>) -> Result<(), ConnectionError> {
        Ok(self.socket.send(Message::Binary(bytes.into())).await?)
    }

    /// Flushes what was fed.
    pub async fn flush(&mut self) -> Result<(), ConnectionError> {
        Ok(self.socket.flush().await?)
    }

    /// The next frame. Answers pings on the way and passes over frames that only a newer server has. An error is final.
    pub async fn next(&mut self) -> Result<ServerFrame, ConnectionError> {
        next(&mut self.socket, self.codec).await
    }

    /// The next frame's bytes, not yet read.
    pub async fn next_bytes(&mut self) -> Result<Bytes, ConnectionError> {
        next_bytes(&mut self.socket).await
    }

    /// The next frame, or `None` for a sign of life that carries nothing: a ping, or a frame of a newer server.
    pub(crate) async fn next_or_ping(&mut self) -> Result<Option<ServerFrame>, ConnectionError> {
        let Some(bytes) = next_sign_of_life(&mut self.socket).await? else { return Ok(None) };
        Ok(self.codec.decode_server(&bytes)?)
    }

    /// The codec that was agreed on.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Two halves, to write and read in two tasks.
    #[must_use]
    pub fn split(self) -> (FrameSink, FrameStream) {
        let codec = self.codec;
        let (sink, stream) = self.socket.split();
        (FrameSink { half: sink, codec }, FrameStream { half: stream, codec })
    }

    /// Closes with code 1000. Does not wait for the server's answer.
    pub async fn close(mut self) {
        // A connection that is gone already is closed too.
        self.socket.close(None).await.ok();
    }
}

impl FrameSink {
    /// Writes a frame and flushes.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), ConnectionError> {
        send(&mut self.half, self.codec, frame).await
    }

    /// Writes a frame without flushing.
    pub async fn feed(&mut self, frame: &ClientFrame) -> Result<(), ConnectionError> {
        feed(&mut self.half, self.codec, frame).await
    }

    /// Flushes what was fed.
    pub async fn flush(&mut self) -> Result<(), ConnectionError> {
        Ok(self.half.flush().await?)
    }
}

impl FrameStream {
    /// The next frame; those that only a newer server has are passed over. An error is final.
    pub async fn next(&mut self) -> Result<ServerFrame, ConnectionError> {
        next(&mut self.half, self.codec).await
    }

    /// The next frame's bytes, not yet read.
    pub async fn next_bytes(&mut self) -> Result<Bytes, ConnectionError> {
        next_bytes(&mut self.half).await
    }

    /// Reads a frame's bytes.
    pub fn decode(&self, bytes: &[u8]) -> Result<ServerFrame, ConnectionError> {
        Ok(self.codec.decode(bytes)?)
    }
}

async fn open(
    endpoint: &Endpoint,
    codec: Codec,
    limits: SocketLimits,
) -> Result<Connection, ConnectionError> {
    let unreachable = |source| ConnectionError::Unreachable { endpoint: endpoint.clone(), source };
    let stream = TcpStream::connect(endpoint.tcp()).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let mut request = endpoint.websocket_url().into_client_request()?;
    let protocol = HeaderValue::from_static(codec.subprotocol());
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    let config = WebSocketConfig::default()
        .read_buffer_size(limits.read_buffer)
        .write_buffer_size(limits.write_buffer)
        .max_write_buffer_size(limits.write_buffer + limits.max_frame)
        .max_message_size(Some(limits.max_frame))
        .max_frame_size(Some(limits.max_frame));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(Connection { socket, codec }),
        Err(SocketError::Http(response)) => Err(refused(endpoint, &response)),
        Err(SocketError::Protocol(error)) => {
            Err(ConnectionError::Refused { endpoint: endpoint.clone(), detail: error.to_string() })
        }
        Err(error) => Err(error.into()),
    }
}

fn refused(
    endpoint: &Endpoint,
    response: &tokio_tungstenite::tungstenite::http::Response<Option<Vec<u8>>>,
) -> ConnectionError {
    let body = response.body().as_deref().unwrap_or_default();
    let detail = match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => problem.to_string(),
        Err(_) => format!("HTTP status {}", response.status()),
    };
    ConnectionError::Refused { endpoint: endpoint.clone(), detail }
}

fn message(codec: Codec, frame: &ClientFrame) -> Result<Message, FrameError> {
    let bytes = codec.encode(frame)?;
    Ok(match codec {
        Codec::Json => match String::from_utf8(bytes) {
            Ok(text) => Message::Text(text.into()),
            Err(error) => return Err(FrameError::Malformed(error.to_string())),
        },
        Codec::MessagePack => Message::Binary(bytes.into()),
    })
}

async fn send<S>(sink: &mut S, codec: Codec, frame: &ClientFrame) -> Result<(), ConnectionError>
where
    S: Sink<Message, Error = SocketError> + Unpin,
{
    Ok(sink.send(message(codec, frame)?).await?)
}

async fn feed<S>(sink: &mut S, codec: Codec, frame: &ClientFrame) -> Result<(), ConnectionError>
where
    S: Sink<Message, Error = SocketError> + Unpin,
{
    Ok(sink.feed(message(codec, frame)?).await?)
}

async fn next<S>(stream: &mut S, codec: Codec) -> Result<ServerFrame, ConnectionError>
where
    S: Stream<Item = Result<Message, SocketError>> + Unpin,
{
    loop {
        if let Some(frame) = codec.decode_server(&next_bytes(stream).await?)? {
            return Ok(frame);
        }
    }
}

async fn next_bytes<S>(stream: &mut S) -> Result<Bytes, ConnectionError>
where
    S: Stream<Item = Result<Message, SocketError>> + Unpin,
{
    loop {
        if let Some(bytes) = next_sign_of_life(stream).await? {
            return Ok(bytes);
        }
    }
}

async fn next_sign_of_life<S>(stream: &mut S) -> Result<Option<Bytes>, ConnectionError>
where
    S: Stream<Item = Result<Message, SocketError>> + Unpin,
{
    let no_code = || ConnectionError::Closed { code: None, reason: String::new() };
    match stream.next().await.ok_or_else(no_code)? {
        Ok(Message::Text(text)) => Ok(Some(text.into())),
        Ok(Message::Binary(bytes)) => Ok(Some(bytes)),
        Ok(Message::Close(Some(close))) => Err(ConnectionError::Closed {
            code: Some(close.code.into()),
            reason: close.reason.as_str().to_owned(),
        }),
        Ok(Message::Close(None)) | Err(SocketError::ConnectionClosed | SocketError::AlreadyClosed) => {
            Err(no_code())
        }
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
