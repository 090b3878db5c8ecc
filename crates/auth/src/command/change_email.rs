//! `change_email`: give oneself an e-mail address, another one, or none.
//!
//! An address counts once its mailbox has shown the token that is sent to it; whether somebody else has it is not told
//! before. Until then the one before stays.

use axum::extract::State;
use chasqui_events::identity::{CredentialChange, CredentialPart};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::ChangeEmail};

use crate::{
    caller::Caller,
    credential::{self, Credential},
    email,
    errand::{self, Errand},
    proof,
    serve::measured,
    service::{Auth, Inner},
};

/// Change one's own e-mail address
///
/// A mail with a token goes to the new address; `verify_email` takes it. Without `email`, the address is removed at once.
#[utoipa::path(
    post, path = "/v1/commands/change_email", tag = "identity", request_body = ChangeEmail,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "A mail is on its way; or there is no address any more", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`proof-needed`, `forbidden`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
        (status = 501, description = "`not-configured`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<ChangeEmail>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("change_email", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(auth: &Inner, caller: &Caller, command: ChangeEmail) -> Result<Accepted, Problem> {
    let ChangeEmail { id, email, password } = command;
    let user = caller.identity.user;
    let address = email.as_deref().map(email::checked).transpose()?;
    let mailer = auth.mailer()?;
    let kept = proof::own(auth, caller).await?;
    proof::demand(auth, caller, &kept, password.map(Into::into)).await?;
    if let Some(address) = address {
        auth.rates.mail(user).await?;
        let generation = kept.credential.generation;
        mailer.queue(Errand::Verify { user, address, generation })?;
        return Ok(Accepted::default());
    }
    // An earlier change may have been cut off before this, and only the last one given up is remembered.
    if let Some(claim) = &kept.credential.given_up_email {
        errand::free(auth, user, claim).await?;
    }
    let removed = |credential: &Credential| {
        let before = credential.email.clone();
        let without = before.as_ref().map(|_| credential.with_email(auth, None));
        let given_up = without.as_ref().unwrap_or(credential).given_up_email.clone();
        Ok((without, (before, given_up)))
    };
    let (before, given_up) = credential::change(auth, user, removed).await?;
    if let Some(claim) = given_up {
        errand::free(auth, user, &claim).await?;
    }
    if let Some(before) = before {
        let (what, how) = (CredentialPart::Email, CredentialChange::Removed);
        auth.record_credential_change(user, &caller.trace, id, what, how).await?;
        auth.notice(Some(before), what, how);
    }
    Ok(Accepted::default())
}
