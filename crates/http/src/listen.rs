//! Connections: accepted up to a bound, held to deadlines for their headers and for taking their answers, ended
//! gracefully.

mod patient;

use std::{convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use chasqui_protocol::{Code, Problem};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use self::patient::{GivenAway, Patient};
use crate::{Crowd, Proxies, Refusal, Tls};

/// Bounds on connections.
#[derive(Clone, Debug)]
pub struct Connections {
    /// How many are open at a time, upgraded ones not counted; more wait in the system's backlog.
    pub most: usize,
    /// How many of them from one address; 0 for as many as come. Proxies that are believed are not counted: they bring many.
    pub most_per_address: usize,
    /// Who is believed when they tell for whom they ask.
    pub proxies: Proxies,
    /// How long a client may take for the headers of a request, also between two requests.
    pub header_deadline: Duration,
    /// How long a client may take nothing of an answer. Upgraded connections are not held to it.
    pub answer_patience: Duration,
    /// The certificate, where connections are TLS.
    pub tls: Option<Tls>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            most: 10_000,
            most_per_address: 1000,
            proxies: Proxies::default(),
            header_deadline: Duration::from_secs(15),
            answer_patience: Duration::from_secs(30),
            tls: None,
        }
    }
}

/// A request's headers fit in here, or the request is refused; bodies stream through it.
const BUFFER: usize = 16 * 1024;
/// After a failed accept (no file descriptors left, for example).
const PAUSE: Duration = Duration::from_millis(100);
/// How long whoever is one too many is listened to.
const FAREWELL: Duration = Duration::from_secs(1);
/// When they may try again.
const LATER_MS: u64 = 10_000;

/// Serves HTTP/1.1 until `stop`, then lets the requests under way finish. Upgraded connections (WebSockets) belong
/// to whoever upgraded them.
///
/// # Errors
/// None at present; accepting goes on after failures.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    bounds: Connections,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(bounds.most));
    let crowd = Crowd::new(bounds.most_per_address);
    let host = Arc::new(Host { routes, bounds, crowd, ending: CancellationToken::new() });
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Ok((socket, peer, place)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let host = Arc::clone(&host);
        connections.spawn(async move {
            host.attend(socket, peer).await;
            drop(place);
        });
    }
    drop(listener);
    host.ending.cancel();
    connections.close();
    connections.wait().await;
    Ok(())
}

/// What all connections are served with.
struct Host {
    routes: Router,
    bounds: Connections,
    crowd: Crowd,
    ending: CancellationToken,
}

impl Host {
    /// One connection, until its end; if it is one too many of its address, only to say so.
    async fn attend(&self, socket: TcpStream, peer: SocketAddr) {
        let address = peer.ip().to_canonical();
        let presence =
            if self.bounds.proxies.trusts(address) { None } else { Some(self.crowd.enter(address)) };
        match presence {
            Some(None) => Box::pin(self.turn_away(socket, peer)).await,
            None | Some(Some(_)) => self.speak(socket, peer, self.routes.clone()).await,
        }
    }

    /// Answers whatever is asked first with a refusal; nobody is waited for.
    async fn turn_away(&self, socket: TcpStream, peer: SocketAddr) {
        let refusal = Router::new().fallback(one_too_many);
        if tokio::time::timeout(FAREWELL, self.speak(socket, peer, refusal)).await.is_err() {
            tracing::debug!(%peer, "one connection too many of this address asked nothing and is closed");
        }
    }

    async fn speak(&self, socket: TcpStream, peer: SocketAddr, routes: Router) {
        let ended = match self.bounds.tls.as_ref().map(Tls::acceptor) {
            None => self.converse(socket, peer, routes).await,
            Some(acceptor) => match self.handshake(acceptor, socket).await {
                Ok(secured) => self.converse(secured, peer, routes).await,
                Err(error) => return tracing::debug!(%peer, %error, "no TLS with this client"),
            },
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended badly");
        }
    }

    /// A client has as long for the handshake as for a request's headers.
    async fn handshake(&self, acceptor: TlsAcceptor, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        tokio::select! {
            secured = tokio::time::timeout(self.bounds.header_deadline, acceptor.accept(socket)) => secured?,
            () = self.ending.cancelled() => Err(io::Error::other("the server ends")),
        }
    }

    /// One connection, until the client or the server ends it or it is upgraded.
    async fn converse(
        &self,
        socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
        routes: Router,
    ) -> hyper::Result<()> {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.header_deadline)
            .max_buf_size(BUFFER);
        let given_away = GivenAway::default();
        let socket = Patient::new(socket, self.bounds.answer_patience, given_away.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let (answer, given_away) = (routes.clone().call(request), given_away.clone());
            async move {
                let answer = answer.await?;
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                    given_away.note();
                }
                Ok::<Response, Infallible>(answer)
            }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service).with_upgrades());
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.ending.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }
}

