//! The role `command-api`: what its commands work with.

use std::{sync::Arc, time::Duration};

use chasqui_auth::{Caller, KeysError, Verifier, ids, ledger::Ledger, refusal};
use chasqui_bus::{
    Bus, BusError, Log,
    event_store::{ExecuteError, LoadError, Outcome, RoomChange, RoomStore, StoreSettings},
};
use chasqui_crypto::{Keyring, OwnerKind, Sealer};
use chasqui_domain::{Limits, Rejection, RoomCommand, room::VersionedRoom};
use chasqui_events::{CommandId, Partition, Position, RoomId, Seq, UserId};
use chasqui_limiter::Rates;
use chasqui_protocol::{Accepted, Code, Problem};
use chasqui_runtime::{clock::random_bytes, config::Config};

use crate::{
    authorship::Authorship, heads::Heads, marks::Marks, routes::FindSent, slow_mode::SlowMode, users::Users,
};

/// Rooms, messages and receipts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CommandApi(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) log: Log,
    pub(crate) rooms: RoomStore,
    pub(crate) verifier: Verifier,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) heads: Heads,
    pub(crate) marks: Marks,
    pub(crate) users: Users,
    pub(crate) sealer: Sealer,
    pub(crate) slow_mode: SlowMode,
    pub(crate) erasures: Ledger,
    partitions: u16,
    pub(crate) timeout: Duration,
}

/// The role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The connection is gone.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Nothing can be sealed.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl CommandApi {
    /// Opens the event store on a connection of the role `command-api`.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn build(config: &Config, bus: Bus, rates: Rates) -> Result<Self, StartError> {
        let settings = StoreSettings {
            max_rooms: u64::try_from(config.commands.cache_rooms).unwrap_or(u64::MAX),
            snapshot_every: config.snapshots.every,
            ..StoreSettings::default()
        };
        let log = Log::new(bus.clone());
        let keyring = chasqui_auth::keyring(config, bus.clone())?;
        Ok(Self(Arc::new(Inner {
            rooms: RoomStore::open(bus.clone(), settings).await?,
            verifier: Verifier::new(&config.auth, &bus),
            limits: chasqui_auth::limits(config),
            rates,
            heads: Heads::new(log.clone(), config.chat.partitions),
            marks: Marks::new(),
            users: Users::new(log.clone()),
            erasures: Ledger::open(bus.clone(), OwnerKind::Room),
            sealer: Sealer::new(keyring, config.crypto.seals_per_epoch),
            slow_mode: SlowMode::new(),
            partitions: config.chat.partitions,
            timeout: config.commands.timeout_ms,
            log,
        })))
    }

    /// The keys that it seals with.
    #[must_use]
    pub fn keyring(&self) -> &Arc<Keyring> {
        self.0.sealer.keyring()
    }

    /// How many rooms are in memory.
    #[must_use]
    pub fn cached_rooms(&self) -> u64 {
        self.0.rooms.cached_rooms()
    }

    /// The routes of this role. `find_sent` answers retried sends where the process can read the projections.
    #[must_use]
    pub fn routes(&self, find_sent: Option<FindSent>) -> utoipa_axum::router::OpenApiRouter {
        crate::routes::routes(self.clone(), find_sent)
    }
}

impl Inner {
    /// The room as it is in memory, or in the log.
    pub(crate) async fn room(&self, room: RoomId) -> Result<Arc<VersionedRoom>, Problem> {
        self.check_partition(room)?;
        self.rooms.load(room).await.map_err(|error| not_loaded(&error))
    }

    /// The room as the log has it now: the second look before a refusal, because what is in memory can be a moment
    /// old.
    pub(crate) async fn newest_room(&self, room: RoomId) -> Result<Arc<VersionedRoom>, Problem> {
        self.rooms.reload(room).await.map_err(|error| not_loaded(&error))
    }

