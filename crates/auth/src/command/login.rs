//! `login`: open a session.
//!
//! Who exists is not told: the same words, the same status and the same work whether the name is unknown, has no
//! password, or another one, or belongs to an account that may not act.

use axum::extract::State;
use chasqui_domain::Rejection;
use chasqui_events::{Timestamp, UserId};
use chasqui_http::{ClientAddress, Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{Login, Tokens},
};
use chasqui_runtime::{metrics::names, telemetry::TraceContext};
use secrecy::SecretString;

use crate::{
    caller::Trace,
    credential::{self, Credential, Kept},
    family::Origin,
    password::Verdict,
    refusal,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// Open a session
///
/// The access token goes into `Authorization: Bearer` and the hello frame; the refresh token gets a new pair
/// before the access token expires, and is good once.
#[utoipa::path(
    post, path = "/v1/commands/login", tag = "identity", request_body = Login,
    responses(
        (status = 200, description = "The session is open", body = Tokens),
        (status = 401, description = "`wrong-credentials`", body = Problem),
        (status = 429, description = "`too-many`: also after failures in a row, for names that nobody has as for others", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Trace(trace): Trace,
    address: ClientAddress,
    Json(command): Json<Login>,
) -> Result<Json<Tokens>, Refusal> {
    Ok(Json(measured("login", handle(&auth.0, &trace, address, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    trace: &TraceContext,
    ClientAddress(address): ClientAddress,
    command: Login,
) -> Result<Tokens, Problem> {
    let Login { name, password, device } = command;
    let password = SecretString::from(password);
    check_device(&device, auth.limits.name_chars)?;
    let name = auth.name_key.token(&name);
    auth.rates.login(&name, address).await?;
    let user = auth.holder(&name).await?.map(|(_, registered)| registered.user);
    let kept = kept(auth, user).await?;
    let hash = kept.as_ref().map(|kept| kept.credential.password.clone());
    let account = auth.account(user.unwrap_or_else(nobody)).await?;
    let verdict = auth.passwords.verify(password.clone(), hash).await?;
    let user = user.filter(|_| account.may_act());
    let (Some(user), Some(kept), Verdict::Right { outdated }) = (user, kept, verdict) else {
        metrics::counter!(names::AUTH_LOGINS_TOTAL, "outcome" => "refused").increment(1);
        return Err(Problem::new(Code::WrongCredentials, "there is no user of this name with this password"));
    };
    auth.rates.logged_in(&name, address).await;
    if outdated {
        renew(auth, user, &kept, password).await;
    }
    let tokens = sessions::open(auth, trace, user, name, Origin { device, address }).await?;
    metrics::counter!(names::AUTH_LOGINS_TOTAL, "outcome" => "ok").increment(1);
    Ok(tokens)
}

/// The credential of a user. Nobody's is looked for in the same way, so that it takes the same time.
async fn kept(auth: &Inner, user: Option<UserId>) -> Result<Option<Kept>, Problem> {
    credential::load(auth, user.unwrap_or_else(nobody)).await
}

/// Hashes the password at today's cost. Where this fails, or somebody else changes the credential meanwhile, the old
/// hash stays good and the next login tries again.
async fn renew(auth: &Inner, user: UserId, kept: &Kept, password: SecretString) {
    let renewed = async {
        let password = auth.passwords.rehash(password).await?;
        credential::replace(auth, user, kept, &Credential { password, ..kept.credential.clone() }).await
    };
    if let Err(problem) = renewed.await {
        tracing::warn!(%problem, user.id = %user, "an outdated password hash is kept for now");
    }
}

/// A user who does not exist: what is read of somebody is read of them, too.
fn nobody() -> UserId {
    UserId::new(Timestamp(0), [0; 10])
}

fn check_device(device: &str, most: usize) -> Result<(), Problem> {
    let what = "the name of a device";
    let given = device.chars().count();
    if given > most {
        let size = Rejection::Size { what, unit: "characters", least: 0, most, given };
        return Err(refusal::rejected(&size));
    }
    if device.chars().any(char::is_control) {
        return Err(refusal::rejected(&Rejection::ControlCharacters { what }));
    }
    Ok(())
}
