//! `confirm_passkey`: finish adding a passkey.

use axum::extract::State;
use chasqui_events::{
    Timestamp,
    identity::{CredentialChange, CredentialPart},
};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{ConfirmPasskey, NewCodes},
};
use chasqui_runtime::clock::{now_ms, random_bytes};

use super::{enrol_passkey, rename_passkey::check_name};
use crate::{
    caller::Caller,
    challenge::{self, Purpose},
    credential::{self, Credential},
    passkey,
    recovery::RecoveryCodes,
    serve::measured,
    service::{Auth, Inner},
};

/// Finish adding a passkey
///
/// From now on logins ask for it, or for another second factor; and it opens sessions alone. With the first second factor come
/// ten recovery codes, which are shown here and never again.
#[utoipa::path(
    post, path = "/v1/commands/confirm_passkey", tag = "identity", request_body = ConfirmPasskey,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "It is added", body = NewCodes),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-code`, `challenge-expired`", body = Problem),
        (status = 409, description = "`too-many-passkeys`", body = Problem),
        (status = 501, description = "`not-configured`: passkeys need a domain", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<ConfirmPasskey>,
) -> Result<Json<NewCodes>, Refusal> {
    Ok(Json(measured("confirm_passkey", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    caller: &Caller,
    command: ConfirmPasskey,
) -> Result<NewCodes, Problem> {
    let ConfirmPasskey { id, handle, credential: answer, name } = command;
    let party = passkey::needed(auth.passkeys.as_ref())?;
    check_name(&name, auth.limits.name_chars)?;
    let user = caller.identity.user;
    let state = match challenge::attempt(auth, &handle).await? {
        Purpose::EnrolPasskey { user: whose, state } if whose == user => state,
        _ => return Err(challenge::expired()),
    };
    let passkey = party.finish_enrolment(&answer, &state, name, Timestamp(now_ms()))?;
    challenge::spend(auth, &handle).await?;
    let (codes, shown) = RecoveryCodes::new(&std::array::from_fn(|_| random_bytes()));
    let added = |credential: &Credential| {
        let had = credential.factors.any();
        if credential.factors.passkeys().len() >= enrol_passkey::MOST {
            return Err(enrol_passkey::too_many());
        }
        let factors = credential.factors.with_passkey(passkey.clone()).ok_or_else(|| {
            Problem::new(Code::WrongCode, "this passkey was added before; use another authenticator")
        })?;
        let factors = if had { factors } else { factors.with_recovery(codes.clone()) };
        Ok((Some(Credential { factors, ..credential.clone() }), (had, credential.email.clone())))
    };
    let (had, email) = credential::change(auth, user, added).await?;
    let (what, how) = (CredentialPart::Passkey, CredentialChange::Added);
    auth.record_credential_change(user, &caller.trace, id, what, how).await?;
    auth.notice(email, what, how);
    let shown = if had { Vec::new() } else { shown };
    Ok(NewCodes { recovery_codes: shown.iter().map(|code| code.to_string()).collect() })
}
