//! The caller's own profile.

use axum::extract::State;
use chasqui_http::{Json, Query, Refusal};
use chasqui_protocol::{Problem, query::Profile};

use super::profile;
use crate::{asking::Asking, parameters::parameters, routes::QueryApi};

parameters! {
    /// Of `GET /v1/me`.
    Parameters {}
}

/// One's own profile
#[utoipa::path(
    get, path = "/v1/me", tag = "queries", params(Parameters), security(("access_token" = [])),
    responses(
        (status = 200, body = Profile),
        (status = 404, description = "`user-not-found`: not projected yet", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    Asking(caller): Asking,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Profile>, Refusal> {
    Ok(Json(profile::read(api.reader(), caller.identity.user, parameters.fresh()?).await?))
}
