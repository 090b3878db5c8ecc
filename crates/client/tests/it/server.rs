//! A real WebSocket server that does what the test says, one connection at a time.

use std::time::Duration;

use chasqui_client::{Client, Endpoint, Event, Events, Options, TokenSource};
use chasqui_events::{CommandId, Partition, Position, RoomId, Seq, SessionId, Timestamp, UserId};
use chasqui_protocol::{
    Accepted, ClientFrame, CloseCode, Codec, Happening, Item, ServerFrame,
    frame::{Hello, Welcome},
};
use futures::{SinkExt, StreamExt};
use secrecy::SecretString;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Bytes, Message,
        handshake::server::{Request, Response},
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::CloseFrame,
    },
};

/// Fails instead of hanging.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(15), future).await;
    waited.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

pub(crate) struct Server(TcpListener);

/// One connection.
pub(crate) struct Visit {
    socket: WebSocketStream<TcpStream>,
    /// What the client said first.
    pub(crate) hello: Hello,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// A client of this server, quick to notice things and to come back.
    pub(crate) fn client(&self, options: Options) -> (Client, Events) {
        self.client_of(SecretString::from("a token"), options)
    }

    pub(crate) fn client_of(&self, tokens: impl TokenSource, options: Options) -> (Client, Events) {
        Client::connect(Endpoint::new("127.0.0.1", self.0.local_addr().unwrap().port()), tokens, options)
    }

    /// The next connection, before anything was said on it.
    pub(crate) async fn socket(&self) -> TcpStream {
        soon("a connection", self.0.accept()).await.unwrap().0
    }

    /// The next connection, after its hello.
    pub(crate) async fn hello(&self) -> Visit {
        let stream = self.socket().await;
        soon("the handshake and the hello", Visit::begin(stream)).await
    }

    /// The next connection, welcomed.
    pub(crate) async fn visit(&self) -> Visit {
        let mut visit = self.hello().await;
        visit.welcome(welcome()).await;
        visit
    }
}

impl Visit {
    async fn begin(stream: TcpStream) -> Self {
        #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
        let agree = |_: &Request, mut response: Response| {
            let protocol = HeaderValue::from_static(Codec::Json.subprotocol());
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, agree).await.unwrap();
        let first = socket.next().await.unwrap().unwrap().into_data();
        let ClientFrame::Hello(hello) = Codec::Json.decode_client(&first).unwrap() else {
            panic!("{first:?} is no hello");
        };
        Self { socket, hello }
    }

    /// Says welcome; it is a resumption when the hello showed a cursor.
    pub(crate) async fn welcome(&mut self, welcome: Welcome) {
        let resumed = self.hello.cursor.is_some();
        self.say(ServerFrame::Welcome(Welcome { resumed, ..welcome })).await;
    }

    pub(crate) async fn say(&mut self, frame: ServerFrame) {
        let text = String::from_utf8(Codec::Json.encode(&frame).unwrap()).unwrap();
        self.say_anything(Message::Text(text.into())).await;
    }

    pub(crate) async fn say_anything(&mut self, message: Message) {
        soon("a message to be sent", self.socket.send(message)).await.unwrap();
    }

    /// The beginning of a frame that never ends.
    pub(crate) async fn break_off(mut self) {
        self.socket.get_mut().write_all(&[0x81, 100, b'{', b'"']).await.unwrap();
    }

    /// The next message that is not a pong.
    async fn message(&mut self) -> Option<Message> {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Pong(_) | Message::Ping(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next frame.
    pub(crate) async fn hears(&mut self) -> ClientFrame {
        let message = self.message().await.expect("the client went away");
        Codec::Json.decode_client(&message.into_data()).unwrap()
    }

    /// The next command or query.
    pub(crate) async fn hears_send(&mut self) -> chasqui_protocol::command::Send {
        match self.hears().await {
            ClientFrame::Send(send) => send,
            other => panic!("{other:?} is no message"),
        }
    }

    /// Pings, and waits until the client has answered.
    pub(crate) async fn ping(&mut self, payload: &'static [u8]) {
        self.say_anything(Message::Ping(Bytes::from_static(payload))).await;
        let answered = async {
            loop {
                match self.socket.next().await.expect("the client went away").unwrap() {
                    Message::Pong(pong) if pong == payload => return,
                    Message::Close(_) => panic!("the client closed"),
                    _ => {}
                }
            }
        };
        soon("a pong", answered).await;
    }

    /// Reads until the client has gone; gives the frames before, and the code that it closed with.
    pub(crate) async fn hears_to_the_end(mut self) -> (Vec<ClientFrame>, Option<u16>) {
        let mut frames = vec![];
        loop {
            match self.message().await {
                Some(Message::Close(close)) => return (frames, close.map(|close| close.code.into())),
                Some(message) => frames.push(Codec::Json.decode_client(&message.into_data()).unwrap()),
                None => return (frames, None),
            }
        }
    }

    pub(crate) async fn close(mut self, code: u16) {
        let close = CloseFrame { code: code.into(), reason: "because".into() };
        self.socket.send(Message::Close(Some(close))).await.unwrap();
    }

    /// Says `bye` and closes, as the protocol says.
    pub(crate) async fn bye(mut self, code: CloseCode, after_ms: u64) {
        self.say(ServerFrame::Bye { code: code.code(), reconnect: true, after_ms }).await;
        self.close(code.code()).await;
    }
}

/// Quick to come back.
pub(crate) fn options() -> Options {
    Options {
        ack_every: Duration::from_millis(1),
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(80),
        ..Options::default()
    }
}

pub(crate) fn welcome() -> Welcome {
    Welcome {
        user: UserId::new(Timestamp(1), [1; 10]),
        session: SessionId::new(Timestamp(1), [2; 10]),
        server_time: Timestamp(1_000_000),
        resumed: false,
        ping_interval_ms: 10_000,
        expires_at: Timestamp(2_000_000),
    }
}

pub(crate) fn room() -> RoomId {
    RoomId::new(Partition::from_low_bits(1), Timestamp(1), [3; 10])
}

pub(crate) fn item(seq: Seq) -> Item {
    let id = CommandId::new(Timestamp(1), [4; 10]);
    let what =
        Happening::Message { id, body: seq.to_string(), erased: false, damaged: false, replies_to: vec![] };
    Item { room: room(), seq, at: Timestamp(1), by: welcome().user, imported_by: None, what }
}

pub(crate) fn cursor(text: &str) -> ServerFrame {
    ServerFrame::Cursor { cursor: text.to_owned() }
}

pub(crate) fn ok(id: CommandId, seq: Seq) -> ServerFrame {
    let position = Some(Position { partition: room().partition(), seq });
    ServerFrame::Ok { id, accepted: Accepted { position, ..Accepted::default() } }
}

/// The next event.
pub(crate) async fn event(events: &mut Events) -> Event {
    soon("an event", events.next()).await.expect("the client has ended")
}

/// The pause that the client announces.
pub(crate) async fn disconnected(events: &mut Events) -> (String, Duration) {
    match event(events).await {
        Event::Disconnected { why, retry_in_ms } => (why, Duration::from_millis(retry_in_ms)),
        other => panic!("{other:?} instead of the loss of the connection"),
    }
}
