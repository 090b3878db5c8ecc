//! Who is typing: never stored, told between edges, bounded at its source (see the session).

use std::sync::Arc;

use bytes::Bytes;
use chasqui_bus::live::Hint;
use chasqui_events::{RoomId, UserId};
use chasqui_protocol::ServerFrame;
use serde::{Deserialize, Serialize};

use crate::{edge::Edge, presence};

/// The last token of `eph.room.<room>.typing`.
const KIND: &str = "typing";

#[derive(Serialize, Deserialize)]
struct Hinted {
    user: UserId,
    on: bool,
}

/// Tells the other edges and the room's members here.
pub(crate) async fn tell(edge: &Edge, room: RoomId, user: UserId, on: bool) {
    let payload = serde_json::to_vec(&Hinted { user, on }).unwrap_or_default();
    if edge.live.publish_eph_room(room, KIND, Bytes::from(payload)).await.is_err() {
        edge.meters.hints_dropped.increment(1);
    }
}

/// Follows what is fleeting in all rooms, and passes on what concerns the rooms that are followed here.
///
/// One subscription for all rooms: such hints are few and small, and a subscription per room would cost every idle
/// connection more memory than all of them cost the network.
pub(crate) async fn run(edge: Arc<Edge>) -> anyhow::Result<()> {
    let mut hints = edge.live.subscribe_eph_rooms().await?;
    while let Some(hint) = hints.recv().await {
        let Hint::Room { room, kind, payload } = hint else { continue };
        match kind.as_str() {
            KIND => take(&edge, room, &payload),
            presence::KIND => presence::take_room(&edge, room, &payload).await,
            _ => {}
        }
    }
    Ok(())
}

fn take(edge: &Edge, room: RoomId, payload: &[u8]) {
    let (Some(followed), Ok(Hinted { user, on })) = (edge.hub.room(room), serde_json::from_slice(payload))
    else {
        return;
    };
    followed.hint(ServerFrame::Typing { room, user, on }, user, edge.clock.now());
}
