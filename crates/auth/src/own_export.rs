//! `GET /v1/me/export/account`: what the role `auth` knows of the caller. What they have said is with `query-api`.

use axum::{
    body::Bytes,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use chasqui_http::Refusal;
use chasqui_limiter::Account;
use chasqui_protocol::{
    Code, Problem,
    export::{ExportLine, ExportedAccount},
};

use crate::{
    caller::Caller,
    own_sessions,
    passkey::KeptPasskey,
    proof,
    service::{Auth, Inner},
};

/// One's own account, to take along
///
/// One line of JSON, `account`, in the shape of the lines of `GET /v1/me/export`. Secrets are not in it: neither a password, of
/// which there is a hash only, nor what second factors are made of. Needs a login that is at most `auth.proof_max_age_s` old.
#[utoipa::path(
    get, path = "/v1/me/export/account", tag = "identity", security(("access_token" = [])),
    responses(
        (status = 200, description = "The line", body = ExportLine, content_type = "application/jsonl"),
        (status = 401, description = "`unauthorized`", body = Problem),
        (status = 403, description = "`proof-needed`; `forbidden`: the account has no password", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
    )
)]
pub(crate) async fn endpoint(State(auth): State<Auth>, caller: Caller) -> Result<Response, Refusal> {
    let account = account(&auth.0, &caller).await?;
    let mut line = serde_json::to_vec(&ExportLine::Account(account))
        .map_err(|_| Problem::new(Code::Internal, "the export could not be written"))?;
    line.push(b'\n');
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Bytes::from(line)).into_response())
}

async fn account(auth: &Inner, caller: &Caller) -> Result<ExportedAccount, Problem> {
    let user = caller.identity.user;
    proof::demand_young(caller.identity.session, auth.proof_max_age)?;
    auth.rates.change(Account { user, service: false })?;
    let credential = proof::own(auth, caller).await?.credential;
    Ok(ExportedAccount {
        user,
        created_at: credential.created_at,
        role: caller.identity.role,
        email: credential.email,
        factors: credential.factors.kinds(),
        passkeys: credential.factors.passkeys().iter().map(KeptPasskey::shown).collect(),
        recovery_codes_left: credential.factors.recovery_codes_left(),
        sessions: own_sessions::list(auth, caller).await?,
    })
}
