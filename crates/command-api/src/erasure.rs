//! Erasing a room for good: as `auth` erases a user.
//!
//! First the request is written down in the [ledger](chasqui_auth::ledger); then the fact `room.erased`, so that nobody says anything
//! any more and readers hear of it; then the room's keys are destroyed; at last the request is marked as done. Every step may
//! be repeated, and a worker repeats those of requests that are not done.

use chasqui_auth::{ledger::Request, refusal};
use chasqui_bus::event_store::RoomChange;
use chasqui_crypto::Owner;
use chasqui_domain::{Rejection, room::Decision};
use chasqui_events::{
    CommandId, RoomId,
    room::{Erased, RoomEvent},
};
use chasqui_protocol::Problem;

use crate::{
    serve::now,
    service::{CommandApi, Inner, derived_id, not_executed, not_loaded},
};

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The log is told.
    Told,
    /// The keys are destroyed.
    KeysDestroyed,
    /// The request is marked as done.
    Done,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Told, Self::KeysDestroyed, Self::Done];
}

impl CommandApi {
    /// Carries out what was asked for and is not done; with `replay`, also what is done and a restored copy of keys or of
    /// the log has undone. Returns how many erasures were completed. Several processes may do this at once.
    ///
    /// # Errors
    /// `unavailable` when the log or a bucket does not answer; what is left is left for the next time.
    pub async fn resume_erasures(&self, replay: bool) -> Result<usize, Problem> {
        self.resume_erasures_up_to(Step::Done, replay).await
    }

    /// The same, but dies after a step: for tests of what a later process makes of it.
    ///
    /// # Errors
    /// As [`CommandApi::resume_erasures`].
    #[doc(hidden)]
    pub async fn resume_erasures_up_to(&self, last: Step, replay: bool) -> Result<usize, Problem> {
        let api = &*self.0;
        let mut completed = 0;
        for owner in api.erasures.owners().await? {
            let (Owner::Room(room), Some(request)) = (owner, api.erasures.request(owner).await?) else {
                continue;
            };
            if request.done_at.is_none() || (replay && !is_gone(api, room).await?) {
                carry_out(api, room, &request, last).await?;
                completed += 1;
            }
        }
        Ok(completed)
    }
}

/// Asks for the erasure of a room and carries it out. What was decided before about whether it may be stands.
pub(crate) async fn erase(api: &Inner, room: RoomId, request: Request) -> Result<(), Problem> {
    let request = api.erasures.ask(Owner::Room(room), request).await?;
    carry_out(api, room, &request, Step::Done).await
}

/// Whether nothing has come back of a room that was erased.
async fn is_gone(api: &Inner, room: RoomId) -> Result<bool, Problem> {
    let destroyed = api.sealer.keyring().is_destroyed(Owner::Room(room)).await;
    Ok(destroyed.map_err(|error| refusal::no_key(&error))? && api.newest_room(room).await?.room.erased)
}

async fn carry_out(api: &Inner, room: RoomId, request: &Request, last: Step) -> Result<(), Problem> {
    for step in Step::ALL.into_iter().filter(|step| *step <= last) {
        match step {
            Step::Told => tell(api, room, request).await?,
            Step::KeysDestroyed => {
                let destroyed = api.sealer.keyring().destroy(Owner::Room(room), now()).await;
                destroyed.map_err(|error| refusal::no_key(&error))?;
            }
            Step::Done => {
                api.erasures.mark_done(Owner::Room(room), request, now()).await?;
                tracing::info!(%room, "a room was erased");
            }
        }
    }
    Ok(())
}

/// Records that the room is no more, unless that is recorded.
async fn tell(api: &Inner, room: RoomId, request: &Request) -> Result<(), Problem> {
    let Request { requested_at: at, by, reason, .. } = request.clone();
    let id: CommandId = derived_id("room erased", room.as_uuid(), at);
    let change = RoomChange { room, id, by, at, import: None, trace: None };
    api.rooms.reload(room).await.map_err(|error| not_loaded(&error))?;
    let told = api.rooms.execute(change, |state| {
        Ok::<_, Rejection>(if state.room.erased {
            Decision::AlreadySo
        } else {
            Decision::Record(RoomEvent::Erased(Erased { reason: reason.clone() }))
        })
    });
    told.await.map(drop).map_err(not_executed)
}
