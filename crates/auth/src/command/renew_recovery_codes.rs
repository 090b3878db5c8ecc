//! `renew_recovery_codes`: make new recovery codes.

use axum::extract::State;
use chasqui_events::identity::{CredentialChange, CredentialPart};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{NewCodes, RenewRecoveryCodes},
};
use chasqui_runtime::clock::random_bytes;

use crate::{
    caller::Caller,
    credential::{self, Credential},
    proof,
    recovery::RecoveryCodes,
    serve::measured,
    service::{Auth, Inner},
};

/// Make new recovery codes
///
/// The old ones are good no more. The new ones are shown here and never again.
#[utoipa::path(
    post, path = "/v1/commands/renew_recovery_codes", tag = "identity", request_body = RenewRecoveryCodes,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The new ones", body = NewCodes),
        (status = 400, description = "`malformed`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`proof-needed`; `forbidden` without a second factor", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<RenewRecoveryCodes>,
) -> Result<Json<NewCodes>, Refusal> {
    Ok(Json(measured("renew_recovery_codes", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    caller: &Caller,
    command: RenewRecoveryCodes,
) -> Result<NewCodes, Problem> {
    let RenewRecoveryCodes { id, password } = command;
    let kept = proof::own(auth, caller).await?;
    proof::demand(auth, caller, &kept, password.map(Into::into)).await?;
    let (codes, shown) = RecoveryCodes::new(&std::array::from_fn(|_| random_bytes()));
    let renewed = |credential: &Credential| {
        if !credential.factors.any() {
            let detail = "recovery codes stand in for a second factor, and there is none; set one up first";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let factors = credential.factors.with_recovery(codes.clone());
        Ok((Some(Credential { factors, ..credential.clone() }), ()))
    };
    credential::change(auth, caller.identity.user, renewed).await?;
    let (what, how) = (CredentialPart::RecoveryCodes, CredentialChange::Replaced);
    auth.record_credential_change(caller.identity.user, &caller.trace, id, what, how).await?;
    auth.notice(kept.credential.email, what, how);
    Ok(NewCodes { recovery_codes: shown.iter().map(|code| code.to_string()).collect() })
}
