//! Accounts as the log has them: loaded, and changed on condition that nobody else changed them.

mod own;

use chasqui_bus::{
    Log,
    kv::KvError,
    log::{Append, AppendError},
    subject,
};
use chasqui_domain::{
    Account, Actor, Permission, Rejection, Roles,
    account::{Case, checked_reason, is_about_roles},
};
use chasqui_events::{
    CommandId, Envelope, Seq, SessionId, Timestamp, UserId,
    account::{AccountEvent, GlobalRole, Operator},
    identity::{IdentityEvent, RevocationReason, SessionRevoked},
};
use chasqui_protocol::{
    Accepted, Code, Problem,
    command::{AccountShown, SuspensionShown},
};
use chasqui_runtime::{
    clock::{now_ms, random_bytes},
    telemetry::TraceContext,
};
use parking_lot::RwLock;

use crate::{
    ids::derived_id,
    refusal, revocations,
    service::{Inner, Record},
    service_token::Kept,
};

/// How often a decision is made again after somebody else changed what it stood on. As many may act on one account at once.
const ATTEMPTS: usize = 32;
/// More facts than an account ever has.
const LONGEST_LANE: usize = 100_000;

/// The global roles, as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct KnownRoles(RwLock<(Roles, Seq)>);

impl KnownRoles {
    /// The role of somebody, as it was when the roles were last read: [`Inner::account`] does that.
    pub(crate) fn of(&self, user: UserId) -> GlobalRole {
        self.0.read().0.of(user)
    }

    /// Reads what is new.
    async fn read(&self, log: &Log) -> Result<(Roles, Seq), Problem> {
        let mut known = self.0.read().clone();
        for (seq, event) in facts(log, subject::IDENT_ROLES, known.1 + 1).await? {
            known.0.apply(&event);
            known.1 = seq;
        }
        let mut kept = self.0.write();
        if kept.1 < known.1 {
            kept.clone_from(&known);
        }
        Ok(known)
    }
}

/// An account, and where in the log that stands.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) account: Account,
    /// The last fact of the account's lane; 0 for none.
    pub(crate) seq: Seq,
    roles: Roles,
    /// The last fact about roles; 0 for none.
    roles_seq: Seq,
}

impl Loaded {
    /// The role of the account's user.
    pub(crate) fn role(&self, user: UserId) -> GlobalRole {
        if self.account.is_service() { GlobalRole::Service } else { self.roles.of(user) }
    }

    /// The user may log in and go on with a session now.
    pub(crate) fn may_act(&self) -> bool {
        self.account.may_act(Timestamp(now_ms()))
    }

    /// The user may log in now, where they want to come back if they had gone.
    pub(crate) fn may_enter(&self, reactivate: bool) -> bool {
        self.may_act() || (reactivate && self.account.may_come_back(Timestamp(now_ms())))
    }
}

/// What was decided, and what it stands on.
struct Judged {
    decided: Option<AccountEvent>,
    actor: Actor,
    loaded: Loaded,
    at: Timestamp,
}

/// Who wants what to happen to an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act<'a> {
    pub(crate) actor: By<'a>,
    pub(crate) trace: &'a TraceContext,
    pub(crate) id: CommandId,
    pub(crate) target: UserId,
    pub(crate) reason: &'a str,
}

/// Who acts: a user, whose role is read anew for each decision, or an operator.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    User(UserId),
    Operator(&'a Operator),
}

impl Inner {
    /// An account as the log has it now. Somebody who does not exist has one that may act.
    pub(crate) async fn account(&self, user: UserId) -> Result<Loaded, Problem> {
        let (roles, roles_seq) = self.roles.read(&self.log).await?;
        let mut loaded = Loaded { account: Account::default(), seq: 0, roles, roles_seq };
        for (seq, event) in facts(&self.log, &subject::ident_account(user), 1).await? {
            loaded.account.apply(&event);
            loaded.seq = seq;
        }
        Ok(loaded)
    }

