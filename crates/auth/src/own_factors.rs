//! `GET /v1/me/factors`: how the caller logs in, as far as one may be told.

use axum::extract::State;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Problem,
    command::{FactorKind, OwnFactors},
};

use crate::{caller::Caller, passkey::KeptPasskey, proof, service::Auth};

/// How one logs in
#[utoipa::path(
    get, path = "/v1/me/factors", tag = "identity", security(("access_token" = [])),
    responses(
        (status = 200, description = "What there is beside the password", body = OwnFactors),
        (status = 401, description = "`unauthorized`", body = Problem),
        (status = 403, description = "`forbidden`: the account has no password", body = Problem),
    )
)]
pub(crate) async fn endpoint(State(auth): State<Auth>, caller: Caller) -> Result<Json<OwnFactors>, Refusal> {
    auth.0.rates.query(caller.identity.user)?;
    let credential = proof::own(&auth.0, &caller).await?.credential;
    let (factors, email) = (credential.factors, credential.email);
    let totp = factors.kinds().contains(&FactorKind::Totp);
    let passkeys = factors.passkeys().iter().map(KeptPasskey::shown).collect();
    Ok(Json(OwnFactors { totp, passkeys, recovery_codes_left: factors.recovery_codes_left(), email }))
}
