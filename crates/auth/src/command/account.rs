//! `account`: what those who keep order see of somebody's account.

use axum::extract::State;
use chasqui_http::{Json, Path, Refusal};
use chasqui_protocol::{Problem, command::AccountShown};

use crate::{
    account::{By, show},
    caller::Caller,
    serve::measured,
    service::Auth,
};

/// Somebody's account, for those who keep order
///
/// By id or by name. As the log has it now. Needs the global role `moderator`.
#[utoipa::path(
    get, path = "/v1/admin/users/{user}", tag = "administration", security(("access_token" = [])),
    params(("user" = String, Path, description = "The user's id, or their name")),
    responses(
        (status = 200, body = AccountShown),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`user-not-found`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<AccountShown>, Refusal> {
    let by = By::User(caller.identity.user);
    Ok(Json(measured("account", show(&auth.0, by, &user)).await?))
}
