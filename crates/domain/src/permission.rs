//! The one table of who may do what.

use chasqui_events::{account::GlobalRole, room::Role};

use crate::Rejection;

/// Something that not everybody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Post a message.
    Post,
    /// Invite somebody.
    Invite,
    /// Remove somebody of a lower role, or take an invitation back.
    Remove,
    /// Give the room another name.
    Rename,
    /// Give somebody another role.
    ChangeRole,
    /// Suspend users, and end their suspension.
    Suspend,
    /// Give somebody another global role.
    ChangeGlobalRole,
}

impl Permission {
    /// The table of what is done to the installation: each permission and the lowest role that has it.
    pub const GLOBAL: &'static [(Self, GlobalRole)] =
        &[(Self::Suspend, GlobalRole::Moderator), (Self::ChangeGlobalRole, GlobalRole::Admin)];

    /// The table of what is done in a room: each permission and the lowest role that has it.
    pub const TABLE: &'static [(Self, Role)] = &[
        (Self::Post, Role::Member),
        (Self::Invite, Role::Member),
        (Self::Remove, Role::Moderator),
        (Self::Rename, Role::Owner),
        (Self::ChangeRole, Role::Owner),
    ];

    /// The lowest role that has this permission.
    #[must_use]
    pub fn lowest_role(self) -> Role {
        Self::TABLE.iter().find(|(permission, _)| *permission == self).map_or(Role::Owner, |(_, role)| *role)
    }

    /// Refuses a role that does not have this permission.
    ///
    /// # Errors
    /// [`Rejection::RoleTooLow`].
    pub fn demand(self, role: Role) -> Result<(), Rejection> {
        let needed = self.lowest_role();
        if role >= needed { Ok(()) } else { Err(Rejection::RoleTooLow { needed }) }
    }

    /// Refuses a global role that does not have this permission.
    ///
    /// # Errors
    /// [`Rejection::GlobalRoleTooLow`].
    pub fn demand_of(self, role: GlobalRole) -> Result<(), Rejection> {
        let row = Self::GLOBAL.iter().find(|(permission, _)| *permission == self);
        let needed = row.map_or(GlobalRole::Admin, |(_, needed)| *needed);
        if role.rank() >= needed.rank() {
            Ok(())
        } else {
            Err(Rejection::GlobalRoleTooLow { needed: needed.as_str() })
        }
    }
}
