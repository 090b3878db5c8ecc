//! Who got and who read a message. For members only.

use axum::extract::State;
use chasqui_events::{RoomId, Seq, UserId};
use chasqui_http::{Json, Path, Query, Refusal};
use chasqui_protocol::{
    Code, Problem,
    query::{Freshness, Receipts},
};

use crate::{
    asking::Asking,
    parameters::parameters,
    reader::{Reader, measured, not_read},
    routes::QueryApi,
};

parameters! {
    /// Of `GET /v1/rooms/{room}/messages/{seq}/receipts`.
    Parameters {}
}

/// Who got and who read a message
///
/// For members of the room.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/messages/{seq}/receipts", tag = "queries", security(("access_token" = [])),
    params(
        ("room" = uuid::Uuid, Path, description = "The room"),
        ("seq" = u64, Path, description = "The message's place"),
        Parameters,
    ),
    responses(
        (status = 200, body = Receipts),
        (status = 403, description = "`not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`, `message-not-found`", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    Asking(caller): Asking,
    Path((room, seq)): Path<(RoomId, Seq)>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Receipts>, Refusal> {
    Ok(Json(read(api.reader(), caller.identity.user, room, seq, parameters.fresh()?).await?))
}

pub(crate) async fn read(
    reader: &Reader,
    caller: UserId,
    room: RoomId,
    seq: Seq,
    fresh: Freshness,
) -> Result<Receipts, Problem> {
    measured("receipts", async {
        reader.fresh_room(room, fresh).await?;
        let access = reader.access(caller, room).await?;
        access.members_only()?;
        if !access.shows(seq) || seq == 0 || seq > access.room.top {
            return Err(Problem::new(Code::MessageNotFound, "the room has nothing for you at this place"));
        }
        reader.model().receipts(room, seq).await.map_err(|error| not_read(&error))
    })
    .await
}
