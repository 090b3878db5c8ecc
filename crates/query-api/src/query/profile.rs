//! Somebody's profile.

use axum::extract::State;
use chasqui_auth::refusal;
use chasqui_events::UserId;
use chasqui_http::{Json, Path, Query, Refusal};
use chasqui_protocol::{
    Code, Problem,
    query::{Freshness, Profile},
};

use crate::{
    asking::Asking,
    opening,
    parameters::parameters,
    reader::{Reader, measured, not_read},
    routes::QueryApi,
};

parameters! {
    /// Of `GET /v1/users/{user}`.
    Parameters {}
}

/// Somebody's profile
#[utoipa::path(
    get, path = "/v1/users/{user}", tag = "queries", security(("access_token" = [])),
    params(("user" = uuid::Uuid, Path, description = "Who"), Parameters),
    responses(
        (status = 200, body = Profile),
        (status = 404, description = "`user-not-found`", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    _: Asking,
    Path(user): Path<UserId>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Profile>, Refusal> {
    Ok(Json(read(api.reader(), user, parameters.fresh()?).await?))
}

pub(crate) async fn read(reader: &Reader, user: UserId, fresh: Freshness) -> Result<Profile, Problem> {
    measured("profile", async {
        reader.fresh_people(fresh).await?;
        let profile = reader.model().profile(user).await.map_err(|error| not_read(&error))?;
        let profile = profile
            .ok_or_else(|| Problem::new(Code::UserNotFound, "there is no user of this id, or not yet"))?;
        opening::profile(reader.keyring(), profile).await.map_err(|error| refusal::no_key(&error))
    })
    .await
}
