//! `register`: create an account.
//!
//! The user's key and the password's hash are written first, under the new user's id; the name is claimed second, by being
//! the first fact on its subject. Whoever loses that race takes key and hash back.
//!
//! An e-mail address that comes along is kept in the token that is sent there, and nowhere else until that comes back. Whether
//! somebody has it already is looked at then, so neither the answer nor its time tells.

use axum::extract::State;
use chasqui_bus::{log::AppendError, subject};
use chasqui_crypto::Spot;
use chasqui_domain::name::{check_display_name, check_user_name};
use chasqui_events::{
    CommandId, Import, Text, Timestamp, UserId,
    identity::{IdentityEvent, ProfileChanged, Registered},
};
use chasqui_http::{ClientAddress, Json, Refusal};
use chasqui_protocol::{Accepted, Code, Problem, command::Register};
use chasqui_runtime::{clock::id_parts, telemetry::TraceContext};
use secrecy::SecretString;

use crate::{
    caller::Trace,
    credential::{self, Credential},
    email,
    errand::Errand,
    ids::derived_id,
    password::Factors,
    refusal,
    serve::measured,
    service::{Auth, Holder, Inner, Record},
};

/// Create an account
///
/// Names that differ only in case or in Unicode form are one. Sending the same again with the same id is
/// answered with the same user. With `email`, a mail with a token goes there and `verify_email` takes it; whether somebody
/// else has the address is told neither here nor later. Without a mail server such a registration is refused: leave the address
/// out.
#[utoipa::path(
    post, path = "/v1/commands/register", tag = "identity", request_body = Register,
    responses(
        (status = 200, description = "The account exists now", body = Accepted),
        (status = 409, description = "`name-taken`", body = Problem),
        (status = 400, description = "`malformed`, `size`, `characters`, `weak-password`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
        (status = 501, description = "`not-configured`: there is no mail, so no address is taken", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    Trace(trace): Trace,
    address: ClientAddress,
    Json(command): Json<Register>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("register", handle(&auth.0, &trace, address, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    trace: &TraceContext,
    ClientAddress(address): ClientAddress,
    command: Register,
) -> Result<Accepted, Problem> {
    auth.rates.register(address).await?;
    let Register { id, name, display_name, password, email } = command;
    let letter = match &email {
        Some(email) => Some((email::checked(email)?, auth.mailer()?)),
        None => None,
    };
    check_user_name(&name, &auth.limits).map_err(|rejection| refusal::rejected(&rejection))?;
    check_display_name(&display_name, &auth.limits).map_err(|rejection| refusal::rejected(&rejection))?;
    let token = auth.name_key.token(&name);
    let password = SecretString::from(password);
    if let Some(holder) = auth.holder(&token).await? {
        return already_there(auth, trace, id, &holder).await;
    }
    let mut about = vec![name.clone(), display_name.clone()];
    about.extend(letter.as_ref().map(|(address, _)| address.clone()));
    let password = auth.passwords.hash(password, Factors::PasswordOnly, about).await?;
    let user = new_user();
    auth.make_key(user).await?;
    credential::create(auth, user, &Credential::new(password, token.clone(), user.timestamp())).await?;
    let claim = Claim { id, user, token: &token, name, display_name, import: None };
    let claimed = claim_name(auth, trace, claim).await;
    // Unless the claim may stand, nobody will ever need this hash and this key.
    let needed = match &claimed {
        Ok(holder) => *holder == user,
        Err(problem) => problem.code == Code::Unknown,
    };
    if !needed && let Err(error) = auth.credentials.delete(&user.to_string()).await {
        tracing::warn!(%error, user.id = %user, "the hash of a lost registration is left behind");
    }
    if !needed && let Err(problem) = auth.destroy_key(user).await {
        tracing::warn!(%problem, user.id = %user, "the key of a lost registration is left behind");
    }
    let user = claimed?;
    if let Some((address, mailer)) = letter
        && let Err(problem) = mailer.queue(Errand::Verify { user, address, generation: 0 })
    {
        // The account is there; its user asks for another mail by `change_email`.
        tracing::warn!(%problem, user.id = %user, "the mail that verifies a new user's address is not sent");
    }
    Ok(accepted(user))
}

/// The name is held: by this very command, which is then answered again, or by another.
pub(crate) async fn already_there(
    auth: &Inner,
    trace: &TraceContext,
    id: CommandId,
    holder: &Holder,
) -> Result<Accepted, Problem> {
    if holder.claimed_by != id {
        return Err(name_taken());
    }
    begin_lane(auth, trace, id, holder.user, &holder.display_name).await;
    Ok(accepted(holder.user))
}

/// A name to be claimed for a new user.
pub(crate) struct Claim<'a> {
    pub(crate) id: CommandId,
    pub(crate) user: UserId,
    /// The claim token of the name.
    pub(crate) token: &'a str,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) import: Option<Import>,
}

/// Claims a name. The user who holds it now by this command: another one than asked for when an earlier attempt
/// had succeeded.
pub(crate) async fn claim_name(
    auth: &Inner,
    trace: &TraceContext,
    claim: Claim<'_>,
) -> Result<UserId, Problem> {
    let Claim { id, user, token, name, display_name, import } = claim;
    let name = auth.seal(Spot::name(user), &name).await?;
    let display_name = auth.seal(Spot::display_name(user), &display_name).await?;
    let event = IdentityEvent::Registered(Registered { user, name, display_name: display_name.clone() });
    let subject = subject::ident_name(token);
    let record = Record { subject, id, by: user, import, event, first: true, trace };
    let holder = match auth.record(record).await {
        Ok(appended) if appended.duplicate => match auth.holder(token).await? {
            Some(holder) if holder.claimed_by == id => {
                return already_there(auth, trace, id, &holder).await.map(|_| holder.user);
            }
            _ => return Err(name_taken()),
        },
        Ok(_) => user,
        Err(AppendError::Conflict) => return Err(name_taken()),
        Err(error) => return Err(refusal::not_appended(&error)),
    };
    begin_lane(auth, trace, id, holder, &display_name).await;
    Ok(holder)
}

/// Makes sure that the user's own subject holds a fact, so that others can tell by it that the user exists. A
/// registration whose process dies before this is completed by its retry, or by the first login.
async fn begin_lane(auth: &Inner, trace: &TraceContext, id: CommandId, user: UserId, display_name: &Text) {
    let event = IdentityEvent::ProfileChanged(ProfileChanged { display_name: display_name.clone() });
    let record = Record {
        subject: subject::ident_user(user),
        id: derived_id("first profile", id.as_uuid(), id.timestamp()),
        by: user,
        import: None,
        event,
        first: true,
        trace,
    };
    match auth.record(record).await {
        Ok(_) | Err(AppendError::Conflict) => {}
        Err(error) => tracing::warn!(%error, user.id = %user, "the first fact about a user is still missing"),
    }
}

pub(crate) fn new_user() -> UserId {
    let (at, random) = id_parts();
    UserId::new(Timestamp(at), random)
}

pub(crate) fn accepted(user: UserId) -> Accepted {
    Accepted { user: Some(user), ..Accepted::default() }
}

pub(crate) fn name_taken() -> Problem {
    Problem::new(Code::NameTaken, "somebody has this name already; choose another one")
}
