//! The one table of who may do what.
//!
//! The checks ask it ([`Permission::demand`], [`Permission::demand_of`]), the page `docs/permissions.md` is written from
//! it, and a test tries every command with every role against it.

mod page;
mod scope;

use chasqui_events::{account::GlobalRole, room::Role};

use crate::Rejection;
pub use page::reference_markdown;
pub use scope::{Programs, Scope, Scopes};

/// Something that may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Mind one's own account and sessions.
    OwnAccount,
    /// End the session that one has.
    EndSession,
    /// Open rooms and direct conversations.
    Open,
    /// Enter rooms that one may enter, and leave.
    Enter,
    /// Read a room and move one's marks in it.
    Read,
    /// Post a message.
    Post,
    /// Invite somebody.
    Invite,
    /// Remove somebody of a lower role, or take an invitation back.
    Remove,
    /// Ban somebody of a lower role, and lift bans.
    Ban,
    /// Mute somebody of a lower role, and lift mutes.
    Mute,
    /// Have members post less often. Who may is not slowed down.
    SlowMode,
    /// Give the room another name.
    Rename,
    /// Give somebody another role.
    ChangeRole,
    /// Erase the room for good.
    EraseRoom,
    /// Bring in what others said elsewhere.
    Import,
    /// See accounts, suspend users, and end their suspension.
    Suspend,
    /// Give somebody another global role.
    ChangeGlobalRole,
    /// See what was decided about accounts, and by whom.
    Audit,
    /// Make service accounts, and give them tokens.
    Services,
    /// Erase somebody else.
    EraseUser,
}

/// What a permission takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// An account that may act.
    Account,
    /// This role in the room, or a higher one.
    InRoom {
        /// The lowest role.
        role: Role,
        /// In a public room also those outside who have it by their global role, see [`role_outside`].
        from_outside: bool,
    },
    /// This global role, or a higher one.
    Globally(GlobalRole),
    /// The right itself, which comes with no role.
    Grant,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What may be done.
    pub permission: Permission,
    /// The same in words.
    pub what: &'static str,
    /// The commands and queries that it covers.
    pub commands: &'static [&'static str],
    /// What it takes.
    pub needs: Needs,
    /// Which programs do it, besides.
    pub programs: Programs,
}

const fn row(
    permission: Permission,
    what: &'static str,
    commands: &'static [&'static str],
    needs: Needs,
    programs: Programs,
) -> Row {
    Row { permission, what, commands, needs, programs }
}

const fn member(role: Role) -> Needs {
    Needs::InRoom { role, from_outside: false }
}

const fn keeper(role: Role) -> Needs {
    Needs::InRoom { role, from_outside: true }
}

