//! Sessions: opened by a login, kept as families of refresh tokens in the bucket `REFRESH` under
//! `<user>.<session>`, ended by whoever may.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use chasqui_bus::{
    kv::{Bucket, Entry, KvError},
    subject,
};
use chasqui_crypto::Spot;
use chasqui_events::{
    SessionId, Text, Timestamp, UserId,
    identity::{IdentityEvent, RevocationReason, SessionOpened, SessionRevoked},
};
use chasqui_protocol::{Problem, command::Tokens};
use chasqui_runtime::{
    clock::{id_parts, now_ms, random_bytes},
    telemetry::TraceContext,
};

use crate::{
    command::login,
    family::{Family, Origin, RefreshToken},
    ids::{derived_id, new_id},
    refusal, revocations,
    service::{Inner, Record},
};

/// How often a lost race for a family is judged again.
pub(crate) const ATTEMPTS: usize = 8;
/// How long an ended family is kept, so that whoever still shows its tokens is told why.
const ENDED_KEPT: Duration = Duration::from_hours(24);
/// How long the mark of a removed family stays; nobody needs it.
const MARK_KEPT: Duration = Duration::from_mins(1);

/// Somebody else changed the family in between: look at it again.
pub(crate) struct LostRace;

/// Opens a session for a user, whose name has this claim token.
pub(crate) async fn open(
    auth: &Inner,
    trace: &TraceContext,
    user: UserId,
    name: String,
    origin: Origin,
) -> Result<Tokens, Problem> {
    make_room(auth, trace, user).await?;
    // Who registered before anything was sealed has none yet, and whatever they say needs one.
    auth.make_key(user).await?;
    let (at, random) = id_parts();
    let session = SessionId::new(Timestamp(at), random);
    let refresh = RefreshToken::new(user, session, random_bytes());
    let device = auth.seal(Spot::device(user, session), &origin.device).await?;
    let mut family = Family::open(name, &refresh, Timestamp(at));
    family.device = device.clone();
    family.address = sealed_address(auth, user, session, origin.address).await?.unwrap_or_default();
    let created = lasting(auth, &family).create(&key(user, session), document(&family)).await;
    created.map_err(|error| refusal::not_kept(&error))?;
    let event = IdentityEvent::SessionOpened(SessionOpened { session, device });
    let subject = subject::ident_user(user);
    let record = Record { subject, id: new_id(), by: user, import: None, event, first: false, trace };
    auth.record(record).await.map_err(|error| refusal::not_appended(&error))?;
    // Whoever suspends an account ends the sessions that they find; one that was opened meanwhile ends itself.
    if !auth.account(user).await?.may_act() {
        revoke(auth, trace, user, session, RevocationReason::Suspended).await?;
        return Err(login::refused());
    }
    auth.tokens(user, &family.name, &refresh)
}

/// An address as a family holds it; `None` where none is known.
pub(crate) async fn sealed_address(
    auth: &Inner,
    user: UserId,
    session: SessionId,
    address: Option<IpAddr>,
) -> Result<Option<Text>, Problem> {
    match address {
        Some(address) => auth.seal(Spot::address(user, session), &address.to_string()).await.map(Some),
        None => Ok(None),
    }
}

/// From where a session is used, for its user to read.
pub(crate) async fn origin(auth: &Inner, session: SessionId, family: Family) -> Result<Origin, Problem> {
    let device = auth.opened(Spot::device(family.user, session), family.device).await?;
    let address = auth.opened(Spot::address(family.user, session), family.address).await?;
    Ok(Origin { device, address: address.parse().ok() })
}

/// Makes room for one more session, at the cost of those that were not used for the longest time.
async fn make_room(auth: &Inner, trace: &TraceContext, user: UserId) -> Result<(), Problem> {
    let keys = auth.families.key_names_under(&user.to_string()).await;
    if keys.map_err(|error| refusal::not_kept(&error))?.len() < auth.sessions_per_user {
        return Ok(());
    }
    for (session, _) in list(auth, user).await?.into_iter().skip(auth.sessions_per_user - 1) {
        revoke(auth, trace, user, session, RevocationReason::Displaced).await?;
    }
    Ok(())
}

