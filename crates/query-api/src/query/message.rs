//! One message by its author and id.

use axum::extract::State;
use chasqui_auth::refusal;
use chasqui_events::{CommandId, RoomId, UserId};
use chasqui_http::{Json, Path, Query, Refusal};
use chasqui_protocol::{Code, Item, Problem, query::Freshness};

use crate::{
    asking::Asking,
    opening,
    parameters::parameters,
    reader::{Reader, measured, not_read},
    routes::QueryApi,
};

parameters! {
    /// Of `GET /v1/rooms/{room}/messages/by-id/{author}/{id}`.
    Parameters {}
}

/// One message by its author and id
#[utoipa::path(
    get, path = "/v1/rooms/{room}/messages/by-id/{author}/{id}", tag = "queries", security(("access_token" = [])),
    params(
        ("room" = uuid::Uuid, Path, description = "The room"),
        ("author" = uuid::Uuid, Path, description = "Who sent it"),
        ("id" = uuid::Uuid, Path, description = "The command id that it was sent with"),
        Parameters,
    ),
    responses(
        (status = 200, body = Item),
        (status = 404, description = "`room-not-found`, `message-not-found`", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    Asking(caller): Asking,
    Path((room, author, id)): Path<(RoomId, UserId, CommandId)>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Item>, Refusal> {
    let fresh = parameters.fresh()?;
    Ok(Json(read(api.reader(), caller.identity.user, room, author, id, fresh).await?))
}

pub(crate) async fn read(
    reader: &Reader,
    caller: UserId,
    room: RoomId,
    author: UserId,
    id: CommandId,
    fresh: Freshness,
) -> Result<Item, Problem> {
    measured("message", async {
        reader.fresh_room(room, fresh).await?;
        let access = reader.access(caller, room).await?;
        let item = reader.model().message(room, author, id).await.map_err(|error| not_read(&error))?;
        let item = item.filter(|item| access.shows(item.seq)).ok_or_else(|| {
            Problem::new(Code::MessageNotFound, "no message of this author with this id stands in the room")
        })?;
        opening::open_one(reader.keyring(), item).await.map_err(|error| refusal::no_key(&error))
    })
    .await
}
