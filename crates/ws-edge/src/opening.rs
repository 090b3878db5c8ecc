//! Rooms begin to be followed: subscribe, take the barrier, read the heads behind it, and only then let facts
//! through. Many rooms at once share their reads.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chasqui_bus::subject::{self, Lane};
use chasqui_events::{Partition, RoomId, Seq};
use chasqui_protocol::query::Standing;
use chasqui_read_model::{RoomHeads, RoomMembers, Stream};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    edge::Edge,
    feed::{Heads, Missing, People, Raw, Said},
    fill, listening,
    room::Room,
};

/// Reads of members at a time.
const MEMBER_READS: usize = 8;
/// State facts that may lie between the projection and the barrier.
const MOST_STATE: usize = 10_000;
const PAUSE: Duration = Duration::from_millis(250);

/// The rooms could not be opened in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rooms cannot be followed now")]
pub(crate) struct NotOpened;

/// The rooms, followed; those that were not before are opened.
pub(crate) async fn rooms(edge: &Arc<Edge>, ids: &[RoomId]) -> Result<Vec<Arc<Room>>, NotOpened> {
    let mut all = Vec::with_capacity(ids.len());
    let mut new: BTreeMap<Partition, Vec<Arc<Room>>> = BTreeMap::new();
    for id in ids {
        let now = edge.clock.now();
        let make = || Room::new(*id, edge.settings.large_room, now);
        let (mut room, mut is_new) = edge.hub.room_or_new(*id, make);
        if !is_new && !room.lease(now) {
            // It was closed in this very moment.
            (room, is_new) = edge.hub.room_or_new(*id, make);
        }
        if is_new {
            new.entry(id.partition()).or_default().push(Arc::clone(&room));
        }
        all.push(room);
    }
    for (partition, rooms) in new {
        // On its own, because others wait for these rooms, too.
        tokio::spawn(open_all(Arc::clone(edge), partition, rooms));
    }
    let opened = async {
        for room in &all {
            room.until_open().await;
        }
    };
    let patience = edge.settings.resume_wait * 3 + Duration::from_secs(5);
    tokio::time::timeout(patience, opened).await.map_err(|_| NotOpened)?;
    Ok(all)
}

/// Opens rooms of one partition; tries for as long as it takes.
async fn open_all(edge: Arc<Edge>, partition: Partition, rooms: Vec<Arc<Room>>) {
    for room in &rooms {
        listening::listen(&edge, room).await;
    }
    while let Err(error) = try_open(&edge, partition, &rooms).await {
        tracing::warn!(%partition, rooms = rooms.len(), %error, "rooms cannot be followed yet");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_open(edge: &Arc<Edge>, partition: Partition, rooms: &[Arc<Room>]) -> anyhow::Result<()> {
    let head = edge.barrier(partition).read(&edge.log).await?.last_seq;
    let ids: Vec<RoomId> = rooms.iter().map(|room| room.id()).collect();
    let projected = head == 0
        || edge.read_model.wait_for(Stream::Chat(partition), head, edge.settings.resume_wait).await.is_ok();
    // Members before heads: who is in a room is folded on from where it was read, to be exact at the heads.
    let members = stream::iter(ids.clone()).map(|id| async move {
        let members = edge.read_model.room_members(id).await?;
        anyhow::Ok((id, members))
    });
    let members: Vec<(RoomId, RoomMembers)> = members.buffered(MEMBER_READS).try_collect().await?;
    let heads = edge.read_model.room_heads(&ids).await?;
    let opening = rooms.iter().zip(members).map(|(room, (_, members))| {
        let known = heads.get(&room.id()).copied();
        (Arc::clone(room), members, known)
    });
    let opening: Vec<_> = opening.collect();
    let opened = stream::iter(opening).map(|(room, members, known)| async move {
        let heads = match known {
            Some(heads) if projected && heads.held_at.is_none() => heads_of(&heads),
            Some(_) | None => heads_in_log(edge, room.id()).await?,
        };
        let people = people_at(edge, room.id(), &members, heads.state).await?;
        room.open(edge, heads, people);
        anyhow::Ok(())
    });
    opened.buffer_unordered(MEMBER_READS).try_collect::<()>().await
}

pub(crate) const fn heads_of(heads: &RoomHeads) -> Heads {
    Heads { state: heads.state, msg: heads.msg, rcpt: heads.rcpt, held_at: heads.held_at }
}

/// The last facts of a room's lanes where the projection is not there yet.
async fn heads_in_log(edge: &Edge, room: RoomId) -> anyhow::Result<Heads> {
    let last = async |lane| {
        let last = edge.log.last(&subject::room(room, lane)).await?;
        anyhow::Ok(last.map_or(0, |stored| stored.seq))
    };
    let (state, msg, rcpt) = (last(Lane::State).await?, last(Lane::Msg).await?, last(Lane::Rcpt).await?);
    Ok(Heads { state, msg, rcpt, held_at: None })
}

/// Who has to do with a room at a state fact, from who had when the members were read.
async fn people_at(edge: &Edge, room: RoomId, members: &RoomMembers, state: Seq) -> anyhow::Result<People> {
    let mut people = people(members);
    if members.state_seq < state {
        let missing = Missing { after: members.state_seq, to: state };
        fold(&mut people, &fill::read_lane(edge, room, Lane::State, missing, MOST_STATE).await?);
    }
    Ok(people)
}

fn people(members: &RoomMembers) -> People {
    let of = |wanted: Standing| {
        let of = members.members.iter().filter(move |(_, standing, _)| *standing == wanted);
        of.map(|(user, ..)| *user).collect()
    };
    People { members: of(Standing::Joined), invited: of(Standing::Invited) }
}

/// Folds state facts into who has to do with a room.
fn fold(people: &mut People, facts: &[Raw]) {
    for raw in facts {
        if let Said::State(envelope) = &raw.said {
            people.apply(&envelope.event);
        }
    }
}
