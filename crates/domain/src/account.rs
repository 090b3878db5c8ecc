//! An account: whether and as what its user may act, and the decisions about it.
//!
//! [`Roles`] is the fold of the one subject of all global roles, [`Account`] that of an account's own lane. Who may
//! decide what stands in the table of permissions; what stands here is about whom.

use std::collections::{BTreeMap, BTreeSet};

use chasqui_events::{
    SessionId, Timestamp, UserId,
    account::{
        AccountEvent, Deactivated, Erased, GlobalRole, Operator, Reactivated, Reinstated, RoleChanged,
        ServiceCreated, SessionsEnded, Suspended, TokenIssued, TokenRevoked,
    },
};

use crate::{Permission, Rejection, name, permission::Scope};

/// Who decides about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user, with the role that the log gives them now.
    User(UserId, GlobalRole),
    /// Whoever holds the operator's credential. They may what an admin may.
    Operator(Operator),
}

impl Actor {
    fn role(&self) -> GlobalRole {
        match self {
            Self::User(_, role) => *role,
            Self::Operator(_) => GlobalRole::Admin,
        }
    }

    fn operator(&self) -> Option<Operator> {
        match self {
            Self::User(..) => None,
            Self::Operator(operator) => Some(operator.clone()),
        }
    }

    /// Whom the envelope of the fact names: the user, or where an operator acts the user whom it concerns.
    #[must_use]
    pub fn by(&self, concerned: UserId) -> UserId {
        match self {
            Self::User(user, _) => *user,
            Self::Operator(_) => concerned,
        }
    }
}

/// Everybody who has another global role than `user`: the fold of the subject of all roles.
///
/// Programs are not listed; the facts of their own lanes tell them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeMap<UserId, GlobalRole>);

impl Roles {
    /// Folds one fact.
    pub fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::RoleChanged(RoleChanged { user, role: GlobalRole::User, .. }) => {
                self.0.remove(user);
            }
            AccountEvent::RoleChanged(RoleChanged { user, role, .. }) => {
                self.0.insert(*user, *role);
            }
            AccountEvent::Suspended(_)
            | AccountEvent::Reinstated(_)
            | AccountEvent::SessionsEnded(_)
            | AccountEvent::Deactivated(_)
            | AccountEvent::Reactivated(_)
            | AccountEvent::ServiceCreated(_)
            | AccountEvent::TokenIssued(_)
            | AccountEvent::TokenRevoked(_)
            | AccountEvent::OperatorActed(_)
            // It stands on the account's own lane: whoever may not act is no admin, whatever role they have.
            | AccountEvent::Erased(_) => {}
        }
    }

    /// The role of somebody.
    #[must_use]
    pub fn of(&self, user: UserId) -> GlobalRole {
        self.0.get(&user).copied().unwrap_or_default()
    }

    /// The admins.
    pub fn admins(&self) -> impl Iterator<Item = UserId> {
        self.0.iter().filter(|(_, role)| **role == GlobalRole::Admin).map(|(user, _)| *user)
    }
}

/// An account: the fold of its lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    suspended: Option<Suspension>,
    deactivated: bool,
    service: bool,
    tokens: BTreeSet<SessionId>,
    erased: bool,
}

/// That somebody may not act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Until when; `None` for until somebody reinstates them.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
}

impl Account {
    /// Folds one fact.
    pub fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Suspended(Suspended { until, reason, .. }) => {
                self.suspended = Some(Suspension { until: *until, reason: reason.clone() });
            }
            AccountEvent::Reinstated(_) => self.suspended = None,
            AccountEvent::Deactivated(_) => self.deactivated = true,
            AccountEvent::Reactivated(_) => self.deactivated = false,
            AccountEvent::ServiceCreated(_) => self.service = true,
            AccountEvent::TokenIssued(issued) => {
                self.tokens.insert(issued.token);
            }
            AccountEvent::TokenRevoked(revoked) => {
                self.tokens.remove(&revoked.token);
            }
            AccountEvent::Erased(_) => self.erased = true,
            AccountEvent::RoleChanged(_)
            | AccountEvent::SessionsEnded(_)
            | AccountEvent::OperatorActed(_) => {}
        }
    }

    /// Whether it is no more.
    #[must_use]
    pub const fn is_erased(&self) -> bool {
        self.erased
    }

    /// The suspension that is in force at a moment.
    #[must_use]
    pub fn suspension(&self, now: Timestamp) -> Option<&Suspension> {
        self.suspended.as_ref().filter(|suspension| suspension.until.is_none_or(|until| now < until))
    }

    /// Whether it is a program's.
    #[must_use]
    pub const fn is_service(&self) -> bool {
        self.service
    }

    /// The tokens that were issued and not revoked; they may have ended by themselves.
    pub fn tokens(&self) -> impl Iterator<Item = SessionId> {
        self.tokens.iter().copied()
    }

    /// Whether its user may log in and go on with a session at a moment.
    #[must_use]
    pub fn may_act(&self, now: Timestamp) -> bool {
        !self.erased && !self.deactivated && self.suspension(now).is_none()
    }

    /// Whether its user may come back at a moment, who had deactivated it.
    #[must_use]
    pub fn may_come_back(&self, now: Timestamp) -> bool {
        !self.erased && self.deactivated && self.suspension(now).is_none()
    }

    /// Its user does not want to be here for now; `None` when that is so already.
    ///
    /// # Errors
    /// [`Rejection::LastAdmin`]: the last admin has to appoint another one first.
    pub fn deactivate(&self, user: UserId, last_admin: bool) -> Result<Option<AccountEvent>, Rejection> {
        if last_admin {
            return Err(Rejection::LastAdmin);
        }
        Ok((!self.deactivated).then_some(AccountEvent::Deactivated(Deactivated { user })))
    }

    /// Its user comes back; `None` when they are here.
    #[must_use]
    pub fn reactivate(&self, user: UserId) -> Option<AccountEvent> {
        self.deactivated.then_some(AccountEvent::Reactivated(Reactivated { user }))
    }
}

