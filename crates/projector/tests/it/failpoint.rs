//! A failpoint on the wire: a proxy in front of a server that stops everything at one exact step of whoever talks to it.
//! So a program can be ended between any two of its steps, without a hook in the program.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What is done at the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The request does not arrive, and nothing after it.
    Request,
    /// The request is carried out, and its answer does not arrive, nor anything after it.
    Answer,
    /// Nothing: the step is only waited for.
    Passing,
}

/// The proxy. Ends when it is dropped.
pub(crate) struct Failpoint {
    address: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    armed: Mutex<Option<(At, Vec<u8>)>>,
    reached: watch::Sender<bool>,
    /// Nothing passes any more.
    shut: watch::Sender<bool>,
}

impl Failpoint {
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            armed: Mutex::new(None),
            reached: watch::Sender::new(false),
            shut: watch::Sender::new(false),
        });
        let task = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&state)));
        Self { address, state, task }
    }

    /// The server's URL with the proxy instead of the server.
    pub(crate) fn url(&self, url: &str, address: &str) -> String {
        url.replace(address, &self.address)
    }

    /// From now on waits for a request that holds these bytes.
    pub(crate) fn arm(&self, at: At, request: &[u8]) {
        self.state.reached.send_replace(false);
        *self.state.armed.lock() = Some((at, request.to_vec()));
    }

    /// Waits until the step is reached, and stopped if it is to be.
    pub(crate) async fn reached(&self) {
        let mut reached = self.state.reached.subscribe();
        let waited = tokio::time::timeout(crate::harness::LONG, reached.wait_for(|reached| *reached));
        waited.await.expect("the step was not reached").unwrap();
    }
}

impl Drop for Failpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: String, state: Arc<State>) {
    while let Ok((near, _)) = listener.accept().await {
        let (server, state) = (server.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(server).await else { return };
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            let awaited = watch::Sender::new(false);
            // The end of either side ends both: a program that is gone takes its connections with it.
            tokio::select! {
                () = requests(near_read, far_write, &awaited, &state) => {}
                () = answers(far_read, near_write, &awaited, &state) => {}
            }
        });
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    awaited: &watch::Sender<bool>,
    state: &State,
) {
    let mut piece = vec![0; 64 * 1024];
    // The end of what passed before, in case that the step's bytes come in two pieces.
    let mut tail = Vec::new();
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        tail.extend_from_slice(&piece[..read]);
        let step = {
            let mut armed = state.armed.lock();
            let holds = |bytes: &[u8]| tail.windows(bytes.len()).any(|window| window == bytes);
            armed.take_if(|(_, bytes)| holds(bytes)).map(|(at, _)| at)
        };
        tail.drain(..tail.len().saturating_sub(256));
        match step {
            Some(At::Request) => state.shut.send_replace(true),
            Some(At::Answer) => awaited.send_replace(true),
            Some(At::Passing) | None => false,
        };
        if !*state.shut.borrow() && to.write_all(&piece[..read]).await.is_err() {
            return;
        }
        if matches!(step, Some(At::Request | At::Passing)) {
            state.reached.send_replace(true);
        }
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    awaited: &watch::Sender<bool>,
    state: &State,
) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        if *awaited.borrow() {
            state.shut.send_replace(true);
            state.reached.send_replace(true);
        }
        if !*state.shut.borrow() && to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}
