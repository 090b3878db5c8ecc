//! The caller's rooms, the most recently active first.

use axum::extract::State;
use chasqui_auth::refusal;
use chasqui_events::UserId;
use chasqui_http::{Json, Query, Refusal};
use chasqui_protocol::{
    Problem,
    query::{Conversations, Freshness},
};
use futures::future::try_join_all;

use crate::{
    asking::Asking,
    opening,
    parameters::parameters,
    reader::{Reader, measured, not_read},
    routes::QueryApi,
};

parameters! {
    /// Of `GET /v1/conversations`.
    Parameters {}
}

/// One's rooms, the most recently active first
///
/// With the number of unread messages and the last message of each.
#[utoipa::path(
    get, path = "/v1/conversations", tag = "queries", params(Parameters), security(("access_token" = [])),
    responses(
        (status = 200, body = Conversations),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    Asking(caller): Asking,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Conversations>, Refusal> {
    Ok(Json(read(api.reader(), caller.identity.user, parameters.fresh()?).await?))
}

pub(crate) async fn read(
    reader: &Reader,
    caller: UserId,
    fresh: Freshness,
) -> Result<Conversations, Problem> {
    measured("conversations", async {
        reader.fresh_rooms(fresh).await?;
        let conversations = reader.model().conversations(caller).await.map_err(|error| not_read(&error))?;
        let opened = conversations.into_iter().map(|stored| opening::with_preview(reader.keyring(), stored));
        let conversations = try_join_all(opened).await.map_err(|error| refusal::no_key(&error))?;
        Ok(Conversations { conversations })
    })
    .await
}
