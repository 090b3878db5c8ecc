//! Who a verified token says is asking.

use chasqui_domain::Permission;
use chasqui_domain::permission::Programs;
pub use chasqui_domain::permission::{Scope, Scopes};
use chasqui_events::{SessionId, Timestamp, UserId, account::GlobalRole};
use chasqui_limiter::Account;
use chasqui_protocol::{Code, Problem};
use sha2::{Digest as _, Sha256};

/// Which key signed a token: enough of a digest of its `kid` to tell the few keys of an installation apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// The key with this `kid`.
    #[must_use]
    pub fn of(kid: &str) -> Self {
        let digest = Sha256::digest(kid);
        Self(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// A verified caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// The login that the token came from.
    pub session: SessionId,
    /// What they may do in the whole installation, as it was when the token was made.
    pub role: GlobalRole,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The rights of the login.
    pub scopes: Scopes,
    /// The key that signed the token.
    pub signed_by: KeyId,
}

impl Identity {
    /// Whose limits hold for this caller.
    #[must_use]
    pub fn account(&self) -> Account {
        Account { user: self.user, service: self.role == GlobalRole::Service || self.may(Scope::Import) }
    }

    /// Whether the login has this right.
    #[must_use]
    pub const fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// Refuses a program what its token does not allow, by the address of the request. People are judged by their roles,
    /// where it is decided.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn may_call(&self, path: &str) -> Result<(), Problem> {
        self.may_do(path.strip_prefix("/v1/commands/").unwrap_or_else(|| query_of(path)))
    }

    /// The same for a command by its name. One that the table of permissions does not know is for people.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn may_do(&self, command: &str) -> Result<(), Problem> {
        self.allows(Permission::of(command).map_or(Programs::None, Permission::programs))
    }

    fn allows(&self, programs: Programs) -> Result<(), Problem> {
        match programs {
            _ if self.role != GlobalRole::Service => Ok(()),
            Programs::All => Ok(()),
            Programs::With(scope) if self.may(scope) => Ok(()),
            Programs::With(scope) => {
                let detail =
                    format!("this takes the scope `{}`, which the token does not have", scope.as_str());
                Err(Problem::new(Code::Forbidden, detail))
            }
            Programs::None => Err(Problem::new(Code::Forbidden, "no service account may do this")),
        }
    }
}

/// What the table of permissions calls the query at an address; nothing that it knows for one that is not told here.
fn query_of(path: &str) -> &'static str {
    const READS: [&str; 4] = ["/v1/conversations", "/v1/rooms", "/v1/users", "/v1/me"];
    let reads =
        |place: &&str| path.strip_prefix(*place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match path {
        "/v1/me/sessions" => "sessions",
        "/v1/me/factors" => "factors",
        "/v1/admin/audit" => "audit",
        _ if path.starts_with("/v1/me/export") => "export",
        _ if path.starts_with("/v1/admin/users/") => "account",
        _ if path.ends_with("/bans") => "bans",
        _ if READS.iter().any(reads) => "read",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn identity(role: GlobalRole, scopes: Scopes) -> Identity {
        let (user, session) = (UserId::new(Timestamp(1), [1; 10]), SessionId::new(Timestamp(1), [2; 10]));
        Identity { user, session, role, expires_at: Timestamp(9), scopes, signed_by: KeyId::default() }
    }

    #[test]
    fn a_program_does_what_its_token_allows_and_people_need_no_scope() {
        let station = identity(GlobalRole::Service, Scopes::NONE.with(Scope::Read).with(Scope::Post));
        let ana = identity(GlobalRole::User, Scopes::NONE);
        for (path, program) in [
            ("/v1/commands/send", true),
            ("/v1/commands/read", true),
            ("/v1/commands/logout", true),
            ("/v1/conversations", true),
            ("/v1/rooms/x/messages", true),
            ("/v1/commands/join", false),
            ("/v1/commands/ban", false),
            ("/v1/rooms/x/bans", false),
            ("/v1/commands/change_profile", false),
            ("/v1/commands/suspend", false),
            ("/v1/commands/something_new", false),
            ("/v1/me", true),
            ("/v1/me/sessions", false),
            ("/v1/me/export/account", false),
            ("/v1/something_new", false),
            ("/v1/admin/audit", false),
            ("/v1/admin/anything", false),
        ] {
            assert_eq!(station.may_call(path).is_ok(), program, "{path}");
            assert_eq!(ana.may_call(path), Ok(()), "{path}: people are judged by their roles");
        }
    }
}