/// The most tokens of one program.
pub const MOST_TOKENS: usize = 32;
/// The longest name of a token, in characters.
pub const TOKEN_NAME_CHARS: usize = 64;

/// A token that a program is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Its id.
    pub id: SessionId,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it ends; `None` for when it is revoked.
    pub expires_at: Option<Timestamp>,
}

/// Somebody decides something about somebody: what the decisions below stand on.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who decides.
    pub actor: &'a Actor,
    /// About whom.
    pub target: UserId,
    /// The role that they have.
    pub role: GlobalRole,
    /// Their account.
    pub account: &'a Account,
    /// Why.
    pub reason: &'a str,
    /// When.
    pub now: Timestamp,
}

impl Case<'_> {
    /// Gives the target a role; `None` when they have it already. `another_admin` says whether somebody else is an
    /// admin whose account may act.
    ///
    /// # Errors
    /// The reason why not.
    pub fn change_role(
        &self,
        role: GlobalRole,
        another_admin: bool,
    ) -> Result<Option<AccountEvent>, Rejection> {
        let reason = self.permitted(Permission::ChangeGlobalRole)?;
        if role == GlobalRole::Service || self.role == GlobalRole::Service {
            return Err(Rejection::ServiceRole);
        }
        if self.role == role {
            return Ok(None);
        }
        if role != GlobalRole::User && !self.account.may_act(self.now) {
            return Err(Rejection::AccountCannotAct);
        }
        if self.role == GlobalRole::Admin && !another_admin {
            return Err(Rejection::LastAdmin);
        }
        let (user, operator) = (self.target, self.actor.operator());
        Ok(Some(AccountEvent::RoleChanged(RoleChanged { user, role, reason, operator })))
    }

    /// Suspends the target; `None` when they are, for the same time.
    ///
    /// # Errors
    /// The reason why not. An admin is never suspended: they have to stop being one first, which the last one
    /// cannot.
    pub fn suspend(&self, until: Option<Timestamp>) -> Result<Option<AccountEvent>, Rejection> {
        let reason = self.permitted(Permission::Suspend)?;
        self.order_is_theirs()?;
        if self.role == GlobalRole::Admin {
            return Err(self.outranked());
        }
        if until.is_some_and(|until| until <= self.now) {
            return Err(Rejection::TimeHasPassed { what: "the end of a suspension" });
        }
        if self.account.suspension(self.now).is_some_and(|suspension| suspension.until == until) {
            return Ok(None);
        }
        let (user, operator) = (self.target, self.actor.operator());
        Ok(Some(AccountEvent::Suspended(Suspended { user, until, reason, operator })))
    }

    /// Ends the target's suspension; `None` when there is none.
    ///
    /// # Errors
    /// The reason why not.
    pub fn reinstate(&self) -> Result<Option<AccountEvent>, Rejection> {
        let reason = self.permitted(Permission::Suspend)?;
        self.order_is_theirs()?;
        if self.account.suspension(self.now).is_none() {
            return Ok(None);
        }
        let (user, operator) = (self.target, self.actor.operator());
        Ok(Some(AccountEvent::Reinstated(Reinstated { user, reason, operator })))
    }

    /// Ends what is logged in to the target's account.
    ///
    /// # Errors
    /// The reason why not.
    pub fn end_sessions(&self) -> Result<Option<AccountEvent>, Rejection> {
        let reason = self.permitted(Permission::Suspend)?;
        self.order_is_theirs()?;
        let (user, operator) = (self.target, self.actor.operator());
        Ok(Some(AccountEvent::SessionsEnded(SessionsEnded { user, reason, operator })))
    }

    /// Makes the account a program's; `None` when it is one.
    ///
    /// # Errors
    /// The reason why not.
    pub fn create_service(&self) -> Result<Option<AccountEvent>, Rejection> {
        let reason = self.permitted(Permission::Services)?;
        if self.account.is_service() {
            return Ok(None);
        }
        let (user, operator) = (self.target, self.actor.operator());
        Ok(Some(AccountEvent::ServiceCreated(ServiceCreated { user, reason, operator })))
    }

    /// Gives a program a token.
    ///
    /// # Errors
    /// The reason why not.
    pub fn issue_token(&self, token: &NewToken) -> Result<AccountEvent, Rejection> {
        let reason = self.permitted(Permission::Services)?;
        if !self.account.is_service() {
            return Err(Rejection::NotAService);
        }
        if token.expires_at.is_some_and(|end| end <= self.now) {
            return Err(Rejection::TimeHasPassed { what: "the end of a token" });
        }
        if self.account.tokens.len() >= MOST_TOKENS {
            return Err(Rejection::TooManyTokens { most: MOST_TOKENS });
        }
        name::size("the name of a token", "characters", token.name.chars().count(), 1, TOKEN_NAME_CHARS)?;
        name::printable("the name of a token", &token.name)?;
        name::size("the list of scopes", "entries", token.scopes.len(), 1, Scope::ALL.len())?;
        let scopes = token.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
        Ok(AccountEvent::TokenIssued(TokenIssued {
            user: self.target,
            token: token.id,
            name: token.name.clone(),
            scopes,
            expires_at: token.expires_at,
            reason,
            operator: self.actor.operator(),
        }))
    }

    /// Takes a token from a program; `None` when it has no such token.
    ///
    /// # Errors
    /// The reason why not.
    pub fn revoke_token(&self, token: SessionId) -> Result<Option<AccountEvent>, Rejection> {
        let reason = self.permitted(Permission::Services)?;
        if !self.account.tokens.contains(&token) {
            return Ok(None);
        }
        let (user, operator) = (self.target, self.actor.operator());
        Ok(Some(AccountEvent::TokenRevoked(TokenRevoked { user, token, reason, operator })))
    }

    /// Erases the target for good; `None` when they are erased. Everybody may erase themselves; `another_admin` says
    /// whether somebody else is an admin whose account may act.
    ///
    /// # Errors
    /// The reason why not.
    pub fn erase(&self, another_admin: bool) -> Result<Option<AccountEvent>, Rejection> {
        let own = matches!(self.actor, Actor::User(user, _) if *user == self.target);
        let reason = if own {
            String::new()
        } else {
            let reason = self.permitted(Permission::EraseUser)?;
            self.order_is_theirs()?;
            reason
        };
        if self.account.is_erased() {
            return Ok(None);
        }
        if self.role == GlobalRole::Admin && !another_admin {
            return Err(Rejection::LastAdmin);
        }
        let (user, operator) = (self.target, self.actor.operator());
        Ok(Some(AccountEvent::Erased(Erased { user, reason, operator })))
    }

    /// The reason, of somebody who has the permission.
    fn permitted(&self, permission: Permission) -> Result<String, Rejection> {
        permission.demand_of(self.actor.role())?;
        checked_reason(self.reason)
    }

    /// Nobody keeps order over themselves, over an equal or over somebody above.
    fn order_is_theirs(&self) -> Result<(), Rejection> {
        match self.actor {
            Actor::User(user, _) if *user == self.target => Err(Rejection::OwnAccount),
            Actor::User(_, own) if own.rank() <= self.role.rank() => Err(self.outranked()),
            Actor::User(..) | Actor::Operator(_) => Ok(()),
        }
    }

    fn outranked(&self) -> Rejection {
        Rejection::AccountOutranks { role: self.role.as_str() }
    }
}

/// Whether a fact stands on the subject of all roles, and not on the account's own lane.
#[must_use]
pub const fn is_about_roles(event: &AccountEvent) -> bool {
    match event {
        AccountEvent::RoleChanged(_) => true,
        AccountEvent::Suspended(_)
        | AccountEvent::Reinstated(_)
        | AccountEvent::SessionsEnded(_)
        | AccountEvent::Deactivated(_)
        | AccountEvent::Reactivated(_)
        | AccountEvent::ServiceCreated(_)
        | AccountEvent::TokenIssued(_)
        | AccountEvent::TokenRevoked(_)
        | AccountEvent::OperatorActed(_)
        | AccountEvent::Erased(_) => false,
    }
}

/// A reason as it is recorded.
///
/// # Errors
/// [`Rejection::Size`] or [`Rejection::ControlCharacters`]: nobody decides about somebody else without saying why.
pub fn checked_reason(reason: &str) -> Result<String, Rejection> {
    let reason = reason.trim();
    name::reason(Some(reason))?;
    Ok(reason.to_owned())
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