/// The family of a session, and where it stands in its bucket.
pub(crate) async fn find(
    auth: &Inner,
    user: UserId,
    session: SessionId,
) -> Result<Option<(Family, Entry)>, Problem> {
    let entry = auth.families.get(&key(user, session)).await;
    let Some(entry) = entry.map_err(|error| refusal::not_kept(&error))? else { return Ok(None) };
    let family =
        serde_json::from_slice(&entry.value).map_err(|error| refusal::unreadable("the session", &error))?;
    Ok(Some((family, entry)))
}

/// What is kept of a user's sessions, open or not.
async fn all(auth: &Inner, user: UserId) -> Result<Vec<(SessionId, Family)>, Problem> {
    let keys = auth.families.key_names_under(&user.to_string()).await;
    let mut sessions = Vec::new();
    for session in keys.map_err(|error| refusal::not_kept(&error))?.iter().filter_map(|key| session_of(key)) {
        if let Some((family, _)) = find(auth, user, session).await? {
            sessions.push((session, family));
        }
    }
    Ok(sessions)
}

/// The sessions of a user that are open, the one used last first.
pub(crate) async fn list(auth: &Inner, user: UserId) -> Result<Vec<(SessionId, Family)>, Problem> {
    let mut sessions = all(auth, user).await?;
    let now = Timestamp(now_ms());
    sessions.retain(|(_, family)| family.ended.is_none() && family.left(now, auth.lifetimes).is_some());
    sessions.sort_by_key(|(session, family)| std::cmp::Reverse((family.rotated_at, *session)));
    Ok(sessions)
}

/// Writes a family over the one that was read. It goes by itself when it can no longer be used.
pub(crate) async fn store(
    auth: &Inner,
    session: SessionId,
    family: &Family,
    read: &Entry,
) -> Result<Result<(), Problem>, LostRace> {
    let key = key(family.user, session);
    match lasting(auth, family).update(&key, document(family), read.revision).await {
        Ok(_) => Ok(Ok(())),
        Err(KvError::Conflict) => Err(LostRace),
        Err(error) => Ok(Err(refusal::not_kept(&error))),
    }
}

/// Removes a family that nobody can ever use again. Where this fails, it is only kept longer.
pub(crate) async fn forget(auth: &Inner, user: UserId, session: SessionId) {
    if let Err(error) = auth.families.keeping(MARK_KEPT).delete(&key(user, session)).await {
        tracing::debug!(%error, session.id = %session, "an expired session is kept until it goes by itself");
    }
}

/// Ends a session for good. Whether there is one; ending it again is no error.
///
/// # Errors
/// `unavailable` or `busy` when it may not have ended: do it again.
pub(crate) async fn revoke(
    auth: &Inner,
    trace: &TraceContext,
    user: UserId,
    session: SessionId,
    reason: RevocationReason,
) -> Result<bool, Problem> {
    for _ in 0..ATTEMPTS {
        let Some((family, entry)) = find(auth, user, session).await? else { return Ok(false) };
        let ended = if family.ended.is_some() { family } else { family.end(reason) };
        if let Ok(stored) = store(auth, session, &ended, &entry).await {
            stored?;
            announce(auth, trace, session, &ended).await?;
            return Ok(true);
        }
    }
    Err(refusal::busy())
}

/// Ends all sessions of a user but one. How many were open.
///
/// # Errors
/// As [`revoke`]; those that had been ended by then stay so.
pub(crate) async fn revoke_all(
    auth: &Inner,
    trace: &TraceContext,
    user: UserId,
    except: Option<SessionId>,
    reason: RevocationReason,
) -> Result<usize, Problem> {
    let mut ended = 0;
    // Also those whose end was not told to everybody: whatever cut that off, it is made good here.
    for (session, _) in all(auth, user).await?.into_iter().filter(|(_, family)| !family.announced) {
        if Some(session) != except && revoke(auth, trace, user, session, reason).await? {
            ended += 1;
        }
    }
    Ok(ended)
}

