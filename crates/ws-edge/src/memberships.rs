//! Memberships are told by notices, which may be lost: now and then they are read again.

use std::sync::Arc;

use chasqui_events::Partition;
use chasqui_read_model::{MemberStanding, Membership, Stream};

use crate::{
    connection::Connection,
    edge::Edge,
    resume::{self, introduction},
};

/// Reads the memberships of some connections again: rooms that nobody told of are entered.
pub(crate) async fn look_again(edge: Arc<Edge>, connections: Vec<Arc<Connection>>) {
    let mut projected = Vec::new();
    for partition in Partition::first(edge.settings.partitions) {
        match edge.read_model.checkpoint(Stream::Chat(partition)).await {
            Ok(checkpoint) => projected.push((partition, checkpoint.map_or(0, |checkpoint| checkpoint.pos))),
            Err(error) => tracing::warn!(%error, "memberships cannot be looked at again"),
        }
    }
    for connection in connections {
        if !connection.session().is_live() {
            continue;
        }
        match look_at(&edge, &connection).await {
            Ok(()) => connection.touch(|session| session.know_memberships(&projected)),
            Err(error) => {
                tracing::warn!(connection = connection.id, %error, "memberships cannot be looked at");
            }
        }
    }
}

async fn look_at(edge: &Arc<Edge>, connection: &Arc<Connection>) -> Result<(), resume::Stop> {
    let Some(user) = connection.user() else { return Ok(()) };
    let memberships = edge.read_model.memberships(user).await?;
    for membership in memberships {
        if is_untold(&membership, connection) {
            tracing::info!(room = %membership.room, "a room that nobody told of is entered");
            introduction::introduce(edge, connection, membership.room).await?;
        }
    }
    Ok(())
}

/// Whether a connection does not hear a room that its user is in, or does not know of a short stay there.
fn is_untold(membership: &Membership, connection: &Connection) -> bool {
    let session = connection.session();
    if session.is_seated(membership.room) {
        return false;
    }
    let last = membership.earlier.last().map_or(0, |(begin, _)| *begin);
    membership.standing == MemberStanding::Joined || last > session.told_of(membership.room)
}
