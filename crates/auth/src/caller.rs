//! Who asks: the extractor for HTTP routes, and its counterpart for commands over NATS.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use chasqui_http::{ClientAddress, Refusal};
use chasqui_limiter::Account;
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::telemetry::{TRACEPARENT, TraceContext};

use crate::{identity::Identity, service::Auth, verifier::Verifier};

/// A verified caller, and the trace that their request belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Who.
    pub identity: Identity,
    /// The trace.
    pub trace: TraceContext,
}

impl Caller {
    /// The caller of a command of this name, with this access token and `traceparent`.
    ///
    /// # Errors
    /// As [`Verifier::verify`]; also `unauthorized` without a token.
    pub async fn verify(
        verifier: &Verifier,
        command: &str,
        token: Option<&str>,
        traceparent: Option<&str>,
    ) -> Result<Self, Problem> {
        let token = token.ok_or_else(no_token)?;
        let identity = verifier.verify(token).await?;
        identity.may_do(command)?;
        Ok(Self { identity, trace: TraceContext::continue_from(traceparent) })
    }

    /// Whose limits hold for this caller.
    #[must_use]
    pub fn account(&self) -> Account {
        self.identity.account()
    }

    /// The same, also when the session was ended already.
    pub(crate) async fn verify_leaving(
        verifier: &Verifier,
        token: Option<&str>,
        traceparent: Option<&str>,
    ) -> Result<Self, Problem> {
        let identity = verifier.verify_signed(token.ok_or_else(no_token)?).await?;
        Ok(Self { identity, trace: TraceContext::continue_from(traceparent) })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let identity = Verifier::from_ref(state).verify(token_of(parts)?).await?;
        identity.may_call(parts.uri.path())?;
        Ok(Self { identity, trace: trace_of(parts) })
    }
}

/// Who ends their session, perhaps for the second time because the first answer was lost.
pub(crate) struct Leaving(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Leaving
where
    Verifier: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let identity = Verifier::from_ref(state).verify_signed(token_of(parts)?).await?;
        Ok(Self(Caller { identity, trace: trace_of(parts) }))
    }
}

/// A stranger at one of the entrances: the address that they come from, which is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entering(pub(crate) ClientAddress);

impl FromRequestParts<Auth> for Entering {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, Refusal> {
        let Ok(address) = ClientAddress::from_request_parts(parts, auth).await;
        auth.0.rates.enter(address.0)?;
        Ok(Self(address))
    }
}

fn token_of(parts: &Parts) -> Result<&str, Problem> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    header.and_then(bearer).ok_or_else(no_token)
}

/// The trace of a request whose caller is not known (yet).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace(pub(crate) TraceContext);

impl<S: Send + Sync> FromRequestParts<S> for Trace {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(trace_of(parts)))
    }
}

/// The shell around the routes has begun the trace; without it, the header decides.
fn trace_of(parts: &Parts) -> TraceContext {
    parts.extensions.get::<TraceContext>().copied().unwrap_or_else(|| {
        TraceContext::continue_from(parts.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()))
    })
}

/// The token of `Authorization: Bearer <token>`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn no_token() -> Problem {
    Problem::new(Code::Unauthorized, "send an access token: Authorization: Bearer <token>, got by login")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer"), None);
    }
}
