//! Who asks a query over HTTP: a caller who does not ask too often.

use axum::{extract::FromRequestParts, http::request::Parts};
use chasqui_auth::Caller;
use chasqui_http::Refusal;

use crate::routes::QueryApi;

/// A verified caller, whose query is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking(pub(crate) Caller);

impl FromRequestParts<QueryApi> for Asking {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &QueryApi) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, api).await?;
        api.reader().admit(caller.identity.user)?;
        Ok(Self(caller))
    }
}
