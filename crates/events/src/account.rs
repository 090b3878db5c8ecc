//! What is decided about accounts, and what operators do, on three kinds of subjects of the stream `IDENT`.
//!
//! - `ident.roles` holds every change of a global role, so that who is an admin is one short order of facts.
//! - `ident.account.<user>` holds what else decides whether and as what a user may act: few facts per user, so that
//!   an account is loaded by reading its lane.
//! - `ident.audit.operator` holds what operators did from the command line; nothing is decided on it.
//!
//! Whatever somebody else decides about an account carries a reason; the envelope's `by` is who decided it. An act of
//! an operator, who has a credential of the log and no account, names the operator in the payload, and `by` is the
//! user concerned.

use serde::{Deserialize, Serialize};

use crate::{SessionId, Timestamp, UserId, envelope::family};

/// What somebody may do in the whole installation. `user`, `moderator` and `admin` may each do what the ones before
/// may; `service` stands beside them: a program, which may do what its token's scopes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GlobalRole {
    /// Everybody.
    #[default]
    User,
    /// Also keeps order: in public rooms, and by suspending users.
    Moderator,
    /// Also gives roles, and makes service accounts.
    Admin,
    /// A program.
    Service,
}

impl GlobalRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::User, Self::Moderator, Self::Admin, Self::Service];

    /// Its word, on the wire and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
            Self::Service => "service",
        }
    }

    /// Its place in the order of people; a program stands where a user does.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::User | Self::Service => 0,
            Self::Moderator => 1,
            Self::Admin => 2,
        }
    }
}

/// Who acted with an operator's credential: what their machine says about them. Whoever holds the credential can say
/// something else; it tells colleagues apart, it does not prove anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The user of the operating system.
    pub user: String,
    /// The machine.
    pub host: String,
}

/// `user.role_changed`, on the subject of all roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleChanged {
    /// Whose role.
    pub user: UserId,
    /// The new role.
    pub role: GlobalRole,
    /// Why.
    pub reason: String,
    /// Set when an operator did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
}

/// `user.suspended`: may not log in, and every session is ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspended {
    /// Who.
    pub user: UserId,
    /// Until when; absent for until somebody reinstates them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Set when an operator did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
}

/// `user.reinstated`: a suspension is over before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reinstated {
    /// Who.
    pub user: UserId,
    /// Why.
    pub reason: String,
    /// Set when an operator did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
}

/// `user.sessions_ended`: somebody else ended all that was logged in to the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsEnded {
    /// Whose.
    pub user: UserId,
    /// Why.
    pub reason: String,
    /// Set when an operator did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
}

/// `service.created`: the account is a program's. Nobody logs in to it with a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceCreated {
    /// The program.
    pub user: UserId,
    /// Why.
    pub reason: String,
    /// Set when an operator did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
}

/// `service.token_issued`: a program can log in with this token. Its secret is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenIssued {
    /// The program.
    pub user: UserId,
    /// The token, an id of the kind of sessions.
    pub token: SessionId,
    /// What it is for, in the words of whoever issued it.
    pub name: String,
    /// What may be done with it: words of the table of permissions.
    pub scopes: Vec<String>,
    /// When it ends; absent for when it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Set when an operator did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
}

/// `service.token_revoked`: the token is good for nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRevoked {
    /// The program.
    pub user: UserId,
    /// The token.
    pub token: SessionId,
    /// Why.
    pub reason: String,
    /// Set when an operator did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
}

/// `operator.acted`, on the operators' own subject: somebody used the operator's credential.
///
/// The envelope's `by` is [`nobody`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorActed {
    /// What was done, as it is called on the command line: `topology apply`.
    pub act: String,
    /// With which arguments, none of them a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Why, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who.
    pub operator: Operator,
}

/// Whom the envelope of an act names that no user did and that concerns none.
#[must_use]
pub fn nobody() -> UserId {
    UserId::new(Timestamp(0), [0; 10])
}

/// `user.deactivated`: its user does not want to be here for now. Nobody logs in until they come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deactivated {
    /// Who.
    pub user: UserId,
}

/// `user.reactivated`: its user has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reactivated {
    /// Who.
    pub user: UserId,
}

/// `user.erased`: the account is no more, for good. The user's keys are destroyed after it, and with them everything
/// that was sealed with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// Who.
    pub user: UserId,
    /// Why, when somebody else decided it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Set when an operator did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
}

family! {
    /// What can be decided about an account, and what operators do.
    AccountEvent {
        /// Somebody has another global role.
        RoleChanged(RoleChanged) = "user.role_changed" v 1,
        /// Somebody may not log in.
        Suspended(Suspended) = "user.suspended" v 1,
        /// Somebody may log in again.
        Reinstated(Reinstated) = "user.reinstated" v 1,
        /// Somebody's sessions were ended by somebody else.
        SessionsEnded(SessionsEnded) = "user.sessions_ended" v 1,
        /// An account is a program's.
        ServiceCreated(ServiceCreated) = "service.created" v 1,
        /// A program has a token.
        TokenIssued(TokenIssued) = "service.token_issued" v 1,
        /// A program's token is good for nothing any more.
        TokenRevoked(TokenRevoked) = "service.token_revoked" v 1,
        /// Somebody used the operator's credential.
        OperatorActed(OperatorActed) = "operator.acted" v 1,
        /// Somebody does not want to be here for now.
        Deactivated(Deactivated) = "user.deactivated" v 1,
        /// Somebody has come back.
        Reactivated(Reactivated) = "user.reactivated" v 1,
        /// Somebody is no more.
        Erased(Erased) = "user.erased" v 1,
    }
}
