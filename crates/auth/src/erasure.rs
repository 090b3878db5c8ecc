//! Erasing a user for good.
//!
//! First the request is written down in the [ledger], which is the promise: from then on the erasure is carried
//! out, whoever dies meanwhile. Then the log is told, so that the account can act no more; then the keys are destroyed,
//! and with them everything that was sealed with them, wherever a copy of it lies; then what proves who the user is, and
//! the sessions. At last the request is marked as done. Every step may be repeated, and a worker repeats those of requests
//! that are not done.
//!
//! The ledger is never emptied: when keys are restored from a backup, it says which of them are not.

use chasqui_bus::{
    log::{Append, AppendError},
    subject,
};
use chasqui_crypto::Owner;
use chasqui_events::{
    Envelope, Timestamp, UserId,
    account::{AccountEvent, Erased},
    identity::RevocationReason,
};
use chasqui_protocol::Problem;
use chasqui_runtime::{
    clock::{now_ms, random_bytes},
    telemetry::TraceContext,
};

use crate::{
    credential, errand,
    ids::derived_id,
    ledger::{self, Erasing, Ledger, Request},
    refusal,
    service::{Auth, Inner},
    sessions,
};

/// How often an append is tried again after somebody else has appended to the account's lane.
const ATTEMPTS: usize = 8;

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The log is told.
    Told,
    /// The keys are destroyed.
    KeysDestroyed,
    /// What proves who the user is has been removed, and somebody else may have the e-mail address.
    CredentialRemoved,
    /// The sessions are ended, and what was kept of them is gone.
    SessionsEnded,
    /// The request is marked as done.
    Done,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Told, Self::KeysDestroyed, Self::CredentialRemoved, Self::SessionsEnded, Self::Done];
}

impl Auth {
    /// Carries out what was asked for and is not done; with `replay`, also what is done and a restored copy has undone:
    /// keys, what proves who a user is, an account that the log does not know to be erased. Returns how many erasures were
    /// completed. Several processes may do this at once.
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
    /// As [`Auth::resume_erasures`].
    #[doc(hidden)]
    pub async fn resume_erasures_up_to(&self, last: Step, replay: bool) -> Result<usize, Problem> {
        ledger::resume(&*self.0, last, replay).await
    }
}

/// Asks for the erasure of a user and carries it out. What was decided before about whether it may be stands.
pub(crate) async fn erase(auth: &Inner, user: UserId, request: Request) -> Result<(), Problem> {
    ledger::erase(auth, Owner::User(user), user, request).await
}

impl Erasing for Inner {
    type Id = UserId;
    type Step = Step;

    const STEPS: &'static [Step] = &Step::ALL;

    fn ledger(&self) -> &Ledger {
        &self.erasures
    }

    fn id(owner: Owner) -> Option<UserId> {
        match owner {
            Owner::User(user) => Some(user),
            Owner::Room(_) => None,
        }
    }

    async fn is_gone(&self, user: UserId) -> Result<bool, Problem> {
        let key = self.sealer.keyring().is_destroyed(Owner::User(user)).await;
        let credential = self.credentials.get(&user.to_string()).await;
        Ok(key.map_err(|error| refusal::no_key(&error))?
            && credential.map_err(|error| refusal::not_kept(&error))?.is_none()
            && self.account(user).await?.account.is_erased())
    }

    async fn take(&self, step: Step, user: UserId, request: &Request) -> Result<(), Problem> {
        match step {
            Step::Told => tell(self, user, request).await,
            Step::KeysDestroyed => self.destroy_key(user).await,
            Step::CredentialRemoved => remove_credential(self, user).await,
            Step::SessionsEnded => {
                let trace = TraceContext::root(random_bytes());
                sessions::end_all(self, &trace, user, RevocationReason::Erased).await?;
                sessions::forget_all(self, user).await
            }
            Step::Done => {
                self.erasures.mark_done(Owner::User(user), request, Timestamp(now_ms())).await?;
                tracing::info!(user.id = %user, "a user was erased");
                Ok(())
            }
        }
    }
}

/// Removes what proves who the user is; before it, the claim of their e-mail address.
async fn remove_credential(auth: &Inner, user: UserId) -> Result<(), Problem> {
    if let Some(kept) = credential::look(auth, user).await? {
        for claim in kept.email_claims(auth) {
            errand::free(auth, user, &claim).await?;
        }
    }
    let removed = auth.credentials.delete(&user.to_string()).await;
    removed.map_err(|error| refusal::not_kept(&error))
}

/// Records that the user is no more, unless that is recorded.
async fn tell(auth: &Inner, user: UserId, request: &Request) -> Result<(), Problem> {
    let Request { requested_at, by, reason, operator, .. } = request.clone();
    let event = AccountEvent::Erased(Erased { user, reason: reason.unwrap_or_default(), operator });
    let id = derived_id("user erased", user.as_uuid(), requested_at);
    let envelope = Envelope { id, at: requested_at, by, basis: 0, import: None, event };
    for _ in 0..ATTEMPTS {
        let loaded = auth.account(user).await?;
        if loaded.account.is_erased() {
            return Ok(());
        }
        let append =
            Append { expected: Some(loaded.seq), ..Append::fact(subject::ident_account(user), &envelope) };
        match auth.log.append(append).await {
            Err(AppendError::Conflict) => {}
            Err(error) => return Err(refusal::not_appended(&error)),
            Ok(_) => return Ok(()),
        }
    }
    Err(refusal::busy())
}