impl Permission {
    /// The whole table.
    pub const TABLE: &'static [Row] = &[
        row(
            Self::OwnAccount,
            "mind one's own account, what it logs in with, and its sessions; take along what is one's own",
            &[
                "change_profile",
                "change_name",
                "change_password",
                "change_email",
                "enrol_totp",
                "confirm_totp",
                "remove_totp",
                "renew_recovery_codes",
                "enrol_passkey",
                "confirm_passkey",
                "rename_passkey",
                "remove_passkey",
                "revoke_session",
                "revoke_other_sessions",
                "revoke_all_sessions",
                "deactivate",
                "sessions",
                "factors",
                "export",
            ],
            Needs::Account,
            Programs::None,
        ),
        row(Self::EndSession, "end the session that one has", &["logout"], Needs::Account, Programs::All),
        row(
            Self::Open,
            "open rooms and conversations",
            &["create_room", "open_direct"],
            Needs::Account,
            Programs::With(Scope::Rooms),
        ),
        row(
            Self::Enter,
            "enter public rooms and those one is invited to, and leave",
            &["join", "leave"],
            Needs::Account,
            Programs::With(Scope::Rooms),
        ),
        row(
            Self::Read,
            "read a room, and say how far",
            &["read", "delivered"],
            member(Role::Guest),
            Programs::With(Scope::Read),
        ),
        row(Self::Post, "post, unless muted", &["send"], member(Role::Guest), Programs::With(Scope::Post)),
        row(Self::Invite, "invite people", &["invite"], member(Role::Member), Programs::With(Scope::Rooms)),
        row(
            Self::Remove,
            "remove people of a lower role, take invitations back",
            &["remove"],
            keeper(Role::Moderator),
            Programs::With(Scope::Moderate),
        ),
        row(
            Self::Ban,
            "ban people of a lower role, lift and see bans",
            &["ban", "unban", "bans"],
            keeper(Role::Moderator),
            Programs::With(Scope::Moderate),
        ),
        row(
            Self::Mute,
            "mute people of a lower role, lift mutes",
            &["mute", "unmute"],
            keeper(Role::Moderator),
            Programs::With(Scope::Moderate),
        ),
        row(
            Self::SlowMode,
            "slow a room down, and post in it without waiting",
            &["set_slow_mode"],
            keeper(Role::Moderator),
            Programs::With(Scope::Moderate),
        ),
        row(
            Self::Rename,
            "rename the room",
            &["rename_room"],
            keeper(Role::Owner),
            Programs::With(Scope::Moderate),
        ),
        row(
            Self::ChangeRole,
            "give roles in the room",
            &["change_role"],
            keeper(Role::Owner),
            Programs::With(Scope::Moderate),
        ),
        row(Self::EraseRoom, "erase the room for good", &["erase_room"], keeper(Role::Owner), Programs::None),
        row(
            Self::Import,
            "bring in what others said elsewhere (`on_behalf`)",
            &["register_imported"],
            Needs::Grant,
            Programs::With(Scope::Import),
        ),
        row(
            Self::Suspend,
            "see accounts; suspend users of a lower global role, reinstate them, end their sessions",
            &["account", "suspend", "reinstate", "end_sessions"],
            Needs::Globally(GlobalRole::Moderator),
            Programs::None,
        ),
        row(
            Self::ChangeGlobalRole,
            "give global roles",
            &["change_global_role"],
            Needs::Globally(GlobalRole::Admin),
            Programs::None,
        ),
        row(
            Self::Audit,
            "see what was decided about accounts and what operators did",
            &["audit"],
            Needs::Globally(GlobalRole::Admin),
            Programs::None,
        ),
        row(
            Self::Services,
            "make service accounts, issue and revoke their tokens",
            &["create_service", "issue_token", "revoke_token", "tokens"],
            Needs::Globally(GlobalRole::Admin),
            Programs::None,
        ),
        row(
            Self::EraseUser,
            "erase somebody else for good",
            &["erase_user"],
            Needs::Globally(GlobalRole::Admin),
            Programs::None,
        ),
    ];

    /// What it takes.
    ///
    /// # Panics
    /// Never: every permission has its line, which a test sees to.
    #[must_use]
    pub fn needs(self) -> Needs {
        let row = Self::TABLE.iter().find(|row| row.permission == self);
        row.map_or(Needs::Grant, |row| row.needs)
    }

    /// The permission that a command takes; `None` for one that the table does not know.
    #[must_use]
    pub fn of(command: &str) -> Option<Self> {
        let row = Self::TABLE.iter().find(|row| row.commands.contains(&command));
        row.map(|row| row.permission)
    }

    /// Which programs do it.
    #[must_use]
    pub fn programs(self) -> Programs {
        let row = Self::TABLE.iter().find(|row| row.permission == self);
        row.map_or(Programs::None, |row| row.programs)
    }

    /// Refuses a role in a room that does not have this permission.
    ///
    /// # Errors
    /// [`Rejection::RoleTooLow`].
    pub fn demand(self, role: Role) -> Result<(), Rejection> {
        match self.needs() {
            Needs::Account => Ok(()),
            Needs::InRoom { role: needed, .. } if role >= needed => Ok(()),
            Needs::InRoom { role: needed, .. } => Err(Rejection::RoleTooLow { needed }),
            Needs::Globally(_) | Needs::Grant => Err(Rejection::RoleTooLow { needed: Role::Owner }),
        }
    }

    /// Refuses a global role that does not have this permission.
    ///
    /// # Errors
    /// [`Rejection::GlobalRoleTooLow`].
    pub fn demand_of(self, role: GlobalRole) -> Result<(), Rejection> {
        match self.needs() {
            Needs::Account => Ok(()),
            Needs::Globally(needed) if role.rank() >= needed.rank() => Ok(()),
            Needs::Globally(needed) => Err(Rejection::GlobalRoleTooLow { needed: needed.as_str() }),
            Needs::InRoom { .. } | Needs::Grant => {
                Err(Rejection::GlobalRoleTooLow { needed: GlobalRole::Admin.as_str() })
            }
        }
    }
}

/// The role with which somebody keeps order in a public room that they are not in; `None` for most people.
#[must_use]
pub const fn role_outside(role: GlobalRole) -> Option<Role> {
    match role {
        GlobalRole::User | GlobalRole::Service => None,
        GlobalRole::Moderator => Some(Role::Moderator),
        GlobalRole::Admin => Some(Role::Owner),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use super::*;

    /// A match that a new permission breaks.
    const fn all() -> &'static [Permission] {
        use Permission as P;
        match P::Open {
            P::OwnAccount
            | P::EndSession
            | P::Open
            | P::Enter
            | P::Read
            | P::Post
            | P::Invite
            | P::Remove
            | P::Ban
            | P::Mute
            | P::SlowMode
            | P::Rename
            | P::ChangeRole
            | P::EraseRoom
            | P::Import
            | P::Suspend
            | P::ChangeGlobalRole
            | P::Audit
            | P::Services
            | P::EraseUser => {}
        }
        &[
            P::OwnAccount,
            P::EndSession,
            P::Open,
            P::Enter,
            P::Read,
            P::Post,
            P::Invite,
            P::Remove,
            P::Ban,
            P::Mute,
            P::SlowMode,
            P::Rename,
            P::ChangeRole,
            P::EraseRoom,
            P::Import,
            P::Suspend,
            P::ChangeGlobalRole,
            P::Audit,
            P::Services,
            P::EraseUser,
        ]
    }

    #[test]
    fn every_permission_has_its_line_and_every_command_one_permission() {
        let lines: Vec<Permission> = Permission::TABLE.iter().map(|row| row.permission).collect();
        assert_eq!(lines, all());
        let commands: Vec<&str> = Permission::TABLE.iter().flat_map(|row| row.commands).copied().collect();
        assert_eq!(commands.len(), commands.iter().collect::<HashSet<_>>().len());
    }

    #[test]
    fn the_page_is_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/permissions.md");
        let wanted = reference_markdown();
        let rewrite = std::env::var_os("CHASQUI_TEST_REWRITE").is_some();
        if rewrite {
            std::fs::write(&path, &wanted).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(page, wanted, "docs/permissions.md is not what the table says; its head tells how");
    }
}
