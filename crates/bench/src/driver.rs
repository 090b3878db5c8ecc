//! The load: every person of a world on a connection of their own, messages sent by a schedule, everything that
//! comes back checked.

mod connection;
mod last_item;
mod ledger;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use rand::RngExt;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use crate::{
    pacer::Pacer, people::World, plan::Plan, progress::Progress, schedule::Schedule, socket::Endpoint,
    tag::Tag,
};

pub use ledger::{Ledger, Outcome};

/// Orders that may wait at one connection, while it is away or slow.
const ORDERS: usize = 4096;
/// Handshakes at once while everybody comes in.
const PARALLEL: usize = 64;
const POLL: Duration = Duration::from_millis(10);

/// When a client acknowledges what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acking {
    /// At once, whatever has come together in one acknowledgement.
    AtOnce,
    /// This long after the first entry that is not acknowledged.
    After(Duration),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where.
    pub endpoint: Endpoint,
    /// By whom, and in which rooms.
    pub world: Arc<World>,
    /// When.
    pub schedule: Schedule,
    /// How many members of each room send.
    pub authors: u32,
    /// Bytes of a message's body.
    pub body: usize,
    /// How delivery is acknowledged.
    pub acking: Acking,
    /// Whether what is not one's own is read at once, and receipts are waited for: for rooms of two.
    pub receipts: bool,
    /// Latencies count from here on; everything else counts from the start.
    pub warm_up: Duration,
    /// How long to wait, after the last message is due, for what is still to come.
    pub patience: Duration,
}

impl Load {
    /// Both receipts, 256 bytes, for direct conversations.
    #[must_use]
    pub fn direct(endpoint: Endpoint, world: Arc<World>, schedule: Schedule) -> Self {
        Self {
            endpoint,
            world,
            schedule,
            authors: 2,
            body: 256,
            acking: Acking::AtOnce,
            receipts: true,
            warm_up: Duration::from_secs(2).min(schedule.lasts() / 5),
            patience: Duration::from_secs(20),
        }
    }
}

/// What a connection is told to do.
#[derive(Clone, Copy, Debug)]
enum Order {
    Send(u32),
    Cut,
    Stop,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    load: Load,
    plan: Plan,
    tag: Tag,
    body: String,
    ledger: Mutex<Ledger>,
    /// When the first message is due; set once everybody is there.
    start: Mutex<Instant>,
    /// Connections that have caught up.
    present: AtomicU32,
    /// Connections that have obeyed an order to cut.
    cut: AtomicU32,
    doors: Semaphore,
    /// The entry decoded last: in a room of many the same bytes come to everybody.
    last_item: Mutex<last_item::LastItem>,
}

/// A world that is connected.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    orders: Vec<mpsc::Sender<Order>>,
    tasks: JoinSet<()>,
}

impl Driver {
    /// Connects everybody; returns when all have caught up.
    pub async fn connect(load: Load, progress: &Progress) -> anyhow::Result<Self> {
        let rooms = u32::try_from(load.world.rooms.len()).context("too many rooms")?;
        let plan = Plan::new(rooms, load.authors);
        let members: Vec<usize> = load.world.rooms.iter().map(|room| room.members.len()).collect();
        let people = load.world.people.len();
        let shared = Arc::new(Shared {
            plan,
            tag: Tag::new(rand::rng().random()),
            body: "x".repeat(load.body),
            ledger: Mutex::new(Ledger::new(plan, &load, &members)),
            start: Mutex::new(Instant::now()),
            present: AtomicU32::new(0),
            cut: AtomicU32::new(0),
            doors: Semaphore::new(PARALLEL),
            last_item: Mutex::default(),
            load,
        });
        let mut driver = Self { shared, orders: Vec::with_capacity(people), tasks: JoinSet::new() };
        progress.count(format!("connecting {people} people"), people);
        for person in 0..people {
            let (tell, told) = mpsc::channel(ORDERS);
            driver.orders.push(tell);
            let connection = connection::Connection::new(Arc::clone(&driver.shared), person, told);
            driver.tasks.spawn(connection.run());
        }
        let patience = Duration::from_secs(30) + Duration::from_millis(20) * u32::try_from(people)?;
        let all_there = driver.wait(patience, || {
            let present = driver.present();
            progress.done(present);
            present == people
        });
        if !all_there.await {
            let errors = driver.shared.ledger.lock().errors();
            bail!("{} of {people} could connect within {patience:?}: {errors:?}", driver.present());
        }
        Ok(driver)
    }

