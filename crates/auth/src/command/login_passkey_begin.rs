//! `login_passkey_begin`: begin a login with a passkey alone.

use std::time::Duration;

use axum::extract::State;
use chasqui_http::{ClientAddress, Json, Refusal};
use chasqui_protocol::{
    Problem,
    command::{LoginPasskeyBegin, PasskeyAsked},
};

use crate::{
    challenge::{self, Purpose},
    passkey,
    serve::measured,
    service::{Auth, Inner},
};

/// How long the authenticator has: pages ask early, and offer passkeys while a name is typed.
const LIFE: Duration = Duration::from_mins(5);
/// Answers that are looked at.
const ATTEMPTS: u32 = 3;

/// Begin a login with a passkey alone
///
/// `options` go to `navigator.credentials.get` (through `PublicKeyCredential.parseRequestOptionsFromJSON`), and what that
/// gives goes to `login_passkey`, within five minutes. Nobody is named: the authenticator knows whose passkeys it has.
#[utoipa::path(
    post, path = "/v1/commands/login_passkey_begin", tag = "identity", request_body = LoginPasskeyBegin,
    responses(
        (status = 200, description = "What the authenticator is asked", body = PasskeyAsked),
        (status = 400, description = "`malformed`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
        (status = 501, description = "`not-configured`: passkeys need a domain", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    address: ClientAddress,
    Json(LoginPasskeyBegin {}): Json<LoginPasskeyBegin>,
) -> Result<Json<PasskeyAsked>, Refusal> {
    Ok(Json(measured("login_passkey_begin", handle(&auth.0, address)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    ClientAddress(address): ClientAddress,
) -> Result<PasskeyAsked, Problem> {
    let party = passkey::needed(auth.passkeys.as_ref())?;
    auth.rates.login_from(address).await?;
    let begun = party.ask_anybody()?;
    let handle = challenge::issue(auth, Purpose::PasskeyLogin { state: begun.state }, LIFE, ATTEMPTS).await?;
    Ok(PasskeyAsked { handle, options: begun.options, expires_in: LIFE.as_secs() })
}
