//! `verify_email`: show that one reads the mails to an address.
//!
//! The address is claimed first, by making its key in the bucket `EMAILS`; then the credential learns of it; then the
//! one before is free; then the token is spent. Whatever is cut off in between is done by the same token again.

use axum::extract::State;
use bytes::Bytes;
use chasqui_bus::kv::KvError;
use chasqui_crypto::Spot;
use chasqui_events::{
    UserId,
    identity::{CredentialChange, CredentialPart},
};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Code, Problem, command::VerifyEmail};
use chasqui_runtime::telemetry::TraceContext;

use crate::{
    caller::{Entering, Trace},
    challenge::{self, Purpose},
    credential::{self, Credential},
    email, errand,
    ids::new_id,
    refusal,
    serve::measured,
    service::{Auth, Inner},
};

/// Verify an e-mail address
///
/// By the token that was sent to it. From now on it can reset the password, and notices go to it.
#[utoipa::path(
    post, path = "/v1/commands/verify_email", tag = "identity", request_body = VerifyEmail,
    responses(
        (status = 200, description = "The address is verified", body = Accepted),
        (status = 400, description = "`malformed`", body = Problem),
        (status = 401, description = "`challenge-expired`", body = Problem),
        (status = 409, description = "`email-taken`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Trace(trace): Trace,
    _: Entering,
    Json(command): Json<VerifyEmail>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("verify_email", handle(&auth.0, &trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    trace: &TraceContext,
    command: VerifyEmail,
) -> Result<Accepted, Problem> {
    let VerifyEmail { token } = command;
    let Purpose::VerifyEmail { user, address, generation } = challenge::attempt(auth, &token).await? else {
        return Err(challenge::expired());
    };
    let address = auth.opened(Spot::wanted_email(user), address).await?;
    if address.is_empty() {
        // Who wanted it was erased.
        return Err(challenge::expired());
    }
    let is_theirs = |credential: &Credential| credential.email.as_ref() == Some(&address);
    let may_be = |credential: &Credential| is_theirs(credential) || credential.generation == generation;
    let kept = credential::load(auth, user).await?.ok_or_else(challenge::expired)?;
    if !may_be(&kept.credential) {
        return Err(challenge::expired());
    }
    // An earlier change may have been cut off before this, and only the last one given up is remembered.
    if let Some(claim) = &kept.credential.given_up_email {
        errand::free(auth, user, claim).await?;
    }
    claim(auth, user, &address).await?;
    let verified = |credential: &Credential| {
        if !may_be(credential) {
            return Err(challenge::expired());
        }
        let with = (!is_theirs(credential)).then(|| credential.with_email(auth, Some(address.clone())));
        let given_up = with.as_ref().unwrap_or(credential).given_up_email.clone();
        Ok((with, (credential.email.clone(), given_up)))
    };
    let (before, given_up) = match credential::change(auth, user, verified).await {
        Err(problem) if problem.code == Code::ChallengeExpired => {
            errand::free(auth, user, &auth.name_key.token(&email::as_name(&address))).await?;
            return Err(problem);
        }
        changed => changed?,
    };
    if let Some(claim) = given_up {
        errand::free(auth, user, &claim).await?;
    }
    let how = if before.is_some() { CredentialChange::Replaced } else { CredentialChange::Added };
    auth.record_credential_change(user, trace, new_id(), CredentialPart::Email, how).await?;
    challenge::close(auth, &token).await?;
    auth.notice(before.filter(|before| *before != address), CredentialPart::Email, how);
    Ok(Accepted::default())
}

/// Claims an address for a user: the first one has it.
async fn claim(auth: &Inner, user: UserId, address: &str) -> Result<(), Problem> {
    let key = auth.name_key.token(&email::as_name(address));
    match auth.emails.create(&key, Bytes::from(user.to_string())).await {
        Ok(_) => Ok(()),
        Err(KvError::Conflict) if errand::holder(auth, address).await? == Some(user) => Ok(()),
        Err(KvError::Conflict) => {
            let detail =
                "another account has this address; remove it there, or reset that account's password";
            Err(Problem::new(Code::EmailTaken, detail))
        }
        Err(error) => Err(refusal::not_kept(&error)),
    }
}
