//! Memberships are told by notices, which may be lost: now and then they are read again.

use std::{collections::BTreeSet, sync::Arc};

use chasqui_events::{Partition, RoomId};
use chasqui_read_model::{MemberStanding, Stream};

use crate::{connection::Connection, edge::Edge, resume};

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
    let heard: BTreeSet<RoomId> = connection.session().rooms().into_iter().collect();
    let memberships = edge.read_model.memberships(user).await?;
    let unheard =
        memberships.iter().filter(|one| one.standing == MemberStanding::Joined && !heard.contains(&one.room));
    for membership in unheard {
        tracing::info!(room = %membership.room, "a room that nobody told of is entered");
        resume::enter(edge, connection, membership.room, None).await?;
    }
    Ok(())
}
