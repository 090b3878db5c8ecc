//! A TCP proxy that cuts, delays, mutes and refuses on command.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};

/// One of the two ways through a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connected to the server.
    Up,
    /// From the server to whoever connected.
    Down,
}

/// What is done to connections now.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// Connections are accepted and closed at once.
    refusing: bool,
    /// What arrives in this direction is swallowed; the connection stays open.
    muted: [bool; 2],
    /// Nothing is read in this direction: the sender's buffers fill up.
    stalled: [bool; 2],
    /// Each piece waits so long.
    delay: Duration,
    /// Connections made before this generation are cut.
    generation: u64,
}

/// A proxy on a port of its own in front of a server. Ends when it is dropped.
#[derive(Debug)]
pub struct ChaosProxy {
    address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    faults: watch::Sender<Faults>,
    /// Bytes after which the next connections are cut, one each, counted in a direction.
    cuts: Mutex<Vec<(Direction, u64)>>,
    accepted: AtomicU64,
    bytes: [AtomicU64; 2],
}

impl ChaosProxy {
    /// Starts a proxy in front of `127.0.0.1:port`.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            faults: watch::Sender::new(Faults::default()),
            cuts: Mutex::new(Vec::new()),
            accepted: AtomicU64::new(0),
            bytes: [AtomicU64::new(0), AtomicU64::new(0)],
        });
        let task = tokio::spawn(accept(listener, port, Arc::clone(&state)));
        Self { address, state, task }
    }

    /// Where to connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where a client connects.
    #[must_use]
    pub fn endpoint(&self) -> chasqui_client::Endpoint {
        chasqui_client::Endpoint::new("127.0.0.1", self.port())
    }

    /// Cuts every open connection.
    pub fn cut_all(&self) {
        self.state.faults.send_modify(|faults| faults.generation += 1);
    }

    /// Cuts the next connection after so many bytes in a direction. May be called several times, for the ones
    /// after it.
    pub fn cut_next_after(&self, direction: Direction, bytes: u64) {
        self.state.cuts.lock().push((direction, bytes));
    }

    /// How many cuts that were ordered have no connection yet.
    #[must_use]
    pub fn cuts_left(&self) -> usize {
        self.state.cuts.lock().len()
    }

    /// Accepts and closes at once, or does not.
    pub fn refuse(&self, refusing: bool) {
        self.state.faults.send_modify(|faults| faults.refusing = refusing);
    }

    /// Swallows what arrives in a direction, or does not. What was swallowed is lost.
    pub fn mute(&self, direction: Direction, muted: bool) {
        self.state.faults.send_modify(|faults| faults.muted[direction as usize] = muted);
    }

    /// Reads nothing in a direction, or goes on reading. Nothing is lost.
    pub fn stall(&self, direction: Direction, stalled: bool) {
        self.state.faults.send_modify(|faults| faults.stalled[direction as usize] = stalled);
    }

    /// Holds each piece back for so long.
    pub fn delay(&self, delay: Duration) {
        self.state.faults.send_modify(|faults| faults.delay = delay);
    }

    /// How many connections were made.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::Relaxed)
    }

    /// How many bytes went through in a direction.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.state.bytes[direction as usize].load(Ordering::Relaxed)
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut_all();
    }
}

async fn accept(listener: TcpListener, port: u16, state: Arc<State>) {
    while let Ok((near, _)) = listener.accept().await {
        state.accepted.fetch_add(1, Ordering::Relaxed);
        if state.faults.borrow().refusing {
            continue;
        }
        // Taken here, so that cuts go to connections in their order.
        let cut = {
            let mut cuts = state.cuts.lock();
            if cuts.is_empty() { None } else { Some(cuts.remove(0)) }
        };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            // A server that is away refuses; whoever connected sees its connection closed.
            if let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await {
                carry(near, far, cut, &state).await;
            }
        });
    }
}

async fn carry(near: TcpStream, far: TcpStream, cut: Option<(Direction, u64)>, state: &State) {
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    let mut faults = state.faults.subscribe();
    let born = faults.borrow_and_update().generation;
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let budget = |direction| match cut {
        Some((of, bytes)) if of == direction => bytes,
        _ => u64::MAX,
    };
    let up = Pipe { direction: Direction::Up, budget: budget(Direction::Up) };
    let down = Pipe { direction: Direction::Down, budget: budget(Direction::Down) };
    // Whichever ends first ends both: half-closed connections are not what is tested here.
    tokio::select! {
        () = up.copy(near_read, far_write, state) => {}
        () = down.copy(far_read, near_write, state) => {}
        _ = faults.wait_for(|faults| faults.generation != born) => {}
    }
}

struct Pipe {
    direction: Direction,
    /// Bytes until the cut.
    budget: u64,
}

impl Pipe {
    async fn copy(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) {
        let way = self.direction as usize;
        let mut faults = state.faults.subscribe();
        let mut piece = vec![0; 16 * 1024];
        loop {
            if faults.wait_for(|faults| !faults.stalled[way]).await.is_err() {
                return;
            }
            let Ok(read @ 1..) = from.read(&mut piece).await else { return };
            let Faults { muted, delay, .. } = *faults.borrow_and_update();
            if muted[way] {
                continue;
            }
            if !delay.is_zero() {
                sleep(delay).await;
            }
            let whole = u64::try_from(read).unwrap_or(u64::MAX);
            let passing = whole.min(self.budget);
            self.budget -= passing;
            let passed = piece.get(..usize::try_from(passing).unwrap_or(read)).unwrap_or_default();
            if to.write_all(passed).await.is_err() {
                return;
            }
            state.bytes[way].fetch_add(passing, Ordering::Relaxed);
            if self.budget == 0 {
                return;
            }
        }
    }
}
