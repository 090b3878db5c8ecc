//! A bare relay: tokio-tungstenite with the same buffers, what comes from one socket goes to all, nothing stored.
//!
//! It runs as a process of its own, this program under a hidden name, so that its processor time and memory can be
//! told from the driver's.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::Bytes;
use chasqui_backends::{Managed, PortLease, Spawn};
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{accept_async_with_config, tungstenite::Message};

use super::jetstream::{number, payload};
use crate::{
    latency::{Latencies, Summary},
    pacer::Pacer,
    procfs::{cpu_seconds, resident_kib},
    progress::Progress,
    schedule::Schedule,
    socket::{Endpoint, Socket, SocketError, config},
};

/// The name under which this program is the relay.
pub const COMMAND: &str = "raw-relay";
/// Frames that wait for one socket; more are lost, and the measurement fails.
const QUEUE: usize = 1024;
/// Frames fed before a flush.
const BATCH: usize = 8;

type Doors = Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>;

/// Is the relay, until it is killed.
pub async fn serve(port: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let doors = Doors::default();
    loop {
        let (tcp, _) = listener.accept().await?;
        let doors = Arc::clone(&doors);
        tokio::spawn(async move {
            // A socket that fails ends alone; the driver notices what it did not get.
            relay(tcp, doors).await.ok();
        });
    }
}

async fn relay(tcp: TcpStream, doors: Doors) -> anyhow::Result<()> {
    tcp.set_nodelay(true)?;
    let mut socket = accept_async_with_config(tcp, Some(config())).await?;
    let (door, mut queue) = mpsc::channel(QUEUE);
    doors.lock().push(door);
    loop {
        tokio::select! {
            message = socket.next() => match message.context("closed")?? {
                Message::Binary(bytes) => for door in doors.lock().iter() {
                    door.try_send(bytes.clone()).ok();
                },
                Message::Close(_) => return Ok(()),
                _ => {}
            },
            Some(bytes) = queue.recv() => {
                socket.feed(Message::Binary(bytes)).await?;
                for _ in 1..BATCH {
                    let Ok(bytes) = queue.try_recv() else { break };
                    socket.feed(Message::Binary(bytes)).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

/// A relay that runs.
#[derive(Debug)]
pub struct Relay {
    process: Managed,
    endpoint: Endpoint,
    _port: PortLease,
    _folder: tempfile::TempDir,
}

impl Relay {
    /// Starts one; returns when it listens.
    pub async fn start() -> anyhow::Result<Self> {
        let (port, folder) = (PortLease::any()?, tempfile::tempdir()?);
        let spawn = Spawn::new(std::env::current_exe()?, folder.path().join("relay.log"))
            .args([COMMAND.to_owned(), port.port().to_string()]);
        let process = Managed::start(&spawn)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port()));
        let endpoint =
            Endpoint { address: address.to_string(), api: String::new(), path: "/".to_owned(), codec: None };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).await.is_err() {
            anyhow::ensure!(process.exit_status().is_none(), "{}", process.died());
            anyhow::ensure!(Instant::now() < deadline, "the relay does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, endpoint, _port: port, _folder: folder })
    }

    async fn sockets(&self, count: usize) -> anyhow::Result<Vec<Socket>> {
        let mut sockets = Vec::with_capacity(count);
        for _ in 0..count {
            sockets.push(Socket::connect(&self.endpoint).await?);
        }
        Ok(sockets)
    }
}

/// What fanning out costs without anything around it.
#[derive(Clone, Copy, Debug, Default)]
pub struct FanOut {
    /// Processor seconds of the relay per million deliveries.
    pub cpu_per_million: f64,
    /// From the intended time to each receiver.
    pub to_receive: Summary,
}

/// One socket sends by the schedule, everything goes to `receivers` sockets.
pub async fn fan_out(receivers: usize, schedule: Schedule, progress: &Progress) -> anyhow::Result<FanOut> {
    progress.step(format!("raw cost: a bare relay, {} messages to {receivers} sockets", schedule.count()));
    let relay = Relay::start().await?;
    let sockets = relay.sockets(receivers).await?;
    // What is counted begins when all sockets are known to the relay: when all got the same message.
    let start = Arc::new(Mutex::new(Instant::now()));
    let received = Arc::new(Mutex::new(Latencies::default()));
    let (ready, mut all_ready) = mpsc::channel(receivers.max(1));
    let mut tasks = JoinSet::new();
    for socket in sockets {
        let (start, received, ready) = (Arc::clone(&start), Arc::clone(&received), ready.clone());
        tasks.spawn(receive(socket, schedule, start, received, ready));
    }
    let mut sender = Socket::connect(&relay.endpoint).await?;
    sender.feed_bytes(payload(u32::MAX)).await?;
    sender.flush().await?;
    for _ in 0..receivers {
        timeout(Duration::from_secs(20), all_ready.recv()).await?;
    }
    let cpu = cpu_seconds(relay.process.pid())?;
    let begin = Instant::now() + Duration::from_millis(20);
    *start.lock() = begin;
    let (tell, mut due) = mpsc::channel(QUEUE);
    let _pacer = Pacer::start(schedule, begin, move |n| {
        tell.try_send(n).ok();
    })?;
    let sending = tokio::spawn(async move {
        // The sender is a receiver too: what comes is left to its buffers, which the schedule does not fill.
        while let Some(n) = due.recv().await {
            sender.feed_bytes(payload(n)).await?;
            sender.flush().await?;
            while sender.next_ready()?.is_some() {}
        }
        // Open until everybody has everything.
        std::future::pending::<Result<(), SocketError>>().await
    });
    let patience = schedule.lasts() + Duration::from_secs(30);
    let all = timeout(patience, async {
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    });
    all.await.context("the relay lost something")??;
    sending.abort();
    let cpu = cpu_seconds(relay.process.pid())? - cpu;
    let deliveries = f64::from(schedule.count()) * f64::from(u32::try_from(receivers)?);
    let to_receive = received.lock().summary();
    Ok(FanOut { cpu_per_million: cpu / deliveries * 1_000_000.0, to_receive })
}

async fn receive(
    mut socket: Socket,
    schedule: Schedule,
    start: Arc<Mutex<Instant>>,
    received: Arc<Mutex<Latencies>>,
    ready: mpsc::Sender<()>,
) -> anyhow::Result<()> {
    socket.next().await?;
    ready.send(()).await?;
    for expected in 0..schedule.count() {
        let n = number(&socket.next().await?)?;
        anyhow::ensure!(n == expected, "message {n} came instead of {expected}");
        let at = start.lock().elapsed();
        received.lock().record(at.saturating_sub(schedule.due(n)));
    }
    Ok(())
}

/// KiB of the relay's memory for each of so many idle connections.
pub async fn idle_kib(count: usize, progress: &Progress) -> anyhow::Result<f64> {
    progress.step(format!("raw cost: a bare relay, {count} idle sockets"));
    let relay = Relay::start().await?;
    // The first ones pay for what is needed once.
    let first = relay.sockets(100).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = resident_kib(relay.process.pid())?;
    let sockets = relay.sockets(count).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = resident_kib(relay.process.pid())?;
    drop((first, sockets));
    let grown = i32::try_from(after.saturating_sub(before))?;
    Ok(f64::from(grown) / f64::from(u32::try_from(count)?))
}