/// For whoever has as many connections as one address may.
async fn one_too_many() -> Response {
    let detail = "this address has as many connections as one may have here; close some, or use them again";
    let problem = Problem::new(Code::TooMany, detail).retry_after_ms(LATER_MS);
    let mut response = Refusal(problem).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (socket, peer) = listener.accept().await.inspect_err(|error| {
        tracing::warn!(%error, "a connection could not be accepted");
    })?;
    // Frames are small and answered at once; waiting for more to send costs their latency.
    socket.set_nodelay(true)?;
    Ok((socket, peer, place))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::oneshot,
    };

    use super::*;

    struct Running {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        served: tokio::task::JoinHandle<io::Result<()>>,
    }

    async fn start(routes: Router, bounds: Connections) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(listener, routes, bounds, async {
            stopped.await.ok();
        }));
        Running { address, stop, served }
    }

    async fn answer(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_request_under_way_is_finished_and_an_idle_connection_is_closed_at_the_stop() {
        let (begun_tx, begun) = oneshot::channel::<()>();
        let (finish, finished) = oneshot::channel::<()>();
        let slots = Arc::new(once::Slots::new(begun_tx, finished));
        let routes = Router::new().route(
            "/slow",
            get(move || async move {
                let (begun, finished) = slots.take();
                begun.send(()).ok();
                finished.await.ok();
                "finished"
            }),
        );
        let running = start(routes, Connections::default()).await;
        let mut idle = TcpStream::connect(running.address).await.unwrap();
        let mut busy = TcpStream::connect(running.address).await.unwrap();
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        begun.await.unwrap();
        running.stop.send(()).unwrap();
        assert_eq!(answer(&mut idle).await, "");
        finish.send(()).unwrap();
        assert!(answer(&mut busy).await.ends_with("finished"));
        running.served.await.unwrap().unwrap();
    }

    /// One-shot ends that a handler, which may be called often, takes once.
    mod once {
        use std::sync::Mutex;

        use tokio::sync::oneshot;

        type Ends = (oneshot::Sender<()>, oneshot::Receiver<()>);

        pub(super) struct Slots(Mutex<Option<Ends>>);

        impl Slots {
            pub(super) fn new(begun: oneshot::Sender<()>, finished: oneshot::Receiver<()>) -> Self {
                Self(Mutex::new(Some((begun, finished))))
            }

            pub(super) fn take(&self) -> Ends {
                self.0.lock().unwrap().take().unwrap()
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_headers_is_cut_off() {
        let bounds = Connections { header_deadline: Duration::from_millis(50), ..Connections::default() };
        let running = start(Router::new(), bounds).await;
        let mut slow = TcpStream::connect(running.address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
        let mut rest = Vec::new();
        // Closed by the server, politely or not; without the deadline this would never end.
        tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut rest)).await.unwrap().ok();
        drop(running.stop);
        running.served.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_wait_for_a_place() {
        let routes = Router::new().route("/", get(async || "here"));
        let running = start(routes, Connections { most: 1, ..Connections::default() }).await;
        let mut first = TcpStream::connect(running.address).await.unwrap();
        first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut some = [0; 15];
        first.read_exact(&mut some).await.unwrap();
        let mut second = TcpStream::connect(running.address).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        drop(first);
        assert!(answer(&mut second).await.ends_with("here"));
    }

    async fn ask(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream
    }

    async fn status(stream: &mut TcpStream) -> String {
        let mut some = [0; 12];
        stream.read_exact(&mut some).await.unwrap();
        String::from_utf8(some.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_address_has_so_many_connections_and_a_proxy_as_many_as_it_brings() {
        let routes = || Router::new().route("/", get(async || "here"));
        let bounds = Connections { most_per_address: 2, ..Connections::default() };
        let running = start(routes(), bounds.clone()).await;
        let (mut first, mut second) = (ask(running.address).await, ask(running.address).await);
        assert_eq!(
            (status(&mut first).await, status(&mut second).await),
            ("HTTP/1.1 200".into(), "HTTP/1.1 200".into())
        );
        let mut third = ask(running.address).await;
        let told = answer(&mut third).await;
        assert!(told.starts_with("HTTP/1.1 429") && told.contains("\"too-many\""), "{told}");
        drop(first);
        // The server sees that it was left when it reads the end.
        let again = async { while !answer_to_the_last(running.address).await.starts_with("HTTP/1.1 200") {} };
        tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
        drop(second);
        let proxies = Proxies { trusted: vec!["127.0.0.0/8".parse().unwrap()], ..Proxies::default() };
        let running = start(routes(), Connections { proxies, ..bounds }).await;
        let mut all = Vec::new();
        for _ in 0..5 {
            let mut stream = ask(running.address).await;
            assert_eq!(status(&mut stream).await, "HTTP/1.1 200");
            all.push(stream);
        }
    }

    async fn answer_to_the_last(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        answer(&mut stream).await
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
        let routes = Router::new().route("/", get(async || vec![0_u8; 64 << 20]));
        let patience = Duration::from_millis(50);
        let running =
            start(routes, Connections { answer_patience: patience, ..Connections::default() }).await;
        let mut deaf = ask(running.address).await;
        assert_eq!(status(&mut deaf).await, "HTTP/1.1 200");
        running.stop.send(()).unwrap();
        // The server ends when its answers have gone out, or nobody takes them.
        tokio::time::timeout(Duration::from_secs(20), running.served).await.unwrap().unwrap().unwrap();
        drop(deaf);
    }
}
