//! The one table of who may do what in a room.

use chasqui_events::room::Role;

use crate::Rejection;

/// Something that a member may or may not do.
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
}

impl Permission {
    /// The whole table: each permission and the lowest role that has it.
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
}
