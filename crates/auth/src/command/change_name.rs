//! `change_name`: go by another name.
//!
//! The new name is claimed as a registration claims one: by one message that must be the next on the name's subject.
//! The name before stays its user's, so that nobody can go by it: its last claim is still theirs, and only they may
//! claim it again. The credential learns of the claim afterwards; where that is missing, the next login by the new name
//! makes up for it, because the order of the log tells which name is newer.

use axum::extract::State;
use chasqui_bus::{
    log::{Append, AppendError},
    subject,
};
use chasqui_crypto::Spot;
use chasqui_domain::name::check_user_name;
use chasqui_events::{
    CommandId, Envelope, Seq, Timestamp, UserId,
    identity::{IdentityEvent, Renamed},
};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::ChangeName};
use chasqui_runtime::clock::{now_ms, random_bytes};

use super::register::name_taken;
use crate::{
    caller::Caller,
    credential::{self, Credential, Standing},
    mail::Change,
    proof, refusal,
    serve::measured,
    service::{Auth, Inner},
};

/// Go by another user name
///
/// Logins take the new name from now on, and the old one no more. It stays reserved: nobody else can take it, and its
/// owner can go back to it.
#[utoipa::path(
    post, path = "/v1/commands/change_name", tag = "identity", request_body = ChangeName,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The caller goes by this name", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
        (status = 401, description = "`unauthorized`, `wrong-credentials`", body = Problem),
        (status = 403, description = "`proof-needed`, `forbidden`", body = Problem),
        (status = 409, description = "`name-taken`, `busy`", body = Problem),
        (status = 429, description = "`too-many`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<ChangeName>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("change_name", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(auth: &Inner, caller: &Caller, command: ChangeName) -> Result<Accepted, Problem> {
    let ChangeName { id, name, password } = command;
    check_user_name(&name, &auth.limits).map_err(|rejection| refusal::rejected(&rejection))?;
    let user = caller.identity.user;
    let kept = proof::own(auth, caller).await?;
    proof::demand(auth, caller, &kept, password.map(Into::into)).await?;
    auth.rates.rename(user).await?;
    let token = auth.name_key.token(&name);
    let claimed_at = match auth.holder(&token).await? {
        Some(holder) if holder.user != user => return Err(name_taken()),
        Some(holder) if holder.claimed_by == id => holder.seq,
        Some(holder) => {
            let current = kept.credential.standing(&token, holder.seq) == Standing::Current;
            let typed = auth.opened(Spot::name(user), holder.name).await?;
            if current && typed == name {
                return Ok(Accepted::default());
            }
            claim(auth, caller, id, &token, name, holder.seq).await?
        }
        None => claim(auth, caller, id, &token, name, 0).await?,
    };
    settle(auth, user, &token, claimed_at).await?;
    auth.tell(kept.credential.email, Change::Name);
    Ok(Accepted::default())
}

/// Appends the claim, as the next after `last` on the name's subject. Where it stands.
async fn claim(
    auth: &Inner,
    caller: &Caller,
    id: CommandId,
    token: &str,
    name: String,
    last: Seq,
) -> Result<Seq, Problem> {
    let user = caller.identity.user;
    let name = auth.seal(Spot::name(user), &name).await?;
    let event = IdentityEvent::Renamed(Renamed { user, name });
    let envelope = Envelope { id, at: Timestamp(now_ms()), by: user, basis: 0, import: None, event };
    let traceparent = caller.trace.child(random_bytes()).header_value();
    let append = Append {
        expected: Some(last),
        trace: Some(&traceparent),
        ..Append::fact(subject::ident_name(token), &envelope)
    };
    match auth.log.append(append).await {
        Ok(appended) => Ok(appended.seq),
        // Somebody was faster, or a repetition of this very command.
        Err(AppendError::Conflict) => match auth.holder(token).await? {
            Some(holder) if holder.user == user && holder.claimed_by == id => Ok(holder.seq),
            _ => Err(name_taken()),
        },
        Err(error) => Err(refusal::not_appended(&error)),
    }
}

/// Tells the credential which name its user goes by, unless it knows of a later one.
pub(crate) async fn settle(auth: &Inner, user: UserId, token: &str, claimed_at: Seq) -> Result<(), Problem> {
    let settled = |credential: &Credential| {
        let behind = claimed_at > credential.name_seq;
        let changed = Credential { name: token.to_owned(), name_seq: claimed_at, ..credential.clone() };
        Ok((behind.then_some(changed), ()))
    };
    credential::change(auth, user, settled).await
}
