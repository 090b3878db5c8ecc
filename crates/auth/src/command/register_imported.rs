//! `register_imported`: create an account for the author of imported messages. Nobody can log in to it.

use axum::extract::State;
use chasqui_domain::name::{check_display_name, check_user_name};
use chasqui_events::{Import, Timestamp};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::RegisterImported};
use chasqui_runtime::clock::now_ms;

use super::register::{Claim, accepted, already_there, claim_name, new_user};
use crate::{
    caller::Caller,
    refusal,
    serve::measured,
    service::{Auth, Inner, demand_import},
};

/// Create an account for the author of imported messages
///
/// It has no password, so nobody can log in to it. Needs the right to import.
#[utoipa::path(
    post, path = "/v1/commands/register_imported", tag = "identity", request_body = RegisterImported,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The account exists now", body = Accepted),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 409, description = "`name-taken`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<RegisterImported>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("register_imported", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    caller: &Caller,
    command: RegisterImported,
) -> Result<Accepted, Problem> {
    demand_import(&caller.identity)?;
    auth.rates.change(caller.account())?;
    let RegisterImported { id, name, display_name } = command;
    check_user_name(&name, &auth.limits).map_err(|rejection| refusal::rejected(&rejection))?;
    check_display_name(&display_name, &auth.limits).map_err(|rejection| refusal::rejected(&rejection))?;
    let token = auth.name_key.token(&name);
    if let Some(holder) = auth.holder(&token).await? {
        return already_there(auth, &caller.trace, id, &holder).await;
    }
    let import = Some(Import { by: caller.identity.user, at: Timestamp(now_ms()) });
    let user = new_user();
    auth.make_key(user).await?;
    let claim = Claim { id, user, token: &token, name, display_name, import };
    Ok(accepted(claim_name(auth, &caller.trace, claim).await?))
}
