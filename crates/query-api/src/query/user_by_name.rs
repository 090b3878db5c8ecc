//! The user of a name.

use axum::extract::State;
use chasqui_auth::refusal;
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
    /// Of `GET /v1/users/by-name/{name}`.
    Parameters {}
}

/// The user of a name
///
/// In any case and Unicode form.
#[utoipa::path(
    get, path = "/v1/users/by-name/{name}", tag = "queries", security(("access_token" = [])),
    params(("name" = String, Path, description = "The name"), Parameters),
    responses(
        (status = 200, body = Profile),
        (status = 404, description = "`user-not-found`", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    _: Asking,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Profile>, Refusal> {
    Ok(Json(read(api.reader(), &name, parameters.fresh()?).await?))
}

fn not_found() -> Problem {
    Problem::new(Code::UserNotFound, "there is no user of this name, or not yet")
}

pub(crate) async fn read(reader: &Reader, name: &str, fresh: Freshness) -> Result<Profile, Problem> {
    measured("user_by_name", async {
        reader.fresh_people(fresh).await?;
        let token = reader.names()?.token(name);
        let profile = reader.model().user_by_name(&token).await.map_err(|error| not_read(&error))?;
        let profile = profile.ok_or_else(not_found)?;
        let profile =
            opening::profile(reader.keyring(), profile).await.map_err(|error| refusal::no_key(&error))?;
        if profile.erased { Err(not_found()) } else { Ok(profile) }
    })
    .await
}
