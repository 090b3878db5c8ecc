//! `reset_password`: set another password by the token from a mail.
//!
//! Who reads the mailbox may choose a password; a second factor stays, and is asked for at the next login.

use axum::extract::State;
use chasqui_events::identity::{CredentialChange, CredentialPart, RevocationReason};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::ResetPassword};
use chasqui_runtime::telemetry::TraceContext;
use secrecy::SecretString;

use super::change_password::known_of;
use crate::{
    caller::{Entering, Trace},
    challenge::{self, Purpose},
    credential::{self, Credential, Kept},
    ids::new_id,
    password::Verdict,
    refusal,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// Reset a password
///
/// All sessions end. A second factor stays.
#[utoipa::path(
    post, path = "/v1/commands/reset_password", tag = "identity", request_body = ResetPassword,
    responses(
        (status = 200, description = "The new password is good", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `weak-password`: the token can be used again", body = Problem),
        (status = 401, description = "`challenge-expired`", body = Problem),
        (status = 409, description = "`busy`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Trace(trace): Trace,
    _: Entering,
    Json(command): Json<ResetPassword>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("reset_password", handle(&auth.0, &trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    trace: &TraceContext,
    command: ResetPassword,
) -> Result<Accepted, Problem> {
    let ResetPassword { token, new_password } = command;
    let Purpose::ResetPassword { user, generation } = challenge::attempt(auth, &token).await? else {
        return Err(challenge::expired());
    };
    let kept = credential::load(auth, user).await?.ok_or_else(challenge::expired)?;
    let (new, by) = (SecretString::from(new_password), challenge::key(&token));
    if !is_done(auth, &kept, &by, &new).await? {
        if kept.credential.generation != generation {
            return Err(challenge::expired());
        }
        let about = known_of(auth, &kept).await?;
        let password = auth.passwords.hash(new, kept.credential.asked(), about).await?;
        let changed = Credential {
            password,
            password_changed_by: None,
            password_reset_by: Some(by),
            ..kept.credential.next()
        };
        if !credential::replace(auth, user, &kept, &changed).await? {
            return Err(refusal::busy());
        }
    }
    sessions::revoke_all(auth, trace, user, None, RevocationReason::PasswordChanged).await?;
    let (what, how) = (CredentialPart::Password, CredentialChange::Replaced);
    auth.record_credential_change(user, trace, new_id(), what, how).await?;
    challenge::close(auth, &token).await?;
    auth.notice(kept.credential.email, what, how);
    Ok(Accepted::default())
}

/// Whether an attempt before this one set the password and was cut off.
async fn is_done(auth: &Inner, kept: &Kept, by: &str, new: &SecretString) -> Result<bool, Problem> {
    if kept.credential.password_reset_by.as_deref() != Some(by) {
        return Ok(false);
    }
    let hash = Some(kept.credential.password.clone());
    Ok(matches!(auth.passwords.verify(new.clone(), hash).await?, Verdict::Right { .. }))
}
