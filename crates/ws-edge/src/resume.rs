//! After the hello: what the client missed, then everything live.
//!
//! A partition that does not answer delays itself only ([`late_partitions`]).
//!
//! The order makes it complete: the connection hears of its user's comings and goings first, then the barrier is
//! taken, then memberships are read behind it, then each room is followed (subscribed) before its past is read.

mod catching_up;
mod check;
pub(crate) mod introduction;
mod late_partitions;
mod rooms;
mod stays;

use std::sync::Arc;

use chasqui_events::{Partition, Seq};
use chasqui_protocol::{CloseCode, ServerFrame};
use chasqui_read_model::{ReadError, Stream};
use futures::future::join_all;

use self::check::Start;
use crate::{connection::Connection, cursor::Cursor, edge::Edge, meters::Meters, opening, slices::NoSlice};
/// Why a resume cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// More was missed of a room than is sent by itself.
    #[error("more was missed than is sent by itself")]
    TooOld,
    /// The connection is gone.
    #[error("the connection is gone")]
    Gone,
    /// The caller is not in the room any more, as its state lane says up to here.
    #[error("the caller left the room at or before {state}")]
    Out {
        /// The last fact of the state lane.
        state: Seq,
    },
    /// A store or the log does not answer.
    #[error("temporarily unavailable: {0}")]
    Unavailable(String),
}

impl From<NoSlice> for Stop {
    fn from(error: NoSlice) -> Self {
        match error {
            NoSlice::TooOld => Self::TooOld,
            NoSlice::Model(error) => Self::Unavailable(error.to_string()),
            NoSlice::Log(error) => Self::Unavailable(error.to_string()),
            NoSlice::Key(error) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<opening::NotOpened> for Stop {
    fn from(error: opening::NotOpened) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Brings a connection up to date, and makes it live.
pub(crate) async fn run(edge: Arc<Edge>, connection: Arc<Connection>, shown: Option<String>) {
    let begun = std::time::Instant::now();
    match resume(&edge, &connection, shown).await {
        Ok(outcome) => {
            Meters::resumed(outcome);
            edge.meters.resume_seconds.record(begun.elapsed().as_secs_f64());
        }
        Err(Stop::Gone) => {}
        Err(error) => {
            tracing::warn!(connection = connection.id, %error, "a client could not be brought up to date");
            Meters::resumed("partial");
            let now = edge.clock.now();
            connection.touch(|session| session.close(CloseCode::Unavailable, now));
        }
    }
}

async fn resume(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    shown: Option<String>,
) -> Result<&'static str, Stop> {
    edge.ticked.subscribe().wait_for(|ticked| *ticked).await.ok();
    let (barriers, silent) = barriers(edge).await?;
    let start = check::start(edge, shown.as_deref(), &barriers, &silent).await?;
    let cursor = greet(edge, connection, &start);
    connection.touch(|session| session.hold_back(&silent));
    let projected = wait_for_projection(edge, &barriers).await;
    let user = connection.user().ok_or(Stop::Gone)?;
    let mut memberships = edge.read_model.memberships(user).await?;
    memberships.retain(|membership| !silent.contains(&membership.room.partition()));
    let mut outcome = if cursor.is_some() { "caught_up" } else { "live" };
    match rooms::go_through(edge, connection, &memberships, cursor.as_ref()).await {
        Ok(()) => {}
        Err(Stop::TooOld) => {
            outcome = "reset";
            rooms::reset(edge, connection, &memberships).await?;
        }
        Err(stop) => return Err(stop),
    }
    let now = edge.clock.now();
    let (deferred, cursor) = connection.touch(|session| {
        session.know_memberships(&projected);
        (session.caught_up(now), session.cursor().clone())
    });
    edge.note_stale(connection);
    for room in deferred {
        introduction::introduce(edge, connection, room).await?;
    }
    crate::presence::arrived(edge, connection);
    if !silent.is_empty() {
        let (edge, connection) = (Arc::clone(edge), Arc::clone(connection));
        tokio::spawn(async move { late_partitions::wait_for(&edge, &connection, &cursor, silent).await });
    }
    Ok(outcome)
}

/// Where every partition stands, and which log it is; and the partitions that do not answer. One of them at least
/// must.
async fn barriers(edge: &Arc<Edge>) -> Result<(Vec<check::Barrier>, Vec<Partition>), Stop> {
    let read = Partition::first(edge.settings.partitions).map(|partition| async move {
        let head = edge.barrier(partition).read(&edge.log).await;
        head.map(|head| check::Barrier { partition, head }).map_err(|error| (partition, error))
    });
    let (mut barriers, mut silent) = (Vec::new(), Vec::new());
    for read in join_all(read).await {
        match read {
            Ok(barrier) => barriers.push(barrier),
            Err((partition, error)) => {
                tracing::warn!(%partition, %error, "a partition does not answer: its rooms come later");
                silent.push((partition, error));
            }
        }
    }
    match silent.pop_if(|_| barriers.is_empty()) {
        Some((_, error)) => Err(Stop::Unavailable(error.to_string())),
        None => Ok((barriers, silent.into_iter().map(|(partition, _)| partition).collect())),
    }
}

/// Welcomes the client. Gives the cursor that it resumes from.
fn greet(edge: &Edge, connection: &Connection, start: &Start) -> Option<Cursor> {
    let now = edge.clock.now();
    let begin = edge.verified.read().now();
    connection.touch(|session| match start {
        Start::Resume(cursor) => {
            session.welcome(true, now);
            session.set_cursor(cursor.clone());
            let known: Vec<_> = cursor.floors().iter().map(|floor| (floor.partition, floor.known)).collect();
            session.know_memberships(&known);
        }
        Start::Live | Start::Reset(_) => {
            session.welcome(false, now);
            if let Start::Reset(reason) = start {
                session.push(&ServerFrame::Reset { reason: *reason }, now);
            }
            let known: Vec<_> = begin.floors().iter().map(|floor| (floor.partition, floor.seq)).collect();
            session.know_memberships(&known);
            session.set_cursor(begin);
            session.push_cursor(now);
        }
    });
    match start {
        Start::Resume(cursor) => Some(cursor.clone()),
        Start::Live | Start::Reset(_) => None,
    }
}

/// Waits a bounded time until the partitions are projected up to their barriers. Gives those that are.
async fn wait_for_projection(edge: &Edge, barriers: &[check::Barrier]) -> Vec<(Partition, Seq)> {
    let waits = barriers.iter().map(|barrier| async move {
        let seq = barrier.head.last_seq;
        let stream = Stream::Chat(barrier.partition);
        let reached =
            seq == 0 || edge.read_model.wait_for(stream, seq, edge.settings.resume_wait).await.is_ok();
        reached.then_some((barrier.partition, seq))
    });
    join_all(waits).await.into_iter().flatten().collect()
}
