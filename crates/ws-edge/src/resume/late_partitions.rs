//! Partitions whose log did not answer at the hello: as soon as it does, what was missed there follows.

use std::{sync::Arc, time::Duration};

use chasqui_events::Partition;
use chasqui_protocol::CloseCode;

use super::{Stop, check, introduction, rooms::go_through, wait_for_projection};
use crate::{connection::Connection, cursor::Cursor, edge::Edge};

/// The pause before a partition is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits for the partitions one after the other, as long as the connection lives.
pub(super) async fn wait_for(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    cursor: &Cursor,
    silent: Vec<Partition>,
) {
    let mut waiting = silent;
    while !waiting.is_empty() && connection.session().closing().is_none() {
        tokio::time::sleep(PAUSE).await;
        let mut still = Vec::new();
        for partition in waiting {
            match bring(edge, connection, cursor, partition).await {
                Ok(true) => {
                    tracing::info!(%partition, connection = connection.id, "a late partition has come");
                }
                Ok(false) => still.push(partition),
                Err(Stop::Gone) => return,
                // The next hello finds the partition there, and says what is to be said.
                Err(stop) => {
                    tracing::warn!(%partition, connection = connection.id, error = %stop, "begun again");
                    let now = edge.clock.now();
                    connection.touch(|session| session.close(CloseCode::Unavailable, now));
                    return;
                }
            }
        }
        waiting = still;
    }
}

/// Sends what was missed in a partition, if its log answers.
async fn bring(
    edge: &Arc<Edge>,
    connection: &Arc<Connection>,
    cursor: &Cursor,
    partition: Partition,
) -> Result<bool, Stop> {
    let Ok(head) = edge.barrier(partition).read(&edge.log).await else { return Ok(false) };
    if let Some(floor) = cursor.floor(partition)
        && !check::is_of_this_log(edge, floor, &head).await?
    {
        return Err(Stop::Unavailable("the cursor is of another log".to_owned()));
    }
    let projected = wait_for_projection(edge, &[check::Barrier { partition, head }]).await;
    let user = connection.user().ok_or(Stop::Gone)?;
    let mut memberships = edge.read_model.memberships(user).await?;
    memberships.retain(|membership| membership.room.partition() == partition);
    go_through(edge, connection, &memberships, Some(cursor)).await?;
    let deferred = connection.touch(|session| {
        session.know_memberships(&projected);
        session.let_go(partition)
    });
    edge.note_stale(connection);
    for room in deferred {
        introduction::introduce(edge, connection, room).await?;
    }
    Ok(true)
}
