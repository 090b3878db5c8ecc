//! `rename_passkey`: call a passkey something else.

use axum::extract::State;
use chasqui_domain::Rejection;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Code, Problem, command::RenamePasskey};

use crate::{
    caller::Caller,
    credential::{self, Credential},
    proof, refusal,
    serve::measured,
    service::{Auth, Inner},
};

/// Call a passkey something else
///
/// The name is for its owner, to tell their passkeys apart.
#[utoipa::path(
    post, path = "/v1/commands/rename_passkey", tag = "identity", request_body = RenamePasskey,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "It is called so", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 401, description = "`unauthorized`", body = Problem),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 404, description = "`passkey-not-found`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<RenamePasskey>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("rename_passkey", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    caller: &Caller,
    command: RenamePasskey,
) -> Result<Accepted, Problem> {
    let RenamePasskey { passkey: id, name } = command;
    check_name(&name, auth.limits.name_chars)?;
    proof::own(auth, caller).await?;
    let renamed = |credential: &Credential| {
        let renamed = credential.factors.with_changed_passkey(&id, |passkey| Some(passkey.called(&name)));
        let factors = renamed.ok_or_else(not_found)?;
        Ok((Some(Credential { factors, ..credential.clone() }), ()))
    };
    credential::change(auth, caller.identity.user, renamed).await?;
    Ok(Accepted::default())
}

pub(super) fn not_found() -> Problem {
    Problem::new(Code::PasskeyNotFound, "the account has no passkey with this id")
}

pub(super) fn check_name(name: &str, most: usize) -> Result<(), Problem> {
    let what = "the name of a passkey";
    let given = name.trim().chars().count();
    if given == 0 || given > most {
        let size = Rejection::Size { what, unit: "characters", least: 1, most, given };
        return Err(refusal::rejected(&size));
    }
    if name.chars().any(char::is_control) {
        return Err(refusal::rejected(&Rejection::ControlCharacters { what }));
    }
    Ok(())
}
