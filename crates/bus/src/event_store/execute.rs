//! Changing a room: load, decide, append on condition, decide again when another change came first.

use std::{sync::Arc, time::Instant};

use chasqui_domain::{Decision, room::VersionedRoom};
use chasqui_events::{CommandId, Envelope, Import, RoomId, Seq, Timestamp, UserId, room::RoomEvent};

use super::{LoadError, RoomStore, loading};
use crate::{
    log::{Append, AppendError},
    subject::{self, Lane},
};

/// A command on a room's state lane, but for what it decides.
#[derive(Clone, Copy, Debug)]
pub struct RoomChange<'a> {
    /// The room.
    pub room: RoomId,
    /// The command.
    pub id: CommandId,
    /// Who asks.
    pub by: UserId,
    /// When it was accepted (or the original time of an import).
    pub at: Timestamp,
    /// Set for an import.
    pub import: Option<Import>,
    /// The `traceparent`.
    pub trace: Option<&'a str>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is recorded at this sequence (`duplicate`: it was already, by an earlier attempt of the same command).
    Recorded {
        /// Where.
        seq: Seq,
        /// By an earlier attempt.
        duplicate: bool,
    },
    /// It was so already; nothing was recorded. The sequence of the state that says so.
    AlreadySo {
        /// Up to where the lane was seen.
        seq: Seq,
    },
}

impl Outcome {
    /// The position at which the caller can see what they asked for.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        match self {
            Self::Recorded { seq, .. } | Self::AlreadySo { seq } => *seq,
        }
    }
}

/// A change that did not happen, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E> {
    /// The decision says no.
    #[error("rejected")]
    Rejected(E),
    /// Others kept changing the room. Nothing was recorded; trying again is safe.
    #[error("others keep changing the room")]
    Busy,
    /// The room cannot be loaded. Nothing was recorded by this call.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Any [`AppendError`] but [`AppendError::Conflict`].
    #[error(transparent)]
    Append(AppendError),
}

impl RoomStore {
    /// Decides and records one change.
    ///
    /// `decide` is pure and may be called several times, each time on a newer state. A fact of the same command
    /// that turns up among those that came first is the answer. A rejection and [`Outcome::AlreadySo`] may rest on
    /// a state that is a moment old: [`RoomStore::reload`] before believing them.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn execute<E>(
        &self,
        change: RoomChange<'_>,
        mut decide: impl FnMut(&VersionedRoom) -> Result<Decision, E> + Send,
    ) -> Result<Outcome, ExecuteError<E>> {
        let slot = self.inner.cache.slot(change.room);
        let mut current = self.load(change.room).await?;
        for _ in 0..self.inner.settings.attempts.max(1) {
            let event = match decide(&current).map_err(ExecuteError::Rejected)? {
                Decision::Record(event) => event,
                Decision::AlreadySo => return Ok(Outcome::AlreadySo { seq: current.seq }),
            };
            match self.record(&change, &current, event).await {
                Ok(outcome) => return Ok(outcome),
                Err(AppendError::Conflict) => {}
                Err(error) => return Err(ExecuteError::Append(error)),
            }
            // The cached state was old: read on from there, so that the next decision stands on the newest.
            slot.forget();
            let (began, mut own) = (Instant::now(), None);
            self.read_on(change.room, &mut current, |fact| {
                if fact.msg_id == Some(change.id) {
                    own = Some(fact.seq);
                }
            })
            .await?;
            slot.put(&current, began);
            if let Some(seq) = own {
                return Ok(Outcome::Recorded { seq, duplicate: true });
            }
        }
        Err(ExecuteError::Busy)
    }

    /// Appends an event behind the state that it was decided on, and folds it into the cached one.
    async fn record(
        &self,
        change: &RoomChange<'_>,
        decided_on: &Arc<VersionedRoom>,
        event: RoomEvent,
    ) -> Result<Outcome, AppendError> {
        let RoomChange { room, id, by, at, import, trace } = *change;
        let envelope = Envelope { id, at, by, basis: 0, import, event };
        let append = Append {
            expected: Some(decided_on.seq),
            aggregate_seq: Some(decided_on.count + 1),
            trace,
            ..Append::fact(subject::room(room, Lane::State), &envelope)
        };
        let sent = Instant::now();
        let appended = self.inner.log.append(append).await?;
        let slot = self.inner.cache.slot(room);
        if appended.duplicate {
            slot.forget();
        } else {
            let mut now = VersionedRoom::clone(decided_on);
            loading::advance(&mut now, appended.seq, &envelope.event);
            let now = Arc::new(now);
            slot.put(&now, sent);
            self.inner.snapshots.consider(room, decided_on.count, &now);
        }
        Ok(Outcome::Recorded { seq: appended.seq, duplicate: appended.duplicate })
    }
}
