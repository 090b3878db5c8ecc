//! `remove_totp`: remove the authenticator application.

use axum::extract::State;
use chasqui_events::identity::{CredentialChange, CredentialPart};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Code, Problem, command::RemoveTotp};
use secrecy::SecretString;

use crate::{
    caller::Caller,
    credential::{self, Credential},
    proof,
    second_factor::SecondFactors,
    serve::measured,
    service::{Auth, Inner},
};

/// Remove the authenticator application
///
/// Where it is the last second factor, the recovery codes go with it, and the password must be long enough to be alone.
#[utoipa::path(
    post, path = "/v1/commands/remove_totp", tag = "identity", request_body = RemoveTotp,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "There is none (any more)", body = Accepted),
        (status = 400, description = "`malformed`, `weak-password`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<RemoveTotp>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("remove_totp", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(auth: &Inner, caller: &Caller, command: RemoveTotp) -> Result<Accepted, Problem> {
    let RemoveTotp { id, password } = command;
    let password = SecretString::from(password);
    let kept = proof::own(auth, caller).await?;
    proof::password(auth, &kept, password.clone()).await?;
    let short = auth.passwords.is_short_alone(&password);
    let removed = |credential: &Credential| {
        let factors = credential.factors.without_totp();
        refuse_short(short, &factors)?;
        let changed = (factors != credential.factors).then(|| Credential { factors, ..credential.clone() });
        let is_change = changed.is_some();
        Ok((changed, is_change))
    };
    if credential::change(auth, caller.identity.user, removed).await? {
        auth.record_credential_change(
            caller.identity.user,
            &caller.trace,
            id,
            CredentialPart::Totp,
            CredentialChange::Removed,
        )
        .await?;
        auth.notice(kept.credential.email, CredentialPart::Totp, CredentialChange::Removed);
    }
    Ok(Accepted::default())
}

/// Refuses to leave a password alone that is too short for that.
pub(super) fn refuse_short(short: bool, left: &SecondFactors) -> Result<(), Problem> {
    if short && !left.any() {
        let detail =
            "the password is too short to be all that a login asks for; change it to a longer one first";
        return Err(Problem::new(Code::WeakPassword, detail));
    }
    Ok(())
}
