//! `login`: open a session.
//!
//! Who exists is not told: the same words, the same status and the same work whether the name is unknown, has no
//! password, or another one, or belongs to an account that may not act, or is one that its holder went by once.

use axum::extract::State;
use chasqui_domain::Rejection;
use chasqui_events::{Timestamp, UserId, identity::RevocationReason};
use chasqui_http::{ClientAddress, Json, Refusal};
use chasqui_protocol::{
    Code, Problem,
    command::{FactorKind, LoggedIn, Login, SecondFactorAsked, Tokens},
};
use chasqui_runtime::{metrics::names, telemetry::TraceContext};
use secrecy::SecretString;

use super::change_name;
use crate::{
    caller::Trace,
    challenge::{self, PendingLogin, Purpose},
    credential::{self, Credential, Kept, Standing, Unopened},
    family::Origin,
    ids::new_id,
    password::Verdict,
    refusal,
    serve::measured,
    service::{Auth, Inner},
    sessions,
};

/// Attempts at the second factor of one login.
const CODES_PER_LOGIN: u32 = 5;

/// Open a session
///
/// The access token goes into `Authorization: Bearer` and the hello frame; the refresh token gets a new pair
/// before the access token expires, and is good once. Where the account has a second factor, the answer is the question
/// for it instead, and `login_second_factor` gives the tokens.
#[utoipa::path(
    post, path = "/v1/commands/login", tag = "identity", request_body = Login,
    responses(
        (status = 200, description = "The session is open, or a second factor is asked for", body = LoggedIn),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 401, description = "`wrong-credentials`", body = Problem),
        (status = 429, description = "`too-many`: also after failures in a row, for names that nobody has as for others", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Trace(trace): Trace,
    address: ClientAddress,
    Json(command): Json<Login>,
) -> Result<Json<LoggedIn>, Refusal> {
    Ok(Json(measured("login", handle(&auth.0, &trace, address, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    trace: &TraceContext,
    ClientAddress(address): ClientAddress,
    command: Login,
) -> Result<LoggedIn, Problem> {
    let Login { name, password, device, reactivate } = command;
    let password = SecretString::from(password);
    check_device(&device, auth.limits.name_chars)?;
    let name = auth.name_key.token(&name);
    auth.rates.login(&name, address).await?;
    let holder = auth.holder(&name).await?;
    let user = holder.as_ref().map_or_else(nobody, |holder| holder.user);
    let kept = credential::look(auth, user).await?;
    let hash = kept.as_ref().and_then(Unopened::password);
    let account = auth.account(user).await?;
    let verdict = auth.passwords.verify(password.clone(), hash).await?;
    let may_enter = account.may_enter(reactivate);
    let (Some(holder), Some(kept), Verdict::Right { outdated }, true) = (holder, kept, verdict, may_enter)
    else {
        return Err(refused());
    };
    // Not before: what a refusal takes does not tell whether there is something to open.
    let Some(kept) = kept.open(auth, user).await? else { return Err(refused()) };
    match kept.credential.standing(&name, holder.seq) {
        Standing::Former => return Err(refused()),
        Standing::Newer => change_name::settle(auth, user, &name, holder.seq).await?,
        Standing::Current if outdated => renew(auth, user, &kept, password).await,
        Standing::Current => {}
    }
    let generation = kept.credential.generation;
    let login = PendingLogin { user, name, device, address, reactivate, passkey: None, generation };
    if kept.credential.factors.any() {
        return ask_second_factor(auth, &kept, login).await;
    }
    open(auth, trace, login).await.map(LoggedIn::Tokens)
}

/// Opens the session of a login that has proved everything.
pub(crate) async fn open(auth: &Inner, trace: &TraceContext, login: PendingLogin) -> Result<Tokens, Problem> {
    let PendingLogin { user, name, device, address, reactivate, passkey: _, generation } = login;
    // Not before: whoever knows the password only must not guess codes without end.
    auth.rates.logged_in(&name, address).await;
    if reactivate {
        auth.change_own_account(trace, new_id(), user, |account, _| Ok(account.reactivate(user))).await?;
    }
    let tokens = sessions::open(auth, trace, user, name, Origin { device, address }).await?;
    // Whoever changes a password ends the sessions that they find; one that was opened meanwhile ends itself.
    if !is_of(auth, user, generation).await? {
        sessions::revoke(auth, trace, user, tokens.session, RevocationReason::PasswordChanged).await?;
        return Err(refused());
    }
    metrics::counter!(names::AUTH_LOGINS_TOTAL, "outcome" => "ok").increment(1);
    Ok(tokens)
}

/// Whether somebody's credential is still of this generation.
pub(super) async fn is_of(auth: &Inner, user: UserId, generation: u64) -> Result<bool, Problem> {
    let kept = credential::load(auth, user).await?;
    Ok(kept.is_some_and(|kept| kept.credential.generation == generation))
}

async fn ask_second_factor(auth: &Inner, kept: &Kept, login: PendingLogin) -> Result<LoggedIn, Problem> {
    let life = auth.second_factor_timeout;
    let factors = &kept.credential.factors;
    let mut kinds = factors.kinds();
    let asked = match &auth.passkeys {
        Some(party) if !factors.passkeys().is_empty() => Some(party.ask(factors.passkeys())?),
        _ => None,
    };
    let (passkey, state) = asked.map(|asked| (asked.options, asked.state)).unzip();
    kinds.retain(|kind| *kind != FactorKind::Passkey || passkey.is_some());
    let login = PendingLogin { passkey: state, ..login };
    let handle = challenge::issue(auth, Purpose::Login(login), life, CODES_PER_LOGIN).await?;
    metrics::counter!(names::AUTH_LOGINS_TOTAL, "outcome" => "second_factor").increment(1);
    Ok(LoggedIn::SecondFactor {
        second_factor: SecondFactorAsked { handle, kinds, expires_in: life.as_secs(), passkey },
    })
}

pub(crate) fn refused() -> Problem {
    metrics::counter!(names::AUTH_LOGINS_TOTAL, "outcome" => "refused").increment(1);
    Problem::new(Code::WrongCredentials, "there is no user of this name with this password")
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

pub(super) fn check_device(device: &str, most: usize) -> Result<(), Problem> {
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
