//! `ban`: put somebody out of a room, and keep them out.

use axum::extract::State;
use chasqui_auth::Caller;
use chasqui_domain::RoomCommand;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::Ban};

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Put somebody out of a room, and keep them out
///
/// They cannot join or be invited until the ban is over or lifted. Needs the role `moderator`, and more than the other has; in a public room the global role `moderator` will do.
#[utoipa::path(
    post, path = "/v1/commands/ban", tag = "rooms", request_body = Ban,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded, or so already", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`, `time-has-passed`", body = Problem),
        (status = 403, description = "`role-too-low`, `not-a-member`", body = Problem),
        (status = 404, description = "`room-not-found`, `user-not-found`", body = Problem),
        (status = 409, description = "`last-owner`, `not-in-direct`, `own-membership`, `too-many-bans`", body = Problem),
        (status = 410, description = "`room-erased`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<Ban>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("ban", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: Ban) -> Result<Accepted, Problem> {
    api.rates.change(caller.account())?;
    let Ban { id, room, user, until, reason } = command;
    let authorship = Authorship::own(caller, id, now())?;
    api.users.must_exist(user).await?;
    api.change(caller, room, id, authorship, &RoomCommand::Ban { user, until, reason }).await
}
