//! Who one is on NATS.

use std::fmt;

/// A user of `nats/accounts.conf`. Every role opens its own connection, also when several run in one process, so
/// that the permissions hold everywhere alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BusRole {
    /// Makes streams, buckets and consumers. Stores no fact but what operators did.
    Admin,
    /// Identity: `IDENT`, credentials, refresh families, keys.
    Auth,
    /// Decides commands and appends the facts of rooms.
    CommandApi,
    /// Answers queries; needs the public keys only.
    QueryApi,
    /// Folds the streams into the views.
    Projector,
    /// Holds client connections: hears what happens, sends commands, stores nothing.
    WsEdge,
    /// Pulls from consumers that were made for it.
    Analytics,
}

impl BusRole {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Admin,
        Self::Auth,
        Self::CommandApi,
        Self::QueryApi,
        Self::Projector,
        Self::WsEdge,
        Self::Analytics,
    ];

    /// The user's name in `nats/accounts.conf`.
    #[must_use]
    pub const fn user(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Auth => "auth",
            Self::CommandApi => "command-api",
            Self::QueryApi => "query-api",
            Self::Projector => "projector",
            Self::WsEdge => "ws-edge",
            Self::Analytics => "analytics",
        }
    }

    /// The only prefix under which the role may receive replies, so that no role overhears another's.
    #[must_use]
    pub const fn inbox_prefix(self) -> &'static str {
        match self {
            Self::Admin => "_INBOX_admin",
            Self::Auth => "_INBOX_auth",
            Self::CommandApi => "_INBOX_command_api",
            Self::QueryApi => "_INBOX_query_api",
            Self::Projector => "_INBOX_projector",
            Self::WsEdge => "_INBOX_ws_edge",
            Self::Analytics => "_INBOX_analytics",
        }
    }
}

impl fmt::Display for BusRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.user())
    }
}
