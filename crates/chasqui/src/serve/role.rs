//! The roles that a process can have.

use clap::ValueEnum;

/// A part of Chasqui that can run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Accounts, sessions, tokens.
    Auth,
    /// Decides commands.
    CommandApi,
    /// Folds the log into the views.
    Projector,
    /// Answers queries.
    QueryApi,
    /// Holds the clients' connections.
    WsEdge,
}

impl Role {
    /// The roles asked for, each once and in the order in which they depend on each other; all when none was
    /// named.
    pub(crate) fn chosen(asked: &[Self]) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|role| asked.is_empty() || asked.contains(role)).collect()
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::CommandApi => "command-api",
            Self::Projector => "projector",
            Self::QueryApi => "query-api",
            Self::WsEdge => "ws-edge",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_named_means_all_and_a_role_named_twice_means_once() {
        assert_eq!(Role::chosen(&[]).len(), 5);
        assert_eq!(Role::chosen(&[Role::WsEdge, Role::Auth, Role::WsEdge]), [Role::Auth, Role::WsEdge]);
        for role in Role::chosen(&[]) {
            let named = role.to_possible_value().unwrap();
            assert_eq!(named.get_name(), role.name());
        }
    }
}
