//! Connections: accepted up to a bound, held to a deadline for their headers, ended gracefully.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
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

use crate::Tls;

/// Bounds on connections.
#[derive(Clone, Debug)]
pub struct Connections {
    /// How many are open at a time, upgraded ones not counted; more wait in the system's backlog.
    pub most: usize,
    /// How long a client may take for the headers of a request, also between two requests.
    pub header_deadline: Duration,
    /// The certificate, where connections are TLS.
    pub tls: Option<Tls>,
}

impl Default for Connections {
    fn default() -> Self {
        Self { most: 10_000, header_deadline: Duration::from_secs(15), tls: None }
    }
}

/// A request's headers fit in here, or the request is refused; bodies stream through it.
const BUFFER: usize = 16 * 1024;
/// After a failed accept (no file descriptors left, for example).
const PAUSE: Duration = Duration::from_millis(100);

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
    let (ending, connections) = (CancellationToken::new(), TaskTracker::new());
    let places = Arc::new(Semaphore::new(bounds.most));
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
        let (routes, ending, deadline) = (routes.clone(), ending.clone(), bounds.header_deadline);
        let acceptor = bounds.tls.as_ref().map(Tls::acceptor);
        connections.spawn(async move {
            let ended = match acceptor {
                None => converse(socket, peer, routes, deadline, ending).await,
                Some(acceptor) => match handshake(acceptor, socket, deadline, &ending).await {
                    Ok(secured) => converse(secured, peer, routes, deadline, ending).await,
                    Err(error) => {
                        tracing::debug!(%peer, %error, "no TLS with this client");
                        Ok(())
                    }
                },
            };
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "a connection ended badly");
            }
            drop(place);
        });
    }
    drop(listener);
    ending.cancel();
    connections.close();
    connections.wait().await;
    Ok(())
}

/// A client has as long for the handshake as for a request's headers.
async fn handshake(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    deadline: Duration,
    ending: &CancellationToken,
) -> io::Result<TlsStream<TcpStream>> {
    tokio::select! {
        secured = tokio::time::timeout(deadline, acceptor.accept(socket)) => secured?,
        () = ending.cancelled() => Err(io::Error::other("the server ends")),
    }
}

/// One connection, until the client or the server ends it or it is upgraded.
async fn converse(
    socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    routes: Router,
    header_deadline: Duration,
    ending: CancellationToken,
) -> hyper::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(header_deadline).max_buf_size(BUFFER);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().call(request)
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service).with_upgrades());
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = ending.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
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
}
