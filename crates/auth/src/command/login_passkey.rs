//! `login_passkey`: open a session with a passkey alone.
//!
//! Who exists is not told: the same words and the same status whether the user or the passkey is unknown, the signature is
//! wrong, or the account may not act.

use axum::extract::State;
use chasqui_events::UserId;
use chasqui_http::{ClientAddress, Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{LoginPasskey, Tokens},
};
use chasqui_runtime::{metrics::names, telemetry::TraceContext};
use serde_json::Value;

use super::login;
use crate::{
    caller::{Entering, Trace},
    challenge::{self, PendingLogin, Purpose},
    credential::{self, Credential, Kept},
    passkey::{self, RelyingParty},
    serve::measured,
    service::{Auth, Inner},
};

/// Open a session with a passkey alone
///
/// The authenticator must have verified its user. A handle is good once.
#[utoipa::path(
    post, path = "/v1/commands/login_passkey", tag = "identity", request_body = LoginPasskey,
    responses(
        (status = 200, description = "The session is open", body = Tokens),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 401, description = "`wrong-credentials`, `challenge-expired`", body = Problem),
        (status = 501, description = "`not-configured`: passkeys need a domain", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Trace(trace): Trace,
    Entering(address): Entering,
    Json(command): Json<LoginPasskey>,
) -> Result<Json<Tokens>, Refusal> {
    Ok(Json(measured("login_passkey", handle(&auth.0, &trace, address, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    trace: &TraceContext,
    ClientAddress(address): ClientAddress,
    command: LoginPasskey,
) -> Result<Tokens, Problem> {
    let LoginPasskey { handle, credential: answer, device, reactivate } = command;
    let party = passkey::needed(auth.passkeys.as_ref())?;
    login::check_device(&device, auth.limits.name_chars)?;
    let Purpose::PasskeyLogin { state } = challenge::attempt(auth, &handle).await? else {
        return Err(challenge::expired());
    };
    let Some((user, kept)) = shown(auth, party, &answer, &state).await? else { return Err(refused()) };
    if !auth.account(user).await?.may_enter(reactivate) {
        return Err(refused());
    }
    challenge::spend(auth, &handle).await?;
    let Credential { name, generation, .. } = kept.credential;
    let login = PendingLogin { user, name, device, address, reactivate, passkey: None, generation };
    login::open(auth, trace, login).await
}

/// Whose passkey was shown; nothing when it is not right.
async fn shown(
    auth: &Inner,
    party: &RelyingParty,
    answer: &Value,
    state: &Value,
) -> Result<Option<(UserId, Kept)>, Problem> {
    let Some((user, id)) = passkey::named(answer)? else { return Ok(None) };
    let Some(kept) = credential::load(auth, user).await? else { return Ok(None) };
    let known = kept.credential.factors.passkeys().iter().find(|known| known.id == id);
    let Some(known) = known else { return Ok(None) };
    let Some(result) = party.judge_found(answer, state, known)? else { return Ok(None) };
    Ok(passkey::use_up(auth, user, &result).await?.then_some((user, kept)))
}

fn refused() -> Problem {
    metrics::counter!(names::AUTH_LOGINS_TOTAL, "outcome" => "refused").increment(1);
    Problem::new(Code::WrongCredentials, "this passkey opens no account here")
}
