//! Receipts go to the command side as soon as their window has ended, and again until their outcome is known.

use std::{sync::Arc, time::Duration};

use chasqui_bus::command::{self, Call, CommandError};
use chasqui_events::{CommandId, RoomId, Timestamp, receipts::Mark};
use chasqui_protocol::{Accepted, command::MoveReceipts};
use chasqui_runtime::lifecycle::Shutdown;
use tokio::sync::Semaphore;

use crate::edge::Edge;

/// Requests under way at a time.
const AT_ONCE: usize = 64;
/// How often a request is tried before its marks are given up; a reconnecting client states them again.
const TRIES: u32 = 20;
/// How long an answer is waited for. Shorter than a command's: nobody waits here to be told, and the next try is as
/// good.
const ANSWER: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(250);

/// Sends what is due until the process is told to end.
pub(crate) async fn run(edge: Arc<Edge>, shutdown: Shutdown) -> anyhow::Result<()> {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let next = edge.coalescer.lock().next_due();
        tokio::select! {
            () = shutdown.forced() => return Ok(()),
            () = edge.receipts_due.notified() => continue,
            () = sleep_until(&edge, next) => {}
        }
        let now = edge.clock.now();
        loop {
            let due = edge.coalescer.lock().take_due(now);
            let Some((room, marks)) = due else { break };
            let permit = Arc::clone(&at_once).acquire_owned().await?;
            let edge = Arc::clone(&edge);
            tokio::spawn(async move {
                send(&edge, room, marks).await;
                drop(permit);
            });
        }
    }
}

async fn sleep_until(edge: &Edge, at: Option<Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep_until(edge.clock.instant(at)).await,
        None => std::future::pending().await,
    }
}

/// Sends everything that has gathered, whatever its window, and waits until nothing is under way.
pub(crate) async fn flush(edge: &Arc<Edge>) {
    loop {
        let next = edge.coalescer.lock().take_any();
        match next {
            Some((room, marks)) => send(edge, room, marks).await,
            None if edge.coalescer.lock().is_idle() => return,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn send(edge: &Arc<Edge>, room: RoomId, marks: Vec<Mark>) {
    let (at, random) = chasqui_runtime::clock::id_parts();
    let body = MoveReceipts { id: CommandId::new(Timestamp(at), random), room, marks };
    if let Err(error) = try_send(edge, &body).await {
        tracing::warn!(%room, marks = body.marks.len(), %error, "receipts were given up");
    }
    edge.coalescer.lock().answered(room, edge.clock.now());
    edge.receipts_due.notify_one();
}

async fn try_send(edge: &Edge, body: &MoveReceipts) -> Result<(), CommandError> {
    let mut tries = 0;
    loop {
        let call = Call { name: "receipts", token: None, address: None, trace: None, timeout: ANSWER };
        match command::request::<Accepted>(&edge.bus, call, body).await {
            Ok(_) => {
                edge.meters.receipt_facts.increment(1);
                return Ok(());
            }
            Err(CommandError::Problem(problem)) if !problem.code.worth_a_retry() => {
                return Err(problem.into());
            }
            Err(error) if tries >= TRIES => return Err(error),
            // The same id: whatever the first try came to, it counts once.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        tries += 1;
    }
}
