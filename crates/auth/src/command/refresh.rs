//! `refresh`: exchange a refresh token for new tokens. See [`crate::family`] for the rules.

use axum::extract::State;
use chasqui_bus::kv::Entry;
use chasqui_events::{SessionId, Timestamp};
use chasqui_http::{ClientAddress, Json, Refusal};
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
    caller::{Entering, Trace},
    family::{Family, Presented, RefreshToken},
    refusal,
    serve::measured,
    service::{Auth, Inner},
    sessions::{self, ATTEMPTS, LostRace},
};

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
    Entering(address): Entering,
    Json(command): Json<Refresh>,
) -> Result<Json<Tokens>, Refusal> {
    Ok(Json(measured("refresh", handle(&auth.0, &trace, address, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    trace: &TraceContext,
    ClientAddress(address): ClientAddress,
    command: Refresh,
) -> Result<Tokens, Problem> {
    let Ok(token) = command.refresh_token.parse::<RefreshToken>() else {
        return refused("malformed", "this is not a refresh token");
    };
    let mut counted = false;
    for _ in 0..ATTEMPTS {
        let Some((family, entry)) = sessions::find(auth, token.user, token.session).await? else {
            return refused("expired", "the session is over; log in again");
        };
        if !auth.account(family.user).await?.may_act() {
            return refused("account", "the session is over; log in again");
        }
        let mut presented = family.present(&token, Timestamp(now_ms()), random_bytes(), auth.lifetimes);
        // Whoever only knows a session's id, and not its token, keeps nobody from refreshing.
        let shown =
            matches!(presented, Presented::Rotated(..) | Presented::Repeated(_) | Presented::Ended(_));
        if shown && !counted {
            auth.rates.refresh(token.session).await?;
            counted = true;
        }
        if let Presented::Rotated(next, _) = &mut presented
            && let Some(address) = sessions::sealed_address(auth, token.user, token.session, address).await?
        {
            next.address = address;
        }
        if let Ok(outcome) = judge(auth, trace, &family, &entry, token.session, presented).await {
            return outcome;
        }
    }
    Err(refusal::busy())
}

async fn judge(
    auth: &Inner,
    trace: &TraceContext,
    family: &Family,
    entry: &Entry,
    session: SessionId,
    presented: Presented,
) -> Result<Result<Tokens, Problem>, LostRace> {
    Ok(match presented {
        Presented::Rotated(next, successor) => match sessions::store(auth, session, &next, entry).await? {
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
            if let Err(problem) = sessions::store(auth, session, &ended, entry).await? {
                return Ok(Err(problem));
            }
            tracing::warn!(session.id = %session, user.id = %family.user, "a refresh token was used twice; the session is ended");
            if let Err(problem) = sessions::announce(auth, trace, session, &ended).await {
                return Ok(Err(problem));
            }
            refused("reuse", "the refresh token was used before, so its session was ended; log in again")
        }
        Presented::Ended(_) => {
            if let Err(problem) = sessions::announce(auth, trace, session, family).await {
                return Ok(Err(problem));
            }
            refused("reuse", "the session was ended; log in again")
        }
        Presented::Expired => {
            sessions::forget(auth, family.user, session).await;
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
