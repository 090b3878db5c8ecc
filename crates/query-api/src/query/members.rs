//! Who is in a room.

use axum::extract::State;
use chasqui_auth::refusal;
use chasqui_events::{RoomId, UserId};
use chasqui_http::{Json, Path, Query, Refusal};
use chasqui_protocol::{
    Problem,
    query::{Freshness, Members},
};

use crate::{
    asking::Asking,
    opening,
    parameters::{page_size, parameters},
    reader::{Reader, measured, not_read},
    routes::QueryApi,
};

parameters! {
    /// Of `GET /v1/rooms/{room}/members`.
    Parameters {
        /// Only those after this one: the last one of the page before.
        #[param(value_type = Option<uuid::Uuid>)]
        after: Option<UserId>,
        /// How many at the most; 50 without it.
        limit: Option<u32>,
    }
}

/// Who is in a room
///
/// By id, page by page.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/members", tag = "queries", security(("access_token" = [])),
    params(("room" = uuid::Uuid, Path, description = "The room"), Parameters),
    responses(
        (status = 200, body = Members),
        (status = 403, description = "`not-a-member`: invited, but not in the room yet", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    Asking(caller): Asking,
    Path(room): Path<RoomId>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Members>, Refusal> {
    let Parameters { after, limit, .. } = parameters;
    let fresh = parameters.fresh()?;
    Ok(Json(read(api.reader(), caller.identity.user, room, after, limit, fresh).await?))
}

pub(crate) async fn read(
    reader: &Reader,
    caller: UserId,
    room: RoomId,
    after: Option<UserId>,
    limit: Option<u32>,
    fresh: Freshness,
) -> Result<Members, Problem> {
    measured("members", async {
        let limit = page_size(limit, reader.bounds().page)?;
        reader.fresh_room(room, fresh).await?;
        reader.access(caller, room).await?;
        let members = reader.model().members(room, after, limit).await.map_err(|error| not_read(&error))?;
        opening::members(reader.keyring(), members).await.map_err(|error| refusal::no_key(&error))
    })
    .await
}
