//! `open_direct`: open the conversation with somebody. There is one per pair, whoever opens it.
//!
//! The pair's subject on the stream `IDENT` names the room: its first fact wins. The room itself is created by
//! whoever finds the claim without it, under an id that follows from the room, so that two who do it at once
//! make one.

use axum::extract::State;
use chasqui_auth::{Caller, ids::derived_id, refusal};
use chasqui_bus::{
    log::{Append, AppendError},
    subject,
};
use chasqui_domain::{Rejection, RoomCommand};
use chasqui_events::{
    CommandId, Envelope, RoomId, UserId,
    identity::{DirectClaimed, IdentityEvent},
};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::OpenDirect};
use chasqui_runtime::clock::random_bytes;

use crate::{
    authorship::Authorship,
    serve::now,
    service::{CommandApi, Inner},
};

/// Open the conversation with somebody
///
/// There is one per pair, whoever opens it; opening it again is answered with the same room.
#[utoipa::path(
    post, path = "/v1/commands/open_direct", tag = "rooms", request_body = OpenDirect,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The conversation, new or not", body = Accepted),
        (status = 404, description = "`user-not-found`", body = Problem),
        (status = 409, description = "`direct-with-self`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<CommandApi>,
    caller: Caller,
    Json(command): Json<OpenDirect>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(api.0.in_time("open_direct", Box::pin(handle(&api.0, &caller, command))).await?))
}

pub(crate) async fn handle(api: &Inner, caller: &Caller, command: OpenDirect) -> Result<Accepted, Problem> {
    api.rates.open_direct(caller.account()).await?;
    let OpenDirect { id, user: with } = command;
    let authorship = Authorship::own(caller, id, now())?;
    if with == caller.identity.user {
        return Err(refusal::rejected(&Rejection::DirectWithSelf));
    }
    let subject = subject::ident_direct(caller.identity.user, with);
    let room = match claimed(api, &subject).await? {
        Some(room) => room,
        None => claim(api, caller, authorship, id, with, subject).await?,
    };
    api.change(caller, room, creation_of(room), authorship, &RoomCommand::OpenDirect { with }).await
}

/// The room of the pair, if it has one.
async fn claimed(api: &Inner, subject: &str) -> Result<Option<RoomId>, Problem> {
    let stored = api.log.last(subject).await.map_err(|error| refusal::not_read(&error))?;
    let Some(stored) = stored else { return Ok(None) };
    let fact = stored.decode::<IdentityEvent>();
    let fact = fact.map_err(|error| refusal::unreadable("the claim of this conversation", &error))?;
    Ok(match fact.event {
        IdentityEvent::DirectClaimed(claim) => Some(claim.room),
        IdentityEvent::Registered(_)
        | IdentityEvent::ProfileChanged(_)
        | IdentityEvent::Renamed(_)
        | IdentityEvent::CredentialChanged(_)
        | IdentityEvent::SessionOpened(_)
        | IdentityEvent::SessionRevoked(_) => None,
    })
}

/// Claims a room for the pair; the other's, when they were faster.
async fn claim(
    api: &Inner,
    caller: &Caller,
    authorship: Authorship,
    id: CommandId,
    with: UserId,
    subject: String,
) -> Result<RoomId, Problem> {
    api.users.must_exist(with).await?;
    let Authorship { by, at, import } = authorship;
    let room = api.room_of(by, id);
    let pair = if by < with { [by, with] } else { [with, by] };
    let event = IdentityEvent::DirectClaimed(DirectClaimed { room, pair });
    let envelope = Envelope { id, at, by, basis: 0, import, event };
    let trace = caller.trace.child(random_bytes()).header_value();
    let append = Append {
        expected: Some(0),
        aggregate_seq: Some(1),
        trace: Some(&trace),
        ..Append::fact(subject.clone(), &envelope)
    };
    match api.log.append(append).await {
        Ok(appended) if !appended.duplicate => Ok(room),
        Ok(_) | Err(AppendError::Conflict) => claimed(api, &subject).await?.ok_or_else(refusal::busy),
        Err(error) => Err(refusal::not_appended(&error)),
    }
}

/// The id of the creation of a claimed room, the same whoever creates it.
fn creation_of(room: RoomId) -> CommandId {
    derived_id("direct", room.as_uuid(), room.timestamp())
}
