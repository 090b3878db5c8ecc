//! A proxy in front of NATS that loses messages by a rule. It knows the protocol, so that what is lost is whole
//! messages and the connection goes on.

use std::{net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};

use super::nats_wire::{NatsMessage, Unit, take};

/// Decides about each message on its way to the client: true loses it.
pub struct Rule(Box<dyn FnMut(&NatsMessage) -> bool + Send>);

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rule(..)")
    }
}

impl Rule {
    /// Loses what `lose` says.
    pub fn new(lose: impl FnMut(&NatsMessage) -> bool + Send + 'static) -> Self {
        Self(Box::new(lose))
    }

    /// Loses nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|_| false)
    }

    /// Loses one in `one_in` of the republished facts, chosen by the seed.
    #[must_use]
    pub fn live_facts(seed: u64, one_in: u32) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        Self::new(move |message| message.subject.starts_with("live.") && dice.random_range(0..one_in) == 0)
    }

    /// Loses the next `count` answers of the log to appends to a room's message lane or any other lane: the facts
    /// are stored, and nobody is told.
    #[must_use]
    pub fn append_acks(count: usize) -> Self {
        Self::next(count, |message| {
            message.subject.starts_with("_INBOX")
                && message.holds("\"stream\":\"CHAT_")
                && message.holds("\"seq\":")
        })
    }

    /// Loses the next `count` answers of command-api to commands: they are done, and nobody is told.
    #[must_use]
    pub fn command_answers(count: usize) -> Self {
        Self::next(count, |message| message.subject.starts_with("_INBOX") && message.holds("{\"ok\":"))
    }

    /// Loses the next `count` messages that match.
    pub fn next(count: usize, matches: impl Fn(&NatsMessage) -> bool + Send + 'static) -> Self {
        let mut left = count;
        Self::new(move |message| {
            let lose = left > 0 && matches(message);
            left -= usize::from(lose);
            lose
        })
    }
}

/// The proxy. Ends when it is dropped.
#[derive(Debug)]
pub struct LossyNats {
    address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    rule: Mutex<Rule>,
    lost: watch::Sender<Vec<NatsMessage>>,
    generation: watch::Sender<u64>,
}

impl LossyNats {
    /// Starts a proxy in front of a NATS server, `host:port`. It loses nothing yet.
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            rule: Mutex::new(Rule::none()),
            lost: watch::Sender::new(Vec::new()),
            generation: watch::Sender::new(0),
        });
        let task = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&state)));
        Self { address, state, task }
    }

    /// Where to connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// From now on, loses what this rule says.
    pub fn lose(&self, rule: Rule) {
        *self.state.rule.lock() = rule;
    }

    /// Everything that was lost.
    #[must_use]
    pub fn lost(&self) -> Vec<NatsMessage> {
        self.state.lost.borrow().clone()
    }

    /// Waits until at least so many messages were lost.
    pub async fn lost_at_least(&self, count: usize) {
        let mut lost = self.state.lost.subscribe();
        let waited = lost.wait_for(|lost| lost.len() >= count);
        crate::within(&format!("{count} messages lost on the way from NATS"), waited).await.unwrap();
    }

    /// Cuts every connection; clients come back by themselves.
    pub fn cut_all(&self) {
        self.state.generation.send_modify(|generation| *generation += 1);
    }
}

impl Drop for LossyNats {
    fn drop(&mut self) {
        self.task.abort();
        self.cut_all();
    }
}

async fn accept(listener: TcpListener, server: String, state: Arc<State>) {
    while let Ok((near, _)) = listener.accept().await {
        let (server, state) = (server.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            // A server that is away refuses; whoever connected sees its connection closed.
            if let Ok(far) = TcpStream::connect(server).await {
                carry(near, far, &state).await;
            }
        });
    }
}

async fn carry(near: TcpStream, far: TcpStream, state: &State) {
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    let mut generation = state.generation.subscribe();
    let born = *generation.borrow_and_update();
    let ((mut near_read, near_write), (far_read, mut far_write)) = (near.into_split(), far.into_split());
    tokio::select! {
        _ = copy(&mut near_read, &mut far_write) => {}
        _ = pass_on(far_read, near_write, state) => {}
        _ = generation.wait_for(|generation| *generation != born) => {}
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) -> std::io::Result<()> {
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    while from.read_buf(&mut buffer).await? > 0 {
        while let Some(unit) = take(&mut buffer) {
            match unit {
                Unit::Line(bytes) => to.write_all(&bytes).await?,
                Unit::Message(message, bytes) => {
                    let lose = state.rule.lock().0(&message);
                    if lose {
                        state.lost.send_modify(|lost| lost.push(message));
                    } else {
                        to.write_all(&bytes).await?;
                    }
                }
            }
        }
    }
    Ok(())
}
