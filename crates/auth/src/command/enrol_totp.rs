//! `enrol_totp`: begin to set up an authenticator application.

use axum::extract::State;
use chasqui_crypto::Spot;
use chasqui_events::Timestamp;
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{
    Problem,
    command::{EnrolTotp, TotpEnrolment},
};
use chasqui_runtime::clock::{now_ms, random_bytes};

use crate::{
    caller::Caller,
    credential::{self, Credential},
    proof, refusal,
    serve::measured,
    service::{Auth, Inner},
    totp::Totp,
};

/// Begin to set up an authenticator application
///
/// Nothing changes for logins before `confirm_totp` has seen its first code, for which there are 15 minutes. An
/// application that is there already is replaced then.
#[utoipa::path(
    post, path = "/v1/commands/enrol_totp", tag = "identity", request_body = EnrolTotp,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The secret, for the application", body = TotpEnrolment),
        (status = 400, description = "`malformed`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`proof-needed`, `forbidden`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<EnrolTotp>,
) -> Result<Json<TotpEnrolment>, Refusal> {
    Ok(Json(measured("enrol_totp", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    caller: &Caller,
    command: EnrolTotp,
) -> Result<TotpEnrolment, Problem> {
    let kept = proof::own(auth, caller).await?;
    proof::demand(auth, caller, &kept, command.password.map(Into::into)).await?;
    let holder = auth.holder(&kept.credential.name).await?;
    let account = match holder {
        Some(holder) => auth.opened(Spot::name(holder.user), holder.name).await?,
        None => caller.identity.user.to_string(),
    };
    let totp = Totp::new(random_bytes());
    let url =
        totp.url(&account).ok_or_else(|| refusal::defect("an account's name does not fit into a URL"))?;
    let begun = |credential: &Credential| {
        let factors = credential.factors.begin_totp(totp.clone(), Timestamp(now_ms()));
        Ok((Some(Credential { factors, ..credential.clone() }), ()))
    };
    credential::change(auth, caller.identity.user, begun).await?;
    Ok(TotpEnrolment { secret: totp.secret().to_string(), url: url.to_string() })
}
