//! `login_second_factor`: finish a login whose password was right.

use axum::extract::State;
use chasqui_events::Timestamp;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{FactorProof, LoginSecondFactor, Tokens},
};
use chasqui_runtime::{clock::now_ms, metrics::names, telemetry::TraceContext};
use serde_json::Value;

use super::login;
use crate::{
    caller::{Entering, Trace},
    challenge::{self, PendingLogin, Purpose},
    credential::{self, Credential},
    passkey,
    second_factor::Proved,
    serve::measured,
    service::{Auth, Inner},
};

/// Finish a login that asks for a second factor
///
/// A handle takes five attempts, and is good once.
#[utoipa::path(
    post, path = "/v1/commands/login_second_factor", tag = "identity", request_body = LoginSecondFactor,
    responses(
        (status = 200, description = "The session is open", body = Tokens),
        (status = 400, description = "`malformed`", body = Problem),
        (status = 401, description = "`wrong-code`, `challenge-expired`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Trace(trace): Trace,
    _: Entering,
    Json(command): Json<LoginSecondFactor>,
) -> Result<Json<Tokens>, Refusal> {
    Ok(Json(measured("login_second_factor", handle(&auth.0, &trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    trace: &TraceContext,
    command: LoginSecondFactor,
) -> Result<Tokens, Problem> {
    let LoginSecondFactor { handle, proof } = command;
    let Purpose::Login(pending) = challenge::attempt(auth, &handle).await? else {
        return Err(challenge::expired());
    };
    if !login::is_of(auth, pending.user, pending.generation).await? {
        return Err(challenge::expired());
    }
    let refused = match &proof {
        FactorProof::Passkey(answer) => by_passkey(auth, &pending, answer).await?,
        FactorProof::Code(_) | FactorProof::RecoveryCode(_) => by_code(auth, &pending, &proof).await?,
    };
    if let Some(refused) = refused {
        metrics::counter!(names::AUTH_LOGINS_TOTAL, "outcome" => "refused").increment(1);
        return Err(Problem::new(Code::WrongCode, refused));
    }
    challenge::spend(auth, &handle).await?;
    // It may have been suspended since the first step.
    if !auth.account(pending.user).await?.may_enter(pending.reactivate) {
        return Err(login::refused());
    }
    login::open(auth, trace, pending).await
}

/// Why a passkey's answer is refused; nothing when it is right.
async fn by_passkey(
    auth: &Inner,
    pending: &PendingLogin,
    answer: &Value,
) -> Result<Option<&'static str>, Problem> {
    const WRONG: Option<&str> =
        Some("this is not the answer of one of the account's passkeys to what was asked");
    let (Some(party), Some(state)) = (&auth.passkeys, &pending.passkey) else { return Ok(WRONG) };
    let Some(result) = party.judge(answer, state)? else { return Ok(WRONG) };
    let used = passkey::use_up(auth, pending.user, &result).await?;
    Ok(if used { None } else { WRONG })
}

/// Why a code is refused; nothing when it is right.
async fn by_code(
    auth: &Inner,
    pending: &PendingLogin,
    proof: &FactorProof,
) -> Result<Option<&'static str>, Problem> {
    let judge = |credential: &Credential| {
        let (factors, refused) = match credential.factors.prove(proof, Timestamp(now_ms())) {
            Proved::Right(factors) => (Some(factors), None),
            Proved::Wrong(factors) => (Some(factors), Some("the code is wrong, or was used before")),
            Proved::Locked => (None, Some("too many codes were wrong; use a recovery code")),
        };
        Ok((factors.map(|factors| Credential { factors, ..credential.clone() }), refused))
    };
    credential::change(auth, pending.user, judge).await
}
