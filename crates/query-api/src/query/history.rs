//! A page of a room's timeline.

use axum::extract::State;
use chasqui_events::{RoomId, Seq, UserId};
use chasqui_http::{Json, Path, Query, Refusal};
use chasqui_protocol::{
    Code, Problem,
    query::{Freshness, History, Page},
};
use chasqui_read_model::StoredHistory;

use crate::{
    asking::Asking,
    parameters::{page_size, parameters},
    reader::{Reader, measured, not_read},
    routes::QueryApi,
};

parameters! {
    /// Of `GET /v1/rooms/{room}/messages`.
    Parameters {
        /// The entries before this one, which is not among them.
        before: Option<Seq>,
        /// The entries after this one, which is not among them.
        after: Option<Seq>,
        /// The entries on both sides of this one, and itself.
        around: Option<Seq>,
        /// How many at the most; 50 without it.
        limit: Option<u32>,
    }
}

impl Parameters {
    fn page(&self) -> Result<Page, Problem> {
        match (self.before, self.after, self.around) {
            (None, None, None) => Ok(Page::Newest),
            (Some(seq), None, None) => Ok(Page::Before(seq)),
            (None, Some(seq), None) => Ok(Page::After(seq)),
            (None, None, Some(seq)) => Ok(Page::Around(seq)),
            _ => Err(Problem::new(
                Code::Malformed,
                "before, after and around exclude each other; give one of them",
            )),
        }
    }
}

/// A page of a room's timeline
///
/// Messages and changes of the room in log order: the newest ones, or those before, after or around a place.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/messages", tag = "queries", security(("access_token" = [])),
    params(("room" = uuid::Uuid, Path, description = "The room"), Parameters),
    responses(
        (status = 200, body = History),
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
) -> Result<Json<History>, Refusal> {
    let (page, fresh) = (parameters.page()?, parameters.fresh()?);
    Ok(Json(read(api.reader(), caller.identity.user, room, page, parameters.limit, fresh).await?))
}

pub(crate) async fn read(
    reader: &Reader,
    caller: UserId,
    room: RoomId,
    page: Page,
    limit: Option<u32>,
    fresh: Freshness,
) -> Result<History, Problem> {
    measured("history", async {
        let limit = page_size(limit, reader.bounds().page)?;
        reader.fresh_room(room, fresh).await?;
        let access = reader.access(caller, room).await?;
        let history = reader.model().history(room, page, limit, access.visible).await;
        let StoredHistory { items, older, newer, held_at } = history.map_err(|error| not_read(&error))?;
        Ok(History { items: reader.open(items).await?, older, newer, held_at })
    })
    .await
}
