//! Erasing a user for good.
//!
//! First the request is written down in the bucket `ERASURES`, which is the promise: from then on the erasure is carried
//! out, whoever dies meanwhile. Then the log is told, so that the account can act no more; then the keys are destroyed,
//! and with them everything that was sealed with them, wherever a copy of it lies; then what proves who the user is, and
//! the sessions. At last the request is marked as done. Every step may be repeated, and a worker repeats those of requests
//! that are not done.
//!
//! The ledger is never emptied: when keys are restored from a backup, it says which of them are not.

use chasqui_bus::{
    kv::{Bucket, KvError},
    log::{Append, AppendError},
    subject,
};
use chasqui_crypto::Owner;
use chasqui_events::{
    Envelope, Timestamp, UserId,
    account::{AccountEvent, Erased, Operator},
    identity::RevocationReason,
};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::{clock::now_ms, telemetry::TraceContext};
use serde::{Deserialize, Serialize};

use crate::{
    credential, refusal,
    service::{Auth, Inner, derived_id},
    sessions,
};

/// How often an append is tried again after somebody else has appended to the account's lane.
const ATTEMPTS: usize = 8;

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// When it was asked for.
    pub(crate) requested_at: Timestamp,
    /// Who asked.
    pub(crate) by: UserId,
    /// Why, when somebody else asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    /// Set when an operator asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operator: Option<Operator>,
    /// When everything was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) done_at: Option<Timestamp>,
}

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

const PREFIX: &str = "user.";

fn key(user: UserId) -> String {
    format!("{PREFIX}{user}")
}

impl Auth {
    /// Carries out again whatever the ledger has and a copy from before has brought back: keys, what proves who a user is,
    /// an account that the log does not know to be erased. What was asked for and is not done is carried out, too. Returns
    /// how many erasures were completed.
    ///
    /// # Errors
    /// As [`Auth::resume_erasures`].
    pub async fn replay_erasures(&self) -> Result<usize, Problem> {
        let auth = &*self.0;
        let mut completed = 0;
        for user in users(auth).await? {
            if let Some(request) = asked_for(&auth.erasures, user).await?
                && (request.done_at.is_none() || !is_gone(auth, user).await?)
            {
                carry_out(auth, user, &request, Step::Done).await?;
                completed += 1;
            }
        }
        Ok(completed)
    }

    /// Carries out what was asked for and is not done. Returns how many erasures were completed. Several processes may do
    /// this at once.
    ///
    /// # Errors
    /// `unavailable` when the log or a bucket does not answer; what is left is left for the next time.
    pub async fn resume_erasures(&self) -> Result<usize, Problem> {
        self.resume_erasures_up_to(Step::Done).await
    }

    /// The same, but dies after a step: for tests of what a later process makes of it.
    ///
    /// # Errors
    /// As [`Auth::resume_erasures`].
    #[doc(hidden)]
    pub async fn resume_erasures_up_to(&self, last: Step) -> Result<usize, Problem> {
        let auth = &*self.0;
        let mut completed = 0;
        for user in users(auth).await? {
            if let Some(request) = asked_for(&auth.erasures, user).await?
                && request.done_at.is_none()
            {
                carry_out(auth, user, &request, last).await?;
                completed += 1;
            }
        }
        Ok(completed)
    }
}

/// Everybody in the ledger.
async fn users(auth: &Inner) -> Result<Vec<UserId>, Problem> {
    let keys = auth.erasures.key_names().await.map_err(|error| refusal::not_kept(&error))?;
    Ok(keys.iter().filter_map(|key| key.strip_prefix(PREFIX)?.parse().ok()).collect())
}

/// Whether nothing has come back of a user who was erased.
async fn is_gone(auth: &Inner, user: UserId) -> Result<bool, Problem> {
    let key = auth.sealer.keyring().is_destroyed(Owner::User(user)).await;
    let credential = auth.credentials.get(&user.to_string()).await;
    Ok(key.map_err(|error| refusal::no_key(&error))?
        && credential.map_err(|error| refusal::not_kept(&error))?.is_none()
        && auth.account(user).await?.account.is_erased())
}

/// Asks for the erasure of a user and carries it out. What was decided before about whether it may be stands.
pub(crate) async fn erase(auth: &Inner, user: UserId, request: Request) -> Result<(), Problem> {
    let request = ask(auth, user, request).await?;
    carry_out(auth, user, &request, Step::Done).await
}

/// Writes the request down. An earlier one stays as it is.
pub(crate) async fn ask(auth: &Inner, user: UserId, request: Request) -> Result<Request, Problem> {
    match auth.erasures.create(&key(user), encoded(&request)).await {
        Ok(_) => Ok(request),
        Err(KvError::Conflict) => {
            let earlier = asked_for(&auth.erasures, user).await?;
            earlier.ok_or_else(|| Problem::new(Code::Internal, "the ledger of erasures contradicts itself"))
        }
        Err(error) => Err(refusal::not_kept(&error)),
    }
}

async fn asked_for(ledger: &Bucket, user: UserId) -> Result<Option<Request>, Problem> {
    let entry = ledger.get(&key(user)).await.map_err(|error| refusal::not_kept(&error))?;
    let Some(entry) = entry else { return Ok(None) };
    let request = serde_json::from_slice(&entry.value);
    request.map(Some).map_err(|error| refusal::unreadable("an entry of the ledger of erasures", &error))
}

async fn carry_out(auth: &Inner, user: UserId, request: &Request, last: Step) -> Result<(), Problem> {
    let trace = TraceContext::root(chasqui_runtime::clock::random_bytes());
    for step in Step::ALL.into_iter().filter(|step| *step <= last) {
        match step {
            Step::Told => tell(auth, user, request).await?,
            Step::KeysDestroyed => auth.destroy_key(user).await?,
            Step::CredentialRemoved => remove_credential(auth, user).await?,
            Step::SessionsEnded => {
                sessions::revoke_all(auth, &trace, user, None, RevocationReason::Erased).await?;
                sessions::forget_all(auth, user).await?;
            }
            Step::Done => {
                let done = Request { done_at: Some(Timestamp(now_ms())), ..request.clone() };
                let marked = auth.erasures.put(&key(user), encoded(&done)).await;
                marked.map_err(|error| refusal::not_kept(&error))?;
                tracing::info!(user.id = %user, "a user was erased");
            }
        }
    }
    Ok(())
}

/// Removes what proves who the user is; before it, the claim of their e-mail address.
async fn remove_credential(auth: &Inner, user: UserId) -> Result<(), Problem> {
    if let Some(claim) = credential::look(auth, user).await?.and_then(|kept| kept.email_claim(auth)) {
        auth.emails.delete(&claim).await.map_err(|error| refusal::not_kept(&error))?;
    }
    let removed = auth.credentials.delete(&user.to_string()).await;
    removed.map_err(|error| refusal::not_kept(&error))
}

/// Records that the user is no more, unless that is recorded.
async fn tell(auth: &Inner, user: UserId, request: &Request) -> Result<(), Problem> {
    let Request { requested_at, by, reason, operator, .. } = request.clone();
    let event = AccountEvent::Erased(Erased { user, reason, operator });
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

fn encoded(request: &Request) -> bytes::Bytes {
    serde_json::to_vec(request).unwrap_or_default().into()
}
