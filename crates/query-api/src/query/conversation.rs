//! One of the caller's rooms.

use axum::extract::State;
use chasqui_auth::refusal;
use chasqui_events::{RoomId, UserId};
use chasqui_http::{Json, Path, Query, Refusal};
use chasqui_protocol::{
    Problem,
    query::{Conversation, Freshness},
};

use crate::{
    access::no_such_room,
    asking::Asking,
    opening,
    parameters::parameters,
    reader::{Reader, measured, not_read},
    routes::QueryApi,
};

parameters! {
    /// Of `GET /v1/conversations/{room}`.
    Parameters {}
}

/// One of one's rooms
#[utoipa::path(
    get, path = "/v1/conversations/{room}", tag = "queries", security(("access_token" = [])),
    params(("room" = uuid::Uuid, Path, description = "The room"), Parameters),
    responses(
        (status = 200, body = Conversation),
        (status = 404, description = "`room-not-found`: also for a room that one is not in", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    Asking(caller): Asking,
    Path(room): Path<RoomId>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Conversation>, Refusal> {
    Ok(Json(read(api.reader(), caller.identity.user, room, parameters.fresh()?).await?))
}

pub(crate) async fn read(
    reader: &Reader,
    caller: UserId,
    room: RoomId,
    fresh: Freshness,
) -> Result<Conversation, Problem> {
    measured("conversation", async {
        reader.fresh_room(room, fresh).await?;
        let conversation = reader.model().conversation(caller, room).await;
        let conversation = conversation.map_err(|error| not_read(&error))?.ok_or_else(no_such_room)?;
        let opened = opening::with_preview(reader.keyring(), conversation).await;
        opened.map_err(|error| refusal::no_key(&error))
    })
    .await
}
