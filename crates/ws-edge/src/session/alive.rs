//! When something must have happened on a connection.

use chasqui_events::Timestamp;
use chasqui_protocol::CloseCode;

/// The times of one connection, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// A hello must have been accepted after so long.
    pub(crate) hello: i64,
    /// A ping is sent after so long a silence.
    pub(crate) ping: i64,
    /// Its answer must come within this time.
    pub(crate) pong: i64,
    /// A connection that is being closed is cut after so long.
    pub(crate) close: i64,
}

/// What must have happened by when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alive {
    heard: Timestamp,
    pinged: Option<Timestamp>,
    hello_by: Option<Timestamp>,
    expires: Option<Timestamp>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    Close(CloseCode),
}

impl Alive {
    pub(super) const fn new(now: Timestamp, timing: &Timing) -> Self {
        Self { heard: now, pinged: None, hello_by: Some(now.plus_millis(timing.hello)), expires: None }
    }

    /// The client gave a sign of life.
    pub(super) const fn heard(&mut self, now: Timestamp) {
        self.heard = now;
        self.pinged = None;
    }

    /// The hello was accepted, or a new token was shown.
    pub(super) const fn authenticated(&mut self, expires: Timestamp) {
        self.hello_by = None;
        self.expires = Some(expires);
    }

    /// When the client last gave a sign of life.
    pub(super) const fn last_heard(&self) -> Timestamp {
        self.heard
    }

    /// When to look again.
    pub(super) fn next(&self, timing: &Timing) -> Timestamp {
        let alive = self.pinged.map_or(self.heard.plus_millis(timing.ping), |at| at.plus_millis(timing.pong));
        [self.hello_by, self.expires].into_iter().flatten().fold(alive, Timestamp::min)
    }

    /// What is due by now.
    pub(super) fn due(&mut self, now: Timestamp, timing: &Timing) -> Option<Due> {
        if self.hello_by.is_some_and(|by| by <= now) {
            return Some(Due::Close(CloseCode::HelloTimeout));
        }
        if self.expires.is_some_and(|at| at <= now) {
            return Some(Due::Close(CloseCode::TokenExpired));
        }
        match self.pinged {
            Some(at) if at.plus_millis(timing.pong) <= now => Some(Due::Close(CloseCode::PingTimeout)),
            None if self.heard.plus_millis(timing.ping) <= now => {
                self.pinged = Some(now);
                Some(Due::Ping)
            }
            Some(_) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing { hello: 10_000, ping: 15_000, pong: 10_000, close: 3_000 };

    #[test]
    fn a_silent_peer_is_noticed_within_ping_and_pong() {
        let mut alive = Alive::new(Timestamp(0), &TIMING);
        alive.authenticated(Timestamp(600_000));
        assert_eq!(alive.next(&TIMING), Timestamp(15_000));
        assert_eq!(alive.due(Timestamp(14_999), &TIMING), None);
        assert_eq!(alive.due(Timestamp(15_000), &TIMING), Some(Due::Ping));
        assert_eq!(alive.due(Timestamp(24_999), &TIMING), None);
        assert_eq!(alive.due(Timestamp(25_000), &TIMING), Some(Due::Close(CloseCode::PingTimeout)));
        alive.heard(Timestamp(25_000));
        assert_eq!(alive.due(Timestamp(25_000), &TIMING), None, "any sign of life will do");
    }

    #[test]
    fn hello_and_token_have_their_times() {
        let mut alive = Alive::new(Timestamp(0), &TIMING);
        assert_eq!(alive.due(Timestamp(10_000), &TIMING), Some(Due::Close(CloseCode::HelloTimeout)));
        alive.authenticated(Timestamp(12_000));
        assert_eq!(alive.next(&TIMING), Timestamp(12_000));
        assert_eq!(alive.due(Timestamp(12_000), &TIMING), Some(Due::Close(CloseCode::TokenExpired)));
    }
}
