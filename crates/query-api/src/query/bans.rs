//! Who is banned from a room.

use axum::extract::State;
use chasqui_auth::{GlobalRole, Identity, refusal};
use chasqui_domain::{Permission, Rejection, permission::role_outside};
use chasqui_events::{RoomId, UserId, room::Kind};
use chasqui_http::{Json, Path, Query, Refusal};
use chasqui_protocol::{
    Problem,
    query::{Bans, Freshness},
};
use chasqui_read_model::MemberStanding;

use crate::{
    asking::Asking,
    opening,
    parameters::{page_size, parameters},
    reader::{Reader, measured, not_read},
    routes::QueryApi,
};

parameters! {
    /// Of `GET /v1/rooms/{room}/bans`.
    Parameters {
        /// Only those after this one: the last one of the page before.
        #[param(value_type = Option<uuid::Uuid>)]
        after: Option<UserId>,
        /// How many at the most; 50 without it.
        limit: Option<u32>,
    }
}

/// Who is banned from a room
///
/// For those who may ban. By id, page by page; bans that ended by themselves are listed until they are lifted.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/bans", tag = "queries", security(("access_token" = [])),
    params(("room" = uuid::Uuid, Path, description = "The room"), Parameters),
    responses(
        (status = 200, body = Bans),
        (status = 403, description = "`role-too-low`, `not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    Asking(caller): Asking,
    Path(room): Path<RoomId>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Bans>, Refusal> {
    let Parameters { after, limit, .. } = parameters;
    let fresh = parameters.fresh()?;
    let Identity { user, role, .. } = caller.identity;
    Ok(Json(read(api.reader(), user, role, room, after, limit, fresh).await?))
}

pub(crate) async fn read(
    reader: &Reader,
    caller: UserId,
    global: GlobalRole,
    room: RoomId,
    after: Option<UserId>,
    limit: Option<u32>,
    fresh: Freshness,
) -> Result<Bans, Problem> {
    measured("bans", async {
        let limit = page_size(limit, reader.bounds().page)?;
        reader.fresh_room(room, fresh).await?;
        let access = reader.access(caller, room).await?;
        let membership = reader.model().membership(room, caller).await.map_err(|error| not_read(&error))?;
        let member = membership.filter(|membership| membership.standing == MemberStanding::Joined);
        let outside = role_outside(global).filter(|_| access.room.kind == Kind::Public);
        let role = member.map(|member| member.role).max(outside);
        role.ok_or(Rejection::NotAMember)
            .and_then(|role| Permission::Ban.demand(role))
            .map_err(|rejection| refusal::rejected(&rejection))?;
        let bans = reader.model().bans(room, after, limit).await.map_err(|error| not_read(&error))?;
        opening::bans(reader.keyring(), bans).await.map_err(|error| refusal::no_key(&error))
    })
    .await
}
