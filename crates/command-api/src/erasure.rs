//! Erasing a room for good: as `auth` erases a user.
//!
//! First the request is written down in the [ledger]; then the fact `room.erased`, so that nobody says anything
//! any more and readers hear of it; then the room's keys are destroyed; at last the request is marked as done. Every step may
//! be repeated, and a worker repeats those of requests that are not done.

use chasqui_auth::{
    ids::derived_id,
    ledger::{self, Erasing, Ledger, Request},
    refusal,
};
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
    service::{CommandApi, Inner, not_executed, not_loaded},
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
    /// The first of those that were met, such as `unavailable` when the log or a bucket does not answer. What has failed is left
    /// for the next time; the others are carried out.
    pub async fn resume_erasures(&self, replay: bool) -> Result<usize, Problem> {
        self.resume_erasures_up_to(Step::Done, replay).await
    }

    /// The same, but dies after a step: for tests of what a later process makes of it.
    ///
    /// # Errors
    /// As [`CommandApi::resume_erasures`].
    #[doc(hidden)]
    pub async fn resume_erasures_up_to(&self, last: Step, replay: bool) -> Result<usize, Problem> {
        ledger::resume(&*self.0, last, replay).await
    }
}

/// Asks for the erasure of a room and carries it out. What was decided before about whether it may be stands.
pub(crate) async fn erase(api: &Inner, room: RoomId, request: Request) -> Result<(), Problem> {
    ledger::erase(api, Owner::Room(room), room, request).await
}

impl Erasing for Inner {
    type Id = RoomId;
    type Step = Step;

    const STEPS: &'static [Step] = &Step::ALL;

    fn ledger(&self) -> &Ledger {
        &self.erasures
    }

    fn id(owner: Owner) -> Option<RoomId> {
        match owner {
            Owner::Room(room) => Some(room),
            Owner::User(_) => None,
        }
    }

    async fn is_gone(&self, room: RoomId) -> Result<bool, Problem> {
        let destroyed = self.sealer.keyring().is_destroyed(Owner::Room(room)).await;
        let destroyed = destroyed.map_err(|error| refusal::no_key(&error))?;
        Ok(destroyed && self.newest_room(room).await?.room.erased)
    }

    async fn take(&self, step: Step, room: RoomId, request: &Request) -> Result<(), Problem> {
        match step {
            Step::Told => tell(self, room, request).await,
            Step::KeysDestroyed => {
                let destroyed = self.sealer.keyring().destroy(Owner::Room(room), now()).await;
                destroyed.map(drop).map_err(|error| refusal::no_key(&error))
            }
            Step::Done => {
                self.erasures.mark_done(Owner::Room(room), request, now()).await?;
                tracing::info!(%room, "a room was erased");
                Ok(())
            }
        }
    }
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
