//! `enrol_passkey`: begin to add a passkey.

use std::time::Duration;

use axum::extract::State;
use chasqui_crypto::Spot;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{EnrolPasskey, PasskeyEnrolment},
};

use crate::{
    caller::Caller,
    challenge::{self, Purpose},
    passkey, proof,
    serve::measured,
    service::{Auth, Inner},
};

/// How long the authenticator has.
const LIFE: Duration = Duration::from_mins(5);
/// Answers that are looked at.
const ATTEMPTS: u32 = 3;
/// The most passkeys of an account.
pub(super) const MOST: usize = 16;

/// Begin to add a passkey
///
/// `options` go to `navigator.credentials.create` (through `PublicKeyCredential.parseCreationOptionsFromJSON`), and what that
/// gives goes to `confirm_passkey`, within five minutes. Nothing changes for logins before that.
#[utoipa::path(
    post, path = "/v1/commands/enrol_passkey", tag = "identity", request_body = EnrolPasskey,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "What the authenticator is asked", body = PasskeyEnrolment),
        (status = 400, description = "`malformed`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`proof-needed`, `forbidden`", body = Problem),
        (status = 409, description = "`too-many-passkeys`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
        (status = 501, description = "`not-configured`: passkeys need a domain", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<EnrolPasskey>,
) -> Result<Json<PasskeyEnrolment>, Refusal> {
    Ok(Json(measured("enrol_passkey", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    caller: &Caller,
    command: EnrolPasskey,
) -> Result<PasskeyEnrolment, Problem> {
    let party = passkey::needed(auth.passkeys.as_ref())?;
    let kept = proof::own(auth, caller).await?;
    proof::demand(auth, caller, &kept, command.password.map(Into::into)).await?;
    let known = kept.credential.factors.passkeys();
    if known.len() >= MOST {
        return Err(too_many());
    }
    let user = caller.identity.user;
    let name = match auth.holder(&kept.credential.name).await? {
        Some(holder) => auth.opened(Spot::name(holder.user), holder.name).await?,
        None => user.to_string(),
    };
    let begun = party.begin_enrolment(user, &name, known)?;
    let purpose = Purpose::EnrolPasskey { user, state: begun.state };
    let handle = challenge::issue(auth, purpose, LIFE, ATTEMPTS).await?;
    Ok(PasskeyEnrolment { handle, options: begun.options, expires_in: LIFE.as_secs() })
}

pub(super) fn too_many() -> Problem {
    Problem::new(Code::TooManyPasskeys, format!("an account has at most {MOST} passkeys; remove one first"))
}
