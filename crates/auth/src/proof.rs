//! Recent proof: what changes who can log in is not done on an access token alone, because a stolen one would do.
//!
//! The password proves it, or a session that was opened a short while ago.

use std::time::Duration;

use chasqui_events::{SessionId, Timestamp};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::clock::now_ms;
use secrecy::SecretString;

use crate::{
    caller::Caller,
    credential::{self, Kept},
    password::Verdict,
    service::Inner,
    sessions,
};

/// The caller's own credential.
///
/// # Errors
/// `forbidden` for whoever has none: programs, and authors that were imported.
pub(crate) async fn own(auth: &Inner, caller: &Caller) -> Result<Kept, Problem> {
    let kept = credential::load(auth, caller.identity.user).await?;
    kept.ok_or_else(|| {
        Problem::new(Code::Forbidden, "this account has no password, so nothing of that can be changed")
    })
}

/// Demands a recent proof: the password where it is given, else a young session.
///
/// # Errors
/// `wrong-credentials` for a wrong password, `proof-needed` where neither proves it.
pub(crate) async fn demand(
    auth: &Inner,
    caller: &Caller,
    kept: &Kept,
    given: Option<SecretString>,
) -> Result<(), Problem> {
    if let Some(given) = given {
        return password(auth, kept, given).await;
    }
    let session = sessions::find(auth, caller.identity.user, caller.identity.session).await?;
    let young = session.is_some_and(|(family, _)| {
        let age = Timestamp(now_ms()).since(family.opened_at);
        u128::try_from(age).is_ok_and(|age| age <= auth.proof_max_age.as_millis())
    });
    if young {
        return Ok(());
    }
    let minutes = auth.proof_max_age.as_secs().div_ceil(60);
    Err(Problem::new(
        Code::ProofNeeded,
        format!("this needs your password along with it, or a login that is at most {minutes} minutes old"),
    ))
}

/// Demands a young session, where nothing is read but the token: a session's id tells when its login was.
///
/// # Errors
/// `proof-needed`.
pub fn demand_young(session: SessionId, max_age: Duration) -> Result<(), Problem> {
    let age = Timestamp(now_ms()).since(session.timestamp());
    if u128::try_from(age).unwrap_or_default() <= max_age.as_millis() {
        return Ok(());
    }
    let minutes = max_age.as_secs().div_ceil(60);
    Err(Problem::new(
        Code::ProofNeeded,
        format!("this needs a login that is at most {minutes} minutes old; log in again"),
    ))
}

/// Demands the password. Failures in a row are counted like those of logins, so that whoever has a stolen access token
/// does not guess faster than anybody else; apart from them, so that nobody without one keeps the owner waiting.
///
/// # Errors
/// `wrong-credentials`, `too-many` after failures in a row.
pub(crate) async fn password(auth: &Inner, kept: &Kept, given: SecretString) -> Result<(), Problem> {
    auth.rates.prove(&kept.credential.name).await?;
    match auth.passwords.verify(given, Some(kept.credential.password.clone())).await? {
        Verdict::Right { .. } => {
            auth.rates.proved(&kept.credential.name).await;
            Ok(())
        }
        Verdict::Wrong => {
            Err(Problem::new(Code::WrongCredentials, "the password is wrong; nothing was changed"))
        }
    }
}
