//! `create_service`: make an account for a program.
//!
//! The name is claimed like everybody's, then the account's lane begins with the fact that makes it a program's. A
//! process that dies in between leaves a name that nobody can log in to; the same command again completes it.

use axum::extract::State;
use chasqui_domain::name::{check_display_name, check_user_name};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::CreateService};
use chasqui_runtime::telemetry::TraceContext;

use super::register::{Claim, accepted, claim_name, name_taken, new_user};
use crate::{
    account::{Act, By},
    caller::Caller,
    ids::derived_id,
    refusal,
    serve::measured,
    service::{Auth, Inner},
};

/// Make an account for a program
///
/// It has no password; it logs in with tokens that an admin issues. Needs the global role `admin`.
#[utoipa::path(
    post, path = "/v1/commands/create_service", tag = "administration", request_body = CreateService,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The account exists now", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 409, description = "`name-taken`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<CreateService>,
) -> Result<Json<Accepted>, Refusal> {
    let by = By::User(caller.identity.user);
    Ok(Json(measured("create_service", handle(&auth.0, by, &caller.trace, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    actor: By<'_>,
    trace: &TraceContext,
    command: CreateService,
) -> Result<Accepted, Problem> {
    let CreateService { id, name, display_name, reason } = command;
    auth.may_manage_services(actor, &reason).await?;
    check_user_name(&name, &auth.limits).map_err(|rejection| refusal::rejected(&rejection))?;
    check_display_name(&display_name, &auth.limits).map_err(|rejection| refusal::rejected(&rejection))?;
    let token = auth.name_key.token(&name);
    let user = match auth.holder(&token).await? {
        Some(holder) if holder.claimed_by == id => holder.user,
        Some(_) => return Err(name_taken()),
        None => {
            let user = new_user();
            auth.make_key(user).await?;
            let claim = Claim { id, user, token: &token, name, display_name, import: None };
            claim_name(auth, trace, claim).await?
        }
    };
    let id = derived_id("service", id.as_uuid(), id.timestamp());
    let act = Act { actor, trace, id, target: user, reason: &reason };
    auth.change_account(act, |case, _| case.create_service()).await?;
    Ok(accepted(user))
}
