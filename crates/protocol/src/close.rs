//! Why the server closes a connection: one table, and whether to come back.

/// A WebSocket close code of the range 4000–4999 (RFC 6455 §7.4.2), or 1001 for going away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// The server is going away; come back after the time that the `bye` frame names.
    GoingAway,
    /// The client did not say hello in time.
    HelloTimeout,
    /// The token is not valid; get a new one first.
    Unauthorized,
    /// The token has expired and no new one was shown, or the key that signed it was withdrawn.
    TokenExpired,
    /// The session was revoked: log in again.
    SessionRevoked,
    /// The client does not read fast enough; its cursor is good.
    SlowReader,
    /// The client did not answer pings.
    PingTimeout,
    /// A frame was not of the protocol.
    ProtocolError,
    /// A frame was larger than allowed.
    FrameTooLarge,
    /// No more connections here; try another edge or later.
    TooManyConnections,
    /// The server cannot do what it must (a store is away); the cursor is good.
    Unavailable,
}

impl CloseCode {
    /// The whole table.
    pub const ALL: &'static [Self] = &[
        Self::GoingAway,
        Self::HelloTimeout,
        Self::Unauthorized,
        Self::TokenExpired,
        Self::SessionRevoked,
        Self::SlowReader,
        Self::PingTimeout,
        Self::ProtocolError,
        Self::FrameTooLarge,
        Self::TooManyConnections,
        Self::Unavailable,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::HelloTimeout => 4000,
            Self::Unauthorized => 4001,
            Self::TokenExpired => 4002,
            Self::SessionRevoked => 4003,
            Self::ProtocolError => 4010,
            Self::FrameTooLarge => 4011,
            Self::SlowReader => 4100,
            Self::PingTimeout => 4101,
            Self::TooManyConnections => 4102,
            Self::Unavailable => 4103,
        }
    }

    /// The code of this number.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|close| close.code() == code)
    }

    /// The close reason on the wire.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "going away",
            Self::HelloTimeout => "no hello in time",
            Self::Unauthorized => "the token is not valid",
            Self::TokenExpired => "the token has expired",
            Self::SessionRevoked => "the session was revoked",
            Self::ProtocolError => "not a frame of this protocol",
            Self::FrameTooLarge => "the frame is too large",
            Self::SlowReader => "the client reads too slowly",
            Self::PingTimeout => "no answer to pings",
            Self::TooManyConnections => "too many connections",
            Self::Unavailable => "temporarily unavailable",
        }
    }

    /// Whether to come back with the same token and cursor: at once, later, or not at all.
    #[must_use]
    pub const fn reconnect(self) -> Reconnect {
        match self {
            Self::GoingAway | Self::SlowReader | Self::PingTimeout => Reconnect::Yes,
            Self::TooManyConnections | Self::Unavailable | Self::HelloTimeout => Reconnect::Later,
            Self::Unauthorized | Self::TokenExpired => Reconnect::WithNewToken,
            Self::SessionRevoked | Self::ProtocolError | Self::FrameTooLarge => Reconnect::No,
        }
    }
}

/// What a client does after a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnect {
    /// At once, with a little jitter.
    Yes,
    /// With growing pauses.
    Later,
    /// After a refresh.
    WithNewToken,
    /// Not by itself: the client is at fault, or its user must act.
    No,
}
