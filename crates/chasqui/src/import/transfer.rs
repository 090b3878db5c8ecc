//! Sends the steps of a plan, many in flight and yet in order.
//!
//! One connection's messages to one room are recorded in the order in which they are sent. A server promises that of
//! messages only, so that a coming or going waits for the answers to everything before it, and everything after it
//! waits for its own. When a line meets trouble that may pass, nothing new is sent until all answers are there; then
//! what was not done is sent again, one at a time.

use std::{collections::VecDeque, time::Duration};

use anyhow::bail;
use chasqui_client::{Answer, Client, ClientError};
use chasqui_events::RoomId;
use chasqui_protocol::{
    ClientFrame, Code,
    command::{Join, Leave, OnBehalf, Send},
};
use indicatif::ProgressBar;

use super::{
    Stop,
    plan::{Step, What},
};

/// Messages without an answer yet: as many as a server takes.
const IN_FLIGHT: usize = 64;
/// How long trouble may last before the import gives up; it can be run again.
const PATIENCE: Duration = Duration::from_mins(1);

/// What became of the steps.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Recorded now.
    pub(crate) recorded: usize,
    /// Recorded at a second attempt, and possibly after lines that come later in the log.
    pub(crate) late: Vec<usize>,
    /// Refused: the line, counted from 0, and why.
    pub(crate) refused: Vec<(usize, String)>,
}

struct Transfer<'a> {
    client: &'a Client,
    room: RoomId,
    steps: &'a [Step],
    flying: VecDeque<(usize, Answer)>,
    troubled: Vec<usize>,
    outcome: Outcome,
    progress: &'a ProgressBar,
}

/// Sends the steps in order, until the end or until `stop`.
pub(crate) async fn transfer(
    client: &Client,
    room: RoomId,
    steps: &[Step],
    stop: &Stop,
    progress: &ProgressBar,
) -> anyhow::Result<Outcome> {
    let (flying, troubled) = (VecDeque::with_capacity(IN_FLIGHT), Vec::new());
    let outcome = Outcome::default();
    let mut transfer = Transfer { client, room, steps, flying, troubled, outcome, progress };
    for (index, step) in steps.iter().enumerate() {
        if stop.is_requested() {
            break;
        }
        if transfer.flying.len() == IN_FLIGHT {
            transfer.land_one().await?;
        }
        let alone = !matches!(step.what, What::Say { .. });
        if alone || !transfer.troubled.is_empty() {
            transfer.land_all().await?;
        }
        let answer = client.submit(transfer.frame(step, false)).await?;
        transfer.flying.push_back((index, answer));
        if alone {
            transfer.land_all().await?;
        }
    }
    transfer.land_all().await?;
    Ok(transfer.outcome)
}

impl Transfer<'_> {
    /// Waits for the oldest answer.
    async fn land_one(&mut self) -> anyhow::Result<()> {
        let Some((index, answer)) = self.flying.pop_front() else { return Ok(()) };
        match answer.wait().await {
            Ok(_) => self.done(index),
            Err(ClientError::Problem(problem)) if problem.code.worth_a_retry() => {
                tracing::debug!(%problem, "a line meets trouble");
                self.troubled.push(index);
            }
            Err(error) => self.refused(index, &error)?,
        }
        Ok(())
    }

    /// Waits for all answers, then does what met trouble.
    async fn land_all(&mut self) -> anyhow::Result<()> {
        while !self.flying.is_empty() {
            self.land_one().await?;
        }
        for index in std::mem::take(&mut self.troubled) {
            self.try_again(index).await?;
        }
        Ok(())
    }

    async fn try_again(&mut self, index: usize) -> anyhow::Result<()> {
        let Some(step) = self.steps.get(index) else { return Ok(()) };
        let started = tokio::time::Instant::now();
        for pause in super::pauses() {
            tokio::time::sleep(pause).await;
            match self.client.command(self.frame(step, true)).await {
                Ok(_) => {
                    self.outcome.late.push(step.line);
                    self.done(index);
                    return Ok(());
                }
                Err(ClientError::Problem(problem)) if problem.code.worth_a_retry() => {
                    if started.elapsed() > PATIENCE {
                        bail!(
                            "line {} is not taken for {PATIENCE:?}: {problem}. Run the import again later",
                            step.line + 1
                        );
                    }
                }
                Err(error) => return self.refused(index, &error),
            }
        }
        Ok(())
    }

    fn done(&mut self, index: usize) {
        self.outcome.recorded += 1;
        self.at(index);
    }

    /// A refusal of one line is reported; one that would meet every line ends the import.
    fn refused(&mut self, index: usize, error: &ClientError) -> anyhow::Result<()> {
        let line = self.steps.get(index).map_or(0, |step| step.line);
        match error.problem().map(|problem| problem.code) {
            None | Some(Code::Forbidden | Code::Unauthorized | Code::RoomNotFound) => {
                bail!("line {} was refused, and so would be the rest: {error}", line + 1)
            }
            Some(_) => self.outcome.refused.push((line, error.to_string())),
        }
        self.at(index);
        Ok(())
    }

    fn at(&self, index: usize) {
        if let Some(step) = self.steps.get(index) {
            self.progress.set_position(step.line as u64 + 1);
        }
    }

    fn frame(&self, step: &Step, retry: bool) -> ClientFrame {
        let (id, room) = (step.id, self.room);
        let on_behalf = Some(OnBehalf { user: step.user, at: step.at });
        match &step.what {
            What::Join => ClientFrame::Join(Join { id, room, on_behalf }),
            What::Leave => ClientFrame::Leave(Leave { id, room, on_behalf }),
            What::Say { body, replies_to } => ClientFrame::Send(Send {
                id,
                room,
                body: body.clone(),
                replies_to: replies_to.clone(),
                retry,
                on_behalf,
            }),
        }
    }
}
