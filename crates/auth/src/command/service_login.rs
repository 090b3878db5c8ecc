//! `service_login`: exchange a program's token for an access token.
//!
//! So edges and verifiers see access tokens only. There is no refresh token: the program's token is good again. Each login
//! is a session, noted before its token is given away, so that revoking the token or suspending the program ends it.

use axum::extract::State;
use bytes::Bytes;
use chasqui_bus::kv::KvError;
use chasqui_domain::permission::Scopes;
use chasqui_events::{SessionId, Timestamp, account::GlobalRole};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{ServiceLogin, ServiceSession},
};
use chasqui_runtime::{
    clock::{id_parts, now_ms},
    metrics::names,
};

use crate::{
    caller::Entering,
    identity::Identity,
    refusal,
    serve::measured,
    service::{Auth, Inner},
    service_token::{Kept, ServiceToken},
};

/// How often a login is noted again after others of the same token were noted meanwhile.
const ATTEMPTS: usize = 8;

/// Exchange a program's token for an access token
///
/// The access token lasts minutes; log in again with the same token before it expires.
#[utoipa::path(
    post, path = "/v1/commands/service_login", tag = "identity", request_body = ServiceLogin,
    responses(
        (status = 200, description = "An access token", body = ServiceSession),
        (status = 401, description = "`wrong-credentials`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    _: Entering,
    Json(command): Json<ServiceLogin>,
) -> Result<Json<ServiceSession>, Refusal> {
    Ok(Json(measured("service_login", handle(&auth.0, command)).await?))
}

pub(crate) async fn handle(auth: &Inner, command: ServiceLogin) -> Result<ServiceSession, Problem> {
    let now = Timestamp(now_ms());
    let Some((kept, session)) = open(auth, &command.token, now).await? else {
        metrics::counter!(names::AUTH_LOGINS_TOTAL, "outcome" => "refused").increment(1);
        return Err(Problem::new(Code::WrongCredentials, "this is no token, or it is not good any more"));
    };
    let ttl = i64::try_from(auth.access_ttl.as_millis()).unwrap_or(i64::MAX);
    let ends = now.plus_millis(ttl);
    let key = auth.signing_key(now)?;
    let identity = Identity {
        user: kept.user,
        session,
        role: GlobalRole::Service,
        expires_at: kept.expires_at.map_or(ends, |end| end.min(ends)),
        scopes: Scopes::from_claim(&kept.scopes),
        signed_by: key.id(),
    };
    let access_token = auth.access_token(&key, &identity, now)?;
    metrics::counter!(names::AUTH_LOGINS_TOTAL, "outcome" => "ok").increment(1);
    let left = u64::try_from(identity.expires_at.since(now) / 1000).unwrap_or(0);
    Ok(ServiceSession { user: identity.user, session, access_token, expires_in: left })
}

/// Opens a session, when the token is a good one: its hash is kept, its fact stands, its account may act.
async fn open(auth: &Inner, text: &str, now: Timestamp) -> Result<Option<(Kept, SessionId)>, Problem> {
    let Ok(token) = text.parse::<ServiceToken>() else { return Ok(None) };
    for _ in 0..ATTEMPTS {
        let Some((kept, revision)) = auth.kept_token(token.id).await? else { return Ok(None) };
        if !kept.admits(&token, now) {
            return Ok(None);
        }
        let (at, random) = id_parts();
        let (kept, session) = kept.opened(SessionId::new(Timestamp(at), random), now, auth.access_ttl);
        let document = Bytes::from(serde_json::to_vec(&kept).unwrap_or_default());
        match auth.service_tokens.update(&token.id.to_string(), document, revision).await {
            Ok(_) => {}
            Err(KvError::Conflict) => continue,
            Err(error) => return Err(refusal::not_kept(&error)),
        }
        // Looked at last: whoever ends the sessions after this finds the one that was just noted.
        let account = auth.account(kept.user).await?;
        let stands = account.may_act() && account.account.tokens().any(|id| id == token.id);
        return Ok(stands.then_some((kept, session)));
    }
    Err(refusal::busy())
}
