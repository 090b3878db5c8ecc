//! `request_password_reset`: ask for a mail with which the password can be reset.
//!
//! The answer is the same for every address, and comes before anything is looked up.

use axum::extract::State;
use chasqui_http::{ClientAddress, Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::RequestPasswordReset};
use chasqui_runtime::telemetry::TraceContext;

use crate::{
    caller::Trace,
    email,
    errand::Errand,
    serve::measured,
    service::{Auth, Inner},
};

/// Ask for a password reset by mail
///
/// The answer does not tell whether an account has this address. A mail goes out if one does, at most once a minute.
#[utoipa::path(
    post, path = "/v1/commands/request_password_reset", tag = "identity", request_body = RequestPasswordReset,
    responses(
        (status = 200, description = "If an account has this address, a mail is on its way", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
        (status = 501, description = "`not-configured`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Trace(trace): Trace,
    address: ClientAddress,
    Json(command): Json<RequestPasswordReset>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("request_password_reset", handle(&auth.0, &trace, address, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    _: &TraceContext,
    ClientAddress(address): ClientAddress,
    command: RequestPasswordReset,
) -> Result<Accepted, Problem> {
    let RequestPasswordReset { email } = command;
    let (email, mailer) = (email::checked(&email)?, auth.mailer()?);
    auth.rates.reset(address).await?;
    mailer.queue(Errand::Reset { address: email })?;
    Ok(Accepted::default())
}