    /// A watermark must be a member's, and must not lie beyond the end of the log. The state of the room that says so.
    pub(crate) async fn check_mark(&self, room: RoomId, user: UserId, seq: Seq) -> Result<Seq, Problem> {
        let mut state = self.room(room).await?;
        if state.room.member(user).is_err() {
            state = self.newest_room(room).await?;
            state.room.member(user).map_err(|rejection| refusal::rejected(&rejection))?;
        }
        if self.heads.reach(room.partition(), seq).await? {
            return Ok(state.seq);
        }
        let detail = format!("the room does not reach as far as {seq}; name a place that you have been sent");
        Err(Problem::new(Code::MessageNotFound, detail))
    }

    /// Decides and records one change of a room.
    pub(crate) async fn change(
        &self,
        caller: &Caller,
        room: RoomId,
        id: CommandId,
        authorship: Authorship,
        command: &RoomCommand,
    ) -> Result<Accepted, Problem> {
        self.check_partition(room)?;
        let trace = caller.trace.child(random_bytes()).header_value();
        let Authorship { by, at, import } = authorship;
        let change = RoomChange { room, id, by, at, import, trace: Some(&trace) };
        let asker = authorship.asker(caller);
        let decide = |state: &VersionedRoom| state.room.decide(asker, command, &self.limits);
        // Boxed: the rare and long way must not make room for itself in the future of every send.
        let mut outcome = Box::pin(self.rooms.execute(change, decide)).await;
        let unsure = matches!(outcome, Ok(Outcome::AlreadySo { .. }) | Err(ExecuteError::Rejected(_)));
        if unsure {
            self.newest_room(room).await?;
            outcome = Box::pin(self.rooms.execute(change, decide)).await;
        }
        let outcome = outcome.map_err(not_executed)?;
        let seq = outcome.seq();
        self.heads.note(room.partition(), seq);
        let at = matches!(outcome, Outcome::Recorded { .. }).then_some(at);
        let position = (seq > 0).then(|| Position { partition: room.partition(), seq });
        Ok(Accepted { position, room: Some(room), user: None, at })
    }

    /// Decides whether a room may be changed so, as the log has it now, and records nothing.
    pub(crate) async fn may_change(
        &self,
        caller: &Caller,
        room: RoomId,
        authorship: Authorship,
        command: &RoomCommand,
    ) -> Result<(), Problem> {
        self.check_partition(room)?;
        let newest = self.newest_room(room).await?;
        let decided = newest.room.decide(authorship.asker(caller), command, &self.limits);
        decided.map(drop).map_err(|rejection| refusal::rejected(&rejection))
    }

    /// The room that a command makes: the same one for each retry, somewhere else for everybody else's command.
    pub(crate) fn room_of(&self, by: UserId, id: CommandId) -> RoomId {
        let [random @ .., high, low]: [u8; 12] =
            ids::derived(&[b"room".as_slice(), by.as_uuid().as_bytes(), id.as_uuid().as_bytes()]);
        let spread = u16::from_be_bytes([high, low]);
        let partition = Partition::from_low_bits(spread % self.partitions.max(1));
        RoomId::new(partition, id.timestamp(), random)
    }

    /// A room of a partition that there is not is no room.
    fn check_partition(&self, room: RoomId) -> Result<(), Problem> {
        if room.partition().number() < self.partitions {
            Ok(())
        } else {
            Err(refusal::rejected(&Rejection::RoomNotFound))
        }
    }
}

pub(crate) fn not_loaded(error: &LoadError) -> Problem {
    match error {
        LoadError::Log(error) => refusal::not_read(error),
        LoadError::Poison { seq, error } => {
            tracing::error!(seq, %error, "a room is held: one of its facts is not understood");
            Problem::new(
                Code::Unavailable,
                "the room is held until an operator has mended it; nothing was recorded",
            )
        }
    }
}

pub(crate) fn not_executed(error: ExecuteError<Rejection>) -> Problem {
    match error {
        ExecuteError::Rejected(rejection) => refusal::rejected(&rejection),
        ExecuteError::Busy => refusal::busy(),
        ExecuteError::Load(error) => not_loaded(&error),
        ExecuteError::Append(error) => refusal::not_appended(&error),
    }
}
