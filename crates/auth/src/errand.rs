//! Errands: what is to be done after a command was answered, and ends in a mail or in none.

use std::time::Duration;

use chasqui_crypto::Spot;
use chasqui_events::UserId;
use chasqui_protocol::Problem;
use lettre::Address;

use crate::{
    challenge::{self, Purpose},
    credential::{self, Credential, Kept},
    email,
    mail::{Change, Letter, Mailer},
    refusal,
    service::Inner,
};

/// How long the token of a verification is good.
const VERIFY_LIFE: Duration = Duration::from_hours(24);
/// How long the token of a reset is good.
const RESET_LIFE: Duration = Duration::from_hours(1);
/// Attempts at one token: at resets, a password may be too weak.
const ATTEMPTS: u32 = 10;
/// One address gets one mail of a kind in so long, whoever asks how often.
const QUIET: Duration = Duration::from_mins(1);

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    /// Send the token that verifies an address.
    Verify { user: UserId, address: String, generation: u64 },
    /// Send the token that resets a password, if somebody has this address.
    Reset { address: String },
    /// Tell of a change to an address.
    Notice { address: String, change: Change },
}

/// Does it. The mail that comes of it.
pub(crate) async fn run(auth: &Inner, mailer: &Mailer, errand: Errand) -> Result<Option<Letter>, Problem> {
    match errand {
        Errand::Verify { user, address, generation } => {
            let Some(to) = quiet(auth, "verify", &address).await? else { return Ok(None) };
            let address = auth.seal(Spot::wanted_email(user), &address).await?;
            let purpose = Purpose::VerifyEmail { user, address, generation };
            let token = challenge::issue(auth, purpose, VERIFY_LIFE, ATTEMPTS).await?;
            Ok(Some(Letter::verify(to, &mailer.link("verify-email", &token), VERIFY_LIFE)))
        }
        Errand::Reset { address } => {
            let Some((user, credential, address)) = owner(auth, &address).await? else { return Ok(None) };
            let Some(to) = quiet(auth, "reset", &address).await? else { return Ok(None) };
            let purpose = Purpose::ResetPassword { user, generation: credential.generation };
            let token = challenge::issue(auth, purpose, RESET_LIFE, ATTEMPTS).await?;
            Ok(Some(Letter::reset(to, &mailer.link("reset-password", &token), RESET_LIFE)))
        }
        Errand::Notice { address, change } => Ok(address.parse().ok().map(|to| Letter::notice(to, change))),
    }
}

/// Who has verified this address and may act, their credential, and the address as they wrote it.
async fn owner(auth: &Inner, address: &str) -> Result<Option<(UserId, Credential, String)>, Problem> {
    let Some(user) = holder(auth, address).await? else { return Ok(None) };
    let Some(Kept { credential, .. }) = credential::load(auth, user).await? else { return Ok(None) };
    let theirs = credential.email.clone().filter(|kept| email::as_name(kept) == email::as_name(address));
    Ok(match theirs {
        Some(theirs) if auth.account(user).await?.may_act() => Some((user, credential, theirs)),
        _ => None,
    })
}

/// Lets others have the address that this key claims, if it is this user's.
///
/// # Errors
/// When the bucket does not answer.
pub(crate) async fn free(auth: &Inner, user: UserId, claim: &str) -> Result<(), Problem> {
    let entry = auth.emails.get(claim).await.map_err(|error| refusal::not_kept(&error))?;
    if entry.is_some_and(|entry| entry.value == user.to_string().as_bytes()) {
        auth.emails.delete(claim).await.map_err(|error| refusal::not_kept(&error))?;
    }
    Ok(())
}

/// For whom an address is claimed.
pub(crate) async fn holder(auth: &Inner, address: &str) -> Result<Option<UserId>, Problem> {
    let key = auth.name_key.token(&email::as_name(address));
    let entry = auth.emails.get(&key).await.map_err(|error| refusal::not_kept(&error))?;
    Ok(entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok()))
}

/// The address, unless it got such a mail a moment ago.
async fn quiet(auth: &Inner, kind: &str, address: &str) -> Result<Option<Address>, Problem> {
    let Ok(to) = address.parse() else { return Ok(None) };
    let once = format!("{kind} {}", email::as_name(address));
    Ok(challenge::first_in(auth, &once, QUIET).await?.then_some(to))
}