/// Ends sessions of everybody, people and programs, that were opened before a moment: so many at once. How many, and
/// whether there may be more.
///
/// # Errors
/// As [`revoke`]; those that had been ended by then stay so.
pub(crate) async fn end_everybodys(
    auth: &Inner,
    trace: &TraceContext,
    before: Timestamp,
    most: usize,
) -> Result<(usize, bool), Problem> {
    let mut ended = 0;
    for key in auth.families.key_names().await.map_err(|error| refusal::not_kept(&error))? {
        let user = key.split_once('.').and_then(|(user, _)| user.parse().ok());
        let (Some(user), Some(session)) = (user, session_of(&key)) else { continue };
        if ended == most {
            return Ok((ended, true));
        }
        let Some((family, _)) = find(auth, user, session).await? else { continue };
        if family.opened_at < before && !family.announced {
            revoke(auth, trace, user, session, RevocationReason::EndedByAdmin).await?;
            ended += 1;
        }
    }
    for key in auth.service_tokens.key_names().await.map_err(|error| refusal::not_kept(&error))? {
        let Ok(token) = key.parse() else { continue };
        let Some((kept, _)) = auth.kept_token(token).await? else { continue };
        if ended >= most {
            return Ok((ended, true));
        }
        if kept.sessions.iter().any(|session| session.timestamp() < before) {
            auth.end_token_sessions(trace, kept.user, token, RevocationReason::EndedByAdmin).await?;
            ended += kept.sessions.len();
        }
    }
    Ok((ended, false))
}

/// Removes all that is kept of a user's sessions, those that had ended among them: devices and addresses.
///
/// # Errors
/// When the bucket does not answer.
pub(crate) async fn forget_all(auth: &Inner, user: UserId) -> Result<(), Problem> {
    let keys = auth.families.key_names_under(&user.to_string()).await;
    for key in keys.map_err(|error| refusal::not_kept(&error))? {
        let gone = auth.families.keeping(MARK_KEPT).delete(&key).await;
        gone.map_err(|error| refusal::not_kept(&error))?;
    }
    Ok(())
}

/// Ends all that is logged in to an account: a person's sessions, and those that a program's tokens opened.
///
/// # Errors
/// As [`revoke_all`].
pub(crate) async fn end_all(
    auth: &Inner,
    trace: &TraceContext,
    user: UserId,
    reason: RevocationReason,
) -> Result<(), Problem> {
    // Also where nothing had to be recorded: an attempt that ended in between is completed by the next.
    revoke_all(auth, trace, user, None, reason).await?;
    for token in auth.account(user).await?.account.tokens() {
        auth.end_token_sessions(trace, user, token, reason).await?;
    }
    Ok(())
}

/// Tells everyone that a session has ended, so that its access tokens are refused and its connections closed; once, or
/// again where it is not known that it was told.
///
/// # Errors
/// When the processes that check access tokens may not learn of it. That its end is not in the log is no error: it is
/// told there the next time that one of its tokens is shown.
pub(crate) async fn announce(
    auth: &Inner,
    trace: &TraceContext,
    session: SessionId,
    family: &Family,
) -> Result<(), Problem> {
    let Some(reason) = family.ended.filter(|_| !family.announced) else { return Ok(()) };
    let written = revocations::write(&auth.revoked, session, auth.access_ttl).await;
    written.map_err(|error| refusal::not_kept(&error))?;
    let record = Record {
        subject: subject::ident_user(family.user),
        // The same id each time, so that the log can tell a repetition.
        id: derived_id("session revoked", session.as_uuid(), session.timestamp()),
        by: family.user,
        import: None,
        event: IdentityEvent::SessionRevoked(SessionRevoked { session, reason }),
        first: false,
        trace,
    };
    if let Err(error) = auth.record(record).await {
        tracing::warn!(%error, session.id = %session, "the end of a session is not in the log yet");
        return Ok(());
    }
    let told = family.told();
    // Nothing changes a family after its end but this.
    if let Err(error) = lasting(auth, &told).put(&key(told.user, session), document(&told)).await {
        tracing::warn!(%error, session.id = %session, "the end of a session may be announced again");
    }
    Ok(())
}

fn key(user: UserId, session: SessionId) -> String {
    format!("{user}.{session}")
}

fn session_of(key: &str) -> Option<SessionId> {
    key.rsplit_once('.')?.1.parse().ok()
}

fn document(family: &Family) -> Bytes {
    Bytes::from(serde_json::to_vec(family).unwrap_or_default())
}

/// The bucket, keeping what is written for as long as the family is good for anything.
fn lasting(auth: &Inner, family: &Family) -> Bucket {
    let left = family.left(Timestamp(now_ms()), auth.lifetimes).unwrap_or_default();
    auth.families.keeping(if family.ended.is_some() { ENDED_KEPT.min(left) } else { left })
}