    /// Decides something about an account and records it.
    pub(crate) async fn change_account(
        &self,
        act: Act<'_>,
        decide: impl Fn(&Case<'_>, bool) -> Result<Option<AccountEvent>, Rejection>,
    ) -> Result<Accepted, Problem> {
        for _ in 0..ATTEMPTS {
            let Judged { decided, actor, loaded, at } = self.judge(act, &decide).await?;
            let Some(event) = decided else { return Ok(Accepted::default()) };
            match self.append_about(act, &actor, &loaded, event, at).await {
                Err(AppendError::Conflict) => {}
                Err(error) => return Err(refusal::not_appended(&error)),
                Ok(()) => return Ok(Accepted::default()),
            }
        }
        Err(refusal::busy())
    }

    /// Whether somebody may be erased by whom wants it; the reason as it is recorded. Who is erased may be erased again.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is bound to one lifetime of the case"
    )]
    pub(crate) async fn may_erase(&self, act: Act<'_>) -> Result<Option<String>, Problem> {
        match self.judge(act, |case, another_admin| case.erase(another_admin)).await?.decided {
            Some(AccountEvent::Erased(erased)) => Ok(Some(erased.reason).filter(|reason| !reason.is_empty())),
            _ => Ok(None),
        }
    }

    /// Decides something about an account as it is now, and records nothing.
    async fn judge(
        &self,
        act: Act<'_>,
        decide: impl Fn(&Case<'_>, bool) -> Result<Option<AccountEvent>, Rejection>,
    ) -> Result<Judged, Problem> {
        self.must_exist(act.target).await?;
        let loaded = self.account(act.target).await?;
        let actor = match act.actor {
            By::User(user) => Actor::User(user, self.acting_role(user).await?),
            By::Operator(operator) => Actor::Operator(operator.clone()),
        };
        let another_admin = self.another_admin(&loaded.roles, act.target).await?;
        let at = Timestamp(now_ms());
        let case = Case {
            actor: &actor,
            target: act.target,
            role: loaded.role(act.target),
            account: &loaded.account,
            reason: act.reason,
            now: at,
        };
        let decided = decide(&case, another_admin).map_err(|rejection| refusal::rejected(&rejection))?;
        Ok(Judged { decided, actor, loaded, at })
    }

    /// The role that somebody may use now: none but the lowest, unless their account may act.
    async fn acting_role(&self, user: UserId) -> Result<GlobalRole, Problem> {
        let own = self.account(user).await?;
        Ok(if own.may_act() { own.role(user) } else { GlobalRole::User })
    }

    /// The role with which somebody acts.
    pub(crate) async fn role_of(&self, actor: By<'_>) -> Result<GlobalRole, Problem> {
        match actor {
            By::User(user) => self.acting_role(user).await,
            By::Operator(_) => Ok(GlobalRole::Admin),
        }
    }

    /// Refuses whoever may not manage service accounts, or says no reason, before anything is done.
    pub(crate) async fn may_manage_services(&self, actor: By<'_>, reason: &str) -> Result<(), Problem> {
        let role = self.role_of(actor).await?;
        let permitted = Permission::Services.demand_of(role).and_then(|()| checked_reason(reason));
        permitted.map(drop).map_err(|rejection| refusal::rejected(&rejection))
    }

    /// What is kept of a program's token, and its revision.
    pub(crate) async fn kept_token(&self, token: SessionId) -> Result<Option<(Kept, Seq)>, Problem> {
        let entry = self.service_tokens.get(&token.to_string()).await;
        let Some(entry) = entry.map_err(|error| refusal::not_kept(&error))? else { return Ok(None) };
        let kept = serde_json::from_slice(&entry.value)
            .map_err(|error| refusal::unreadable("the token of a program", &error))?;
        Ok(Some((kept, entry.revision)))
    }

    /// Ends what a token opened: everyone is told, connections are closed.
    ///
    /// # Errors
    /// `unavailable` and the like when not everyone may have been told: do it again.
    pub(crate) async fn end_token_sessions(
        &self,
        trace: &TraceContext,
        user: UserId,
        token: SessionId,
        reason: RevocationReason,
    ) -> Result<(), Problem> {
        for _ in 0..ATTEMPTS {
            let Some((kept, revision)) = self.kept_token(token).await? else { return Ok(()) };
            for session in &kept.sessions {
                self.end_token_session(trace, user, *session, reason).await?;
            }
            // A login that came in between opened another one: that ends, too.
            let without = serde_json::to_vec(&kept.without_sessions()).unwrap_or_default();
            match self.service_tokens.update(&token.to_string(), without.into(), revision).await {
                Err(KvError::Conflict) => {}
                updated => return updated.map(drop).map_err(|error| refusal::not_kept(&error)),
            }
        }
        Err(refusal::busy())
    }

    async fn end_token_session(
        &self,
        trace: &TraceContext,
        user: UserId,
        session: SessionId,
        reason: RevocationReason,
    ) -> Result<(), Problem> {
        let written = revocations::write(&self.revoked, session, self.access_ttl).await;
        written.map_err(|error| refusal::not_kept(&error))?;
        let record = Record {
            subject: subject::ident_user(user),
            id: derived_id("program session ended", session.as_uuid(), session.timestamp()),
            by: user,
            import: None,
            event: IdentityEvent::SessionRevoked(SessionRevoked { session, reason }),
            first: false,
            trace,
        };
        self.record(record).await.map(drop).map_err(|error| refusal::not_appended(&error))
    }

    /// Whether somebody else is an admin whose account may act.
    async fn another_admin(&self, roles: &Roles, than: UserId) -> Result<bool, Problem> {
        for admin in roles.admins().filter(|admin| *admin != than) {
            if self.account(admin).await?.may_act() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn append_about(
        &self,
        act: Act<'_>,
        actor: &Actor,
        loaded: &Loaded,
        event: AccountEvent,
        at: Timestamp,
    ) -> Result<(), AppendError> {
        let (subject, expected) = if is_about_roles(&event) {
            (subject::IDENT_ROLES.to_owned(), loaded.roles_seq)
        } else {
            (subject::ident_account(act.target), loaded.seq)
        };
        let by = actor.by(act.target);
        let envelope = Envelope { id: act.id, at, by, basis: 0, import: None, event };
        let traceparent = act.trace.child(random_bytes()).header_value();
        let append = Append {
            expected: Some(expected),
            trace: Some(&traceparent),
            ..Append::fact(subject, &envelope)
        };
        self.log.append(append).await.map(drop)
    }

    async fn must_exist(&self, user: UserId) -> Result<(), Problem> {
        let fact = self.log.last(&subject::ident_user(user)).await;
        match fact.map_err(|error| refusal::not_read(&error))? {
            Some(_) => Ok(()),
            None => Err(Problem::new(
                Code::UserNotFound,
                format!("there is no user {user}; look the id up by name"),
            )),
        }
    }
}

/// Somebody's account, for those who may see it. Found by name or by id.
pub(crate) async fn show(auth: &Inner, actor: By<'_>, whom: &str) -> Result<AccountShown, Problem> {
    let role = auth.role_of(actor).await?;
    Permission::Suspend.demand_of(role).map_err(|rejection| refusal::rejected(&rejection))?;
    let user = if let Ok(user) = whom.parse::<UserId>() {
        user
    } else {
        let holder = auth.holder(&auth.name_key.token(whom)).await?;
        let nobody = || Problem::new(Code::UserNotFound, "there is no user of this name or id");
        holder.ok_or_else(nobody)?.user
    };
    auth.must_exist(user).await?;
    let loaded = auth.account(user).await?;
    let suspension = loaded.account.suspension(Timestamp(now_ms()));
    let suspended = suspension.map(|it| SuspensionShown { until: it.until, reason: it.reason.clone() });
    let erased = loaded.account.is_erased();
    Ok(AccountShown { user, role: loaded.role(user), suspended, erased })
}

/// The facts about accounts on a subject, from a sequence on.
async fn facts(log: &Log, subject: &str, from: Seq) -> Result<Vec<(Seq, AccountEvent)>, Problem> {
    let stored = log.lane_range(subject, from, Seq::MAX, LONGEST_LANE).await;
    stored
        .map_err(|error| refusal::not_read(&error))?
        .into_iter()
        .map(|stored| match stored.decode::<AccountEvent>() {
            Ok(fact) => Ok((stored.seq, fact.event)),
            Err(error) => Err(refusal::unreadable("the account", &error)),
        })
        .collect()
}