    /// How many are connected and have caught up.
    #[must_use]
    pub fn present(&self) -> usize {
        self.shared.present.load(Ordering::Relaxed) as usize
    }

    /// Works off the schedule; returns when everything expected has come, or the patience is over.
    pub async fn run(&self, progress: &Progress) -> anyhow::Result<Outcome> {
        let running = self.start(progress)?;
        self.finish(running, progress).await
    }

    /// Begins the schedule.
    pub fn start(&self, progress: &Progress) -> anyhow::Result<Running> {
        let schedule = self.shared.load.schedule;
        progress.count(
            format!("{} messages, {:.0} a second", schedule.count(), schedule.per_second()),
            schedule.count() as usize,
        );
        // A moment ahead, so that the first message is not late.
        let start = Instant::now() + Duration::from_millis(20);
        *self.shared.start.lock() = start;
        self.shared.ledger.lock().begin();
        let (shared, orders) = (Arc::clone(&self.shared), self.orders.clone());
        let overrun = Arc::new(AtomicU64::new(0));
        let dropped = Arc::clone(&overrun);
        let pacer = Pacer::start(schedule, start, move |n| {
            let room = shared.load.world.rooms.get(shared.plan.room(n) as usize);
            let author = room.and_then(|room| room.members.get(shared.plan.author(n) as usize));
            let door = author.and_then(|&person| orders.get(person));
            if door.is_none_or(|door| door.try_send(Order::Send(n)).is_err()) {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        Ok(Running { pacer, start, overrun })
    }

    /// Waits for the end of the schedule, and for everything that is to come after it.
    pub async fn finish(&self, running: Running, progress: &Progress) -> anyhow::Result<Outcome> {
        let schedule = self.shared.load.schedule;
        let slack = Duration::from_secs(5);
        self.wait(schedule.lasts() + slack, || {
            progress.done(self.shared.ledger.lock().sent());
            running.pacer.is_finished()
        })
        .await;
        let sent_all = Instant::now();
        self.wait(self.shared.load.patience, || self.shared.ledger.lock().is_settled()).await;
        let overrun = running.overrun.load(Ordering::Relaxed);
        let mut outcome = self.shared.ledger.lock().outcome();
        outcome.not_sent = overrun;
        outcome.settled_after = sent_all.elapsed();
        outcome.took = running.start.elapsed();
        Ok(outcome)
    }

    /// Cuts every connection at once: the sockets are dropped without a word, and everybody comes back with
    /// their cursor. Returns the time until the last one has caught up, `None` when the patience is over.
    pub async fn cut_all(&self, patience: Duration) -> Option<Duration> {
        let begun = Instant::now();
        self.shared.cut.store(0, Ordering::Relaxed);
        // All may come at once now.
        self.shared.doors.add_permits(self.orders.len());
        for door in &self.orders {
            door.try_send(Order::Cut).ok();
        }
        let everybody = self.orders.len();
        let all_cut = || self.shared.cut.load(Ordering::Relaxed) as usize >= everybody;
        let back = self.wait(patience, || all_cut() && self.present() >= everybody).await;
        back.then(|| self.shared.ledger.lock().last_caught_up().map(|at| at - begun)).flatten()
    }

    /// Ends all connections.
    pub async fn close(mut self) {
        for door in &self.orders {
            door.try_send(Order::Stop).ok();
        }
        let ended = tokio::time::timeout(Duration::from_secs(5), async {
            while self.tasks.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            self.tasks.shutdown().await;
        }
    }

    async fn wait(&self, patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
        let deadline = Instant::now() + patience;
        while !condition() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }
}

/// A schedule that is being worked off.
#[derive(Debug)]
pub struct Running {
    pacer: Pacer,
    start: Instant,
    overrun: Arc<AtomicU64>,
}
