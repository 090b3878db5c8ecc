//! Commands and queries over one connection, for setting the scene: many at once, answers in any order.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use chasqui_events::{CommandId, Timestamp};
use chasqui_protocol::{
    Accepted, ClientFrame, Code, Problem, ServerFrame,
    command::Tokens,
    frame::{Hello, Welcome},
    query::{Freshness, Query},
};
use rand::RngExt;
use tokio::time::timeout;

use crate::socket::{Endpoint, Socket};

/// How long an answer may take before it counts as lost.
const ANSWER: Duration = Duration::from_secs(20);
/// How often a command is sent again that was refused for a passing reason.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

/// A command id of this moment.
#[must_use]
pub fn new_id() -> CommandId {
    CommandId::new(now(), rand::rng().random())
}

/// The wall clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What a command was answered with.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It was accepted.
    Accepted(Accepted),
    /// A login was accepted.
    Tokens(Box<Tokens>),
}

impl Answer {
    /// What came of a command that is no login.
    pub fn accepted(self) -> anyhow::Result<Accepted> {
        match self {
            Self::Accepted(accepted) => Ok(accepted),
            Self::Tokens(_) => bail!("a command was answered with tokens"),
        }
    }

    /// What came of a login.
    pub fn tokens(self) -> anyhow::Result<Tokens> {
        match self {
            Self::Tokens(tokens) => Ok(*tokens),
            Self::Accepted(_) => bail!("a login was answered without tokens"),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Caller {
    socket: Socket,
}

impl Caller {
    /// A connection of nobody yet.
    pub async fn connect(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let socket =
            timeout(ANSWER, Socket::connect(endpoint)).await.context("connecting takes too long")??;
        Ok(Self { socket })
    }

    /// Says hello, and waits until everything up to now has come.
    pub async fn hello(&mut self, token: &str, cursor: Option<String>) -> anyhow::Result<Welcome> {
        let client = Some("chasqui-bench".to_owned());
        let hello = ClientFrame::Hello(Hello { token: token.to_owned(), cursor, client });
        self.socket.feed(&hello).await?;
        self.socket.flush().await?;
        let mut welcome = None;
        loop {
            match self.frame().await.context("waiting for the welcome")? {
                ServerFrame::Welcome(here) => welcome = Some(here),
                ServerFrame::CaughtUp {} => return welcome.context("caught up without a welcome"),
                ServerFrame::Error(error) => return Err(error.problem).context("the hello was refused"),
                _ => {}
            }
        }
    }

    /// One command.
    pub async fn call(&mut self, id: CommandId, command: ClientFrame) -> anyhow::Result<Answer> {
        let answers = self.call_all(vec![(id, command)], 1, |_| {}).await?;
        answers.into_iter().next().context("no answer")
    }

    /// Many commands, at most `window` at once; the answers are in the order of the commands. Those that are
    /// refused for a passing reason are sent again, any other refusal is an error.
    pub async fn call_all(
        &mut self,
        commands: Vec<(CommandId, ClientFrame)>,
        window: usize,
        mut progress: impl FnMut(usize),
    ) -> anyhow::Result<Vec<Answer>> {
        let total = commands.len();
        let mut answers: Vec<Option<Answer>> = vec![None; total];
        let mut open: HashMap<CommandId, (usize, ClientFrame, u32)> = HashMap::new();
        let mut again: Vec<(Instant, CommandId)> = Vec::new();
        let mut rest = commands.into_iter().enumerate();
        let mut done = 0;
        while done < total {
            while open.len() < window
                && let Some((index, (id, command))) = rest.next()
            {
                self.socket.feed(&command).await?;
                open.insert(id, (index, command, 1));
            }
            let due = Instant::now();
            for at in (0..again.len()).rev() {
                if again.get(at).is_some_and(|(when, _)| *when <= due) {
                    let (_, id) = again.swap_remove(at);
                    if let Some((_, command, _)) = open.get(&id) {
                        self.socket.feed(command).await?;
                    }
                }
            }
            self.socket.flush().await?;
            let Some(frame) = self.frame_within(if again.is_empty() { ANSWER } else { PAUSE }).await? else {
                anyhow::ensure!(!again.is_empty(), "no answer within {ANSWER:?}; {done} of {total} are done");
                continue;
            };
            let Some((id, answer)) = answer_of(frame)? else { continue };
            match answer {
                Ok(answer) => {
                    if let Some((index, ..)) = open.remove(&id)
                        && let Some(place) = answers.get_mut(index)
                    {
                        *place = Some(answer);
                        done += 1;
                        progress(done);
                    }
                }
                Err(problem) => {
                    let Some((_, command, tries)) = open.get_mut(&id) else { continue };
                    *tries += 1;
                    if !problem.code.worth_a_retry() || *tries > TRIES {
                        return Err(problem).with_context(|| format!("after {tries} tries: {command:?}"));
                    }
                    again.push((due + PAUSE, id));
                }
            }
        }
        answers.into_iter().map(|answer| answer.context("a command has no answer")).collect()
    }

    /// One query; waits patiently for the projection where it demands a position.
    pub async fn ask(&mut self, ask: Query, fresh: Freshness) -> anyhow::Result<serde_json::Value> {
        for _ in 0..TRIES {
            match self.ask_once(ask.clone(), fresh).await? {
                Ok(data) => return Ok(data),
                Err(problem) if problem.code.worth_a_retry() => {
                    if problem.code != Code::NotYetProjected {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Err(problem) => return Err(problem).with_context(|| format!("{ask:?}")),
            }
        }
        bail!("{ask:?} was not answered in {TRIES} tries")
    }

    /// One query, and its refusal if it is one.
    pub async fn ask_once(
        &mut self,
        ask: Query,
        fresh: Freshness,
    ) -> anyhow::Result<Result<serde_json::Value, Problem>> {
        let reference = "q".to_owned();
        self.socket.feed(&ClientFrame::Query { reference, ask, fresh }).await?;
        self.socket.flush().await?;
        loop {
            match self.frame().await? {
                ServerFrame::Result { data, .. } => return Ok(Ok(data)),
                ServerFrame::Error(error) => return Ok(Err(error.problem)),
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> anyhow::Result<ServerFrame> {
        self.frame_within(ANSWER).await?.with_context(|| format!("no answer within {ANSWER:?}"))
    }

    async fn frame_within(&mut self, patience: Duration) -> anyhow::Result<Option<ServerFrame>> {
        match timeout(patience, self.socket.next()).await {
            Err(_) => Ok(None),
            Ok(bytes) => Ok(Some(self.socket.codec().decode(&bytes?)?)),
        }
    }
}

/// The command that a frame answers, `None` for frames that answer none.
fn answer_of(frame: ServerFrame) -> anyhow::Result<Option<(CommandId, Result<Answer, Problem>)>> {
    Ok(match frame {
        ServerFrame::Ok { id, accepted } => Some((id, Ok(Answer::Accepted(accepted)))),
        ServerFrame::Tokens { id, tokens } => Some((id, Ok(Answer::Tokens(Box::new(tokens))))),
        ServerFrame::Error(error) => match error.id {
            Some(id) => Some((id, Err(error.problem))),
            None => return Err(error.problem).context("a frame was refused"),
        },
        ServerFrame::Bye { code, .. } => bail!("the server says good-bye with code {code}"),
        _ => None,
    })
}
