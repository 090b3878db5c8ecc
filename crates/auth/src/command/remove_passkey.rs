//! `remove_passkey`: remove a passkey.

use axum::extract::State;
use chasqui_events::identity::{CredentialChange, CredentialPart};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::RemovePasskey};
use secrecy::SecretString;

use super::{remove_totp::refuse_short, rename_passkey::not_found};
use crate::{
    caller::Caller,
    credential::{self, Credential},
    proof,
    serve::measured,
    service::{Auth, Inner},
};

/// Remove a passkey
///
/// Where it is the last second factor, the recovery codes go with it, and the password must be long enough to be alone.
#[utoipa::path(
    post, path = "/v1/commands/remove_passkey", tag = "identity", request_body = RemovePasskey,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "It is removed", body = Accepted),
        (status = 400, description = "`malformed`, `weak-password`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`passkey-not-found`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<RemovePasskey>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("remove_passkey", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    caller: &Caller,
    command: RemovePasskey,
) -> Result<Accepted, Problem> {
    let RemovePasskey { id, passkey, password } = command;
    let password = SecretString::from(password);
    let kept = proof::own(auth, caller).await?;
    proof::password(auth, &kept, password.clone()).await?;
    let short = auth.passwords.is_short_alone(&password);
    let removed = |credential: &Credential| {
        if !credential.factors.passkeys().iter().any(|known| known.id == passkey) {
            return Err(not_found());
        }
        let factors = credential.factors.without_passkey(&passkey);
        refuse_short(short, &factors)?;
        Ok((Some(Credential { factors, ..credential.clone() }), ()))
    };
    let user = caller.identity.user;
    credential::change(auth, user, removed).await?;
    let (what, how) = (CredentialPart::Passkey, CredentialChange::Removed);
    auth.record_credential_change(user, &caller.trace, id, what, how).await?;
    auth.notice(kept.credential.email, what, how);
    Ok(Accepted::default())
}
