//! The public rooms by name.

use axum::extract::State;
use chasqui_http::{Json, Query, Refusal};
use chasqui_protocol::{
    Code, Problem,
    query::{Freshness, PublicRooms},
};

use crate::{
    asking::Asking,
    parameters::parameters,
    reader::{Reader, measured, not_read},
    routes::QueryApi,
};

/// No room's name is longer.
const LONGEST: usize = 1024;

parameters! {
    /// Of `GET /v1/rooms`.
    Parameters {
        /// What their names begin with; all without it.
        name: Option<String>,
    }
}

/// The public rooms by name
#[utoipa::path(
    get, path = "/v1/rooms", tag = "queries", params(Parameters), security(("access_token" = [])),
    responses(
        (status = 200, description = "By name, at most 100", body = PublicRooms),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    _: Asking,
    Query(parameters): Query<Parameters>,
) -> Result<Json<PublicRooms>, Refusal> {
    let fresh = parameters.fresh()?;
    Ok(Json(read(api.reader(), parameters.name.as_deref().unwrap_or_default(), fresh).await?))
}

pub(crate) async fn read(reader: &Reader, name: &str, fresh: Freshness) -> Result<PublicRooms, Problem> {
    measured("public_rooms", async {
        if name.len() > LONGEST {
            return Err(Problem::new(Code::Size, format!("a name to look for has at most {LONGEST} bytes")));
        }
        reader.fresh_rooms(fresh).await?;
        let rooms = reader.model().public_rooms(name).await.map_err(|error| not_read(&error))?;
        Ok(PublicRooms { rooms })
    })
    .await
}
