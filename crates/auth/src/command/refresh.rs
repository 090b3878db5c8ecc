//! `refresh`: exchange a refresh token for new tokens. See [`crate::family`] for the rules.

use axum::extract::State;
use bytes::Bytes;
use chasqui_bus::{
    kv::{Entry, KvError},
    subject,
};
use chasqui_events::{
    SessionId, Timestamp,
    identity::{IdentityEvent, RevocationReason, SessionRevoked},
};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{Refresh, Tokens},
};
use chasqui_runtime::{
    clock::{now_ms, random_bytes},
    metrics::names,
    telemetry::TraceContext,
};

use crate::{
    caller::Trace,
    family::{Family, Presented, RefreshToken},
    refusal,
    serve::measured,
    service::{Auth, Inner, Record, derived_id},
};

/// How often a lost race for the family is judged again.
const ATTEMPTS: usize = 8;

/// Exchange a refresh token for new tokens
///
/// A refresh token is good once. After a lost answer the same token may be shown again for a few seconds, and is
/// answered with the same successor; later, its use ends the session, because somebody else may hold a copy.
#[utoipa::path(
    post, path = "/v1/commands/refresh", tag = "identity", request_body = Refresh,
    responses(
        (status = 200, description = "New tokens", body = Tokens),
        (status = 401, description = "`refresh-rejected`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Trace(trace): Trace,
    Json(command): Json<Refresh>,
) -> Result<Json<Tokens>, Refusal> {
    Ok(Json(measured("refresh", handle(&auth.0, &trace, command)).await?))
}

pub(crate) async fn handle(auth: &Inner, trace: &TraceContext, command: Refresh) -> Result<Tokens, Problem> {
    let Ok(token) = command.refresh_token.parse::<RefreshToken>() else {
        return refused("malformed", "this is not a refresh token");
    };
    for _ in 0..ATTEMPTS {
        let Some((family, entry)) = family(auth, token.session).await? else {
            return refused("expired", "the session is over; log in again");
        };
        if !auth.account(family.user).await?.may_act() {
            return refused("account", "the session is over; log in again");
        }
        let presented = family.present(&token, Timestamp(now_ms()), random_bytes(), auth.lifetimes);
        if let Ok(outcome) = judge(auth, trace, &family, &entry, token.session, presented).await {
            return outcome;
        }
    }
    Err(refusal::busy())
}

/// Somebody else changed the family in between: look at it again.
struct LostRace;

async fn judge(
    auth: &Inner,
    trace: &TraceContext,
    family: &Family,
    entry: &Entry,
    session: SessionId,
    presented: Presented,
) -> Result<Result<Tokens, Problem>, LostRace> {
    Ok(match presented {
        Presented::Rotated(next, successor) => match store(auth, session, &next, entry).await? {
            Ok(()) => {
                count("rotated");
                auth.tokens(family.user, &family.name, &successor)
            }
            Err(problem) => Err(problem),
        },
        Presented::Repeated(successor) => {
            count("repeated");
            auth.tokens(family.user, &family.name, &successor)
        }
        Presented::Reused(ended) => {
            if let Err(problem) = store(auth, session, &ended, entry).await? {
                return Ok(Err(problem));
            }
            tracing::warn!(session.id = %session, user.id = %family.user, "a refresh token was used twice; the session is ended");
            announce(auth, trace, session, &ended).await;
            refused("reuse", "the refresh token was used before, so its session was ended; log in again")
        }
        Presented::Ended(_) => {
            announce(auth, trace, session, family).await;
            refused("reuse", "the session was ended; log in again")
        }
        Presented::Expired => {
            // Nobody can ever use it again. Where this fails, it is only kept longer.
            auth.families.delete(&session.to_string()).await.ok();
            refused("expired", "the session is over; log in again")
        }
        Presented::Foreign => refused("foreign", "the refresh token is not valid; log in again"),
    })
}

fn refused(outcome: &'static str, detail: &str) -> Result<Tokens, Problem> {
    count(outcome);
    Err(Problem::new(Code::RefreshRejected, detail))
}

fn count(outcome: &'static str) {
    metrics::counter!(names::AUTH_REFRESHES_TOTAL, "outcome" => outcome).increment(1);
}

/// The family of a session, and where it stands in its bucket.
pub(crate) async fn family(auth: &Inner, session: SessionId) -> Result<Option<(Family, Entry)>, Problem> {
    let entry = auth.families.get(&session.to_string()).await;
    let Some(entry) = entry.map_err(|error| refusal::not_kept(&error))? else { return Ok(None) };
    let family =
        serde_json::from_slice(&entry.value).map_err(|error| refusal::unreadable("the session", &error))?;
    Ok(Some((family, entry)))
}

/// Writes a family over the one that was read.
async fn store(
    auth: &Inner,
    session: SessionId,
    family: &Family,
    read: &Entry,
) -> Result<Result<(), Problem>, LostRace> {
    let document = Bytes::from(serde_json::to_vec(family).unwrap_or_default());
    match auth.families.update(&session.to_string(), document, read.revision).await {
        Ok(_) => Ok(Ok(())),
        Err(KvError::Conflict) => Err(LostRace),
        Err(error) => Ok(Err(refusal::not_kept(&error))),
    }
}

/// Ends a family for good.
pub(crate) async fn end(
    auth: &Inner,
    trace: &TraceContext,
    session: SessionId,
    reason: RevocationReason,
) -> Result<(), Problem> {
    for _ in 0..ATTEMPTS {
        let Some((family, entry)) = family(auth, session).await? else { return Ok(()) };
        let ended = if family.ended.is_some() { family } else { family.end(reason) };
        if let Ok(stored) = store(auth, session, &ended, &entry).await {
            stored?;
            announce(auth, trace, session, &ended).await;
            return Ok(());
        }
    }
    Err(refusal::busy())
}

/// Tells everyone that a session has ended, so that its connections are closed; once, or again where it is not
/// known that it was told.
async fn announce(auth: &Inner, trace: &TraceContext, session: SessionId, family: &Family) {
    let Some(reason) = family.ended.filter(|_| !family.announced) else { return };
    let record = Record {
        subject: subject::ident_user(family.user),
        // The same id each time, so that the log can tell a repetition.
        id: derived_id("session revoked", session.as_uuid(), session.timestamp()),
        by: family.user,
        import: None,
        event: IdentityEvent::SessionRevoked(SessionRevoked { session, reason }),
        first: false,
        trace,
    };
    if let Err(error) = auth.record(record).await {
        tracing::warn!(%error, session.id = %session, "the end of a session is not announced yet");
        return;
    }
    let document = Bytes::from(serde_json::to_vec(&family.told()).unwrap_or_default());
    // Nothing changes a family after its end but this.
    if let Err(error) = auth.families.put(&session.to_string(), document).await {
        tracing::warn!(%error, session.id = %session, "the end of a session may be announced again");
    }
}
