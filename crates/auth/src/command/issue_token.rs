//! `issue_token`: give a program a token.
//!
//! The hash is kept first, the fact makes it good: a hash without its fact opens nothing.

use axum::extract::State;
use bytes::Bytes;
use chasqui_domain::{
    account::NewToken,
    permission::{Scope, Scopes},
};
use chasqui_events::{SessionId, Timestamp};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{IssueToken, IssuedToken},
};
use chasqui_runtime::{
    clock::{id_parts, random_bytes},
    telemetry::TraceContext,
};

use crate::{
    account::{Act, By},
    caller::Caller,
    refusal,
    serve::measured,
    service::{Auth, Inner},
    service_token::{Kept, ServiceToken},
};

/// Give a program a token
///
/// It is shown this once, and kept as a hash. When the answer is lost, revoke it and issue another one. Needs the global
/// role `admin`.
#[utoipa::path(
    post, path = "/v1/commands/issue_token", tag = "administration", request_body = IssueToken,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The token", body = IssuedToken),
        (status = 400, description = "`malformed`, `size`, `characters`, `time-has-passed`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`user-not-found`", body = Problem),
        (status = 409, description = "`not-a-service`, `too-many-tokens`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<IssueToken>,
) -> Result<Json<IssuedToken>, Refusal> {
    let by = By::User(caller.identity.user);
    Ok(Json(measured("issue_token", handle(&auth.0, by, &caller.trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    actor: By<'_>,
    trace: &TraceContext,
    command: IssueToken,
) -> Result<IssuedToken, Problem> {
    let IssueToken { id, user, name, scopes, expires_at, reason } = command;
    auth.may_manage_services(actor, &reason).await?;
    let scopes = scopes.iter().map(|word| scope(word)).collect::<Result<Vec<_>, _>>()?;
    let claim = scopes.iter().copied().fold(Scopes::NONE, Scopes::with).to_claim();
    let (at, random) = id_parts();
    let token = ServiceToken::new(SessionId::new(Timestamp(at), random), random_bytes());
    let kept = Kept::of(&token, user, name.clone(), claim, expires_at);
    let document = Bytes::from(serde_json::to_vec(&kept).unwrap_or_default());
    let key = token.id.to_string();
    auth.service_tokens.create(&key, document).await.map_err(|error| refusal::not_kept(&error))?;
    let new = NewToken { id: token.id, name, scopes, expires_at };
    let act = Act { actor, trace, id, target: user, reason: &reason };
    let issued = auth.change_account(act, |case, _| case.issue_token(&new).map(Some)).await;
    if let Err(problem) = issued {
        if problem.code != Code::Unknown
            && let Err(error) = auth.service_tokens.delete(&key).await
        {
            tracing::warn!(%error, token.id = %token.id, "the hash of a token that was not issued is left behind");
        }
        return Err(problem);
    }
    Ok(IssuedToken { token: token.id, secret: token.to_string() })
}

fn scope(word: &str) -> Result<Scope, Problem> {
    Scope::from_name(word).ok_or_else(|| {
        let known: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        Problem::new(Code::Malformed, format!("there is no scope {word:?}; there are {}", known.join(", ")))
    })
}
