//! `tokens`: the tokens of a program.

use axum::extract::State;
use chasqui_domain::Permission;
use chasqui_events::UserId;
use chasqui_http::{Json, Path, Refusal};
use chasqui_protocol::{
    Problem,
    command::{ServiceTokenShown, ServiceTokens},
};

use crate::{
    account::By,
    caller::Caller,
    refusal,
    serve::measured,
    service::{Auth, Inner},
};

/// The tokens of a program
///
/// Without their secrets, which are nowhere. Needs the global role `admin`.
#[utoipa::path(
    get, path = "/v1/admin/users/{user}/tokens", tag = "administration", security(("access_token" = [])),
    params(("user" = uuid::Uuid, Path, description = "The program")),
    responses(
        (status = 200, body = ServiceTokens),
        (status = 403, description = "`forbidden`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Path(user): Path<UserId>,
) -> Result<Json<ServiceTokens>, Refusal> {
    let by = By::User(caller.identity.user);
    Ok(Json(measured("tokens", handle(&auth.0, by, user)).await?))
}

pub(crate) async fn handle(auth: &Inner, actor: By<'_>, user: UserId) -> Result<ServiceTokens, Problem> {
    let role = auth.role_of(actor).await?;
    Permission::Services.demand_of(role).map_err(|rejection| refusal::rejected(&rejection))?;
    let mut tokens = Vec::new();
    for token in auth.account(user).await?.account.tokens() {
        let Some((kept, _)) = auth.kept_token(token).await? else { continue };
        tokens.push(ServiceTokenShown {
            token,
            name: kept.name,
            scopes: kept.scopes.split(' ').map(str::to_owned).collect(),
            expires_at: kept.expires_at,
            last_used_at: kept.last_used_at,
        });
    }
    Ok(ServiceTokens { tokens })
}
