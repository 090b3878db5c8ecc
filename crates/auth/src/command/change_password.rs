//! `change_password`: give oneself another password.
//!
//! The new hash takes the place of the old one first; then every other session ends, because whoever knew the old
//! password may hold one; then it is recorded. Whoever lost the answer sends the same again and is led through what may
//! be missing.

use axum::extract::State;
use chasqui_crypto::Spot;
use chasqui_events::identity::{CredentialChange, CredentialPart, RevocationReason};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::ChangePassword};
use secrecy::SecretString;

use crate::{
    caller::Caller,
    credential::{self, Credential, Kept},
    password::Verdict,
    proof, refusal,
    serve::measured,
    service::{Auth, Holder, Inner},
    sessions,
};

/// Change one's own password
///
/// All other sessions end. The rules are those of registering; with a second factor, it may be shorter.
#[utoipa::path(
    post, path = "/v1/commands/change_password", tag = "identity", request_body = ChangePassword,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The new password is good, the old one is not", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `weak-password`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 409, description = "`busy`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<ChangePassword>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("change_password", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    caller: &Caller,
    command: ChangePassword,
) -> Result<Accepted, Problem> {
    let ChangePassword { id, old_password, new_password } = command;
    let (old, new) = (SecretString::from(old_password), SecretString::from(new_password));
    let user = caller.identity.user;
    let kept = proof::own(auth, caller).await?;
    let repeated = kept.credential.password_changed_by == Some(id)
        && matches!(
            auth.passwords.verify(new.clone(), Some(kept.credential.password.clone())).await?,
            Verdict::Right { .. }
        );
    if !repeated {
        proof::password(auth, &kept, old).await?;
        let about = known_of(auth, &kept).await?;
        let password = auth.passwords.hash(new, kept.credential.asked(), about).await?;
        let changed = Credential { password, password_changed_by: Some(id), ..kept.credential.next() };
        if !credential::replace(auth, user, &kept, &changed).await? {
            return Err(refusal::busy());
        }
    }
    let reason = RevocationReason::PasswordChanged;
    sessions::revoke_all(auth, &caller.trace, user, Some(caller.identity.session), reason).await?;
    auth.record_credential_change(
        caller.identity.user,
        &caller.trace,
        id,
        CredentialPart::Password,
        CredentialChange::Replaced,
    )
    .await?;
    auth.notice(kept.credential.email, CredentialPart::Password, CredentialChange::Replaced);
    Ok(Accepted::default())
}

/// What others know of the owner of a credential.
pub(super) async fn known_of(auth: &Inner, kept: &Kept) -> Result<Vec<String>, Problem> {
    let holder = auth.holder(&kept.credential.name).await?;
    let Some(Holder { user, name, display_name, .. }) = holder else { return Ok(vec![]) };
    let name = auth.opened(Spot::name(user), name).await?;
    Ok(vec![name, auth.opened(Spot::display_name(user), display_name).await?])
}
