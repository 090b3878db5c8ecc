//! `confirm_totp`: finish setting up an authenticator application.

use axum::extract::State;
use chasqui_events::{
    Timestamp,
    identity::{CredentialChange, CredentialPart},
};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{ConfirmTotp, NewCodes},
};
use chasqui_runtime::clock::{now_ms, random_bytes};

use crate::{
    caller::Caller,
    credential::{self, Credential},
    recovery::RecoveryCodes,
    serve::measured,
    service::{Auth, Inner},
};

/// Finish setting up an authenticator application
///
/// From now on logins ask for its codes. With the first second factor come ten recovery codes, which are shown here and
/// never again.
#[utoipa::path(
    post, path = "/v1/commands/confirm_totp", tag = "identity", request_body = ConfirmTotp,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "It is set up", body = NewCodes),
        (status = 400, description = "`malformed`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-code`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<ConfirmTotp>,
) -> Result<Json<NewCodes>, Refusal> {
    Ok(Json(measured("confirm_totp", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(auth: &Inner, caller: &Caller, command: ConfirmTotp) -> Result<NewCodes, Problem> {
    let ConfirmTotp { id, code } = command;
    let (codes, shown) = RecoveryCodes::new(&std::array::from_fn(|_| random_bytes()));
    let confirmed = |credential: &Credential| {
        let had = credential.factors.any();
        let factors = credential.factors.confirm_totp(&code, Timestamp(now_ms())).ok_or_else(|| {
            let detail =
                "this is not the code that the application shows now, or setting it up took too long";
            Problem::new(Code::WrongCode, detail)
        })?;
        let factors = if had { factors } else { factors.with_recovery(codes.clone()) };
        Ok((Some(Credential { factors, ..credential.clone() }), (had, credential.email.clone())))
    };
    let (had, email) = credential::change(auth, caller.identity.user, confirmed).await?;
    let how = if had { CredentialChange::Replaced } else { CredentialChange::Added };
    auth.record_credential_change(caller.identity.user, &caller.trace, id, CredentialPart::Totp, how).await?;
    auth.notice(email, CredentialPart::Totp, how);
    let shown = if had { Vec::new() } else { shown };
    Ok(NewCodes { recovery_codes: shown.iter().map(|code| code.to_string()).collect() })
}
