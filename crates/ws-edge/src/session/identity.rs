//! Who the client is: its hello, its token, and a newer token on the same connection.

use chasqui_auth::{Identity, KeyId};
use chasqui_events::Timestamp;
use chasqui_protocol::{
    CloseCode, Code, Problem, ServerFrame,
    frame::{Hello, Welcome},
};

use super::{Effect, Phase, Session, error};

impl Session {
    /// The key that signed the newest token that the client has shown.
    pub(crate) fn signed_by(&self) -> Option<KeyId> {
        self.identity.as_ref().map(|identity| identity.signed_by)
    }

    /// Greets the client, once its cursor was looked at.
    pub(crate) fn welcome(&mut self, resumed: bool, now: Timestamp) {
        let Some(identity) = self.identity else { return };
        self.push(
            &ServerFrame::Welcome(Welcome {
                user: identity.user,
                session: identity.session,
                server_time: now,
                resumed,
                ping_interval_ms: u64::try_from(self.timing.ping).unwrap_or_default(),
                expires_at: identity.expires_at,
            }),
            now,
        );
    }

    pub(super) fn hello(&mut self, hello: Hello, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Fresh {
            self.phase = Phase::Authenticating;
            effects.push(Effect::Authenticate(hello));
        } else {
            let detail = "hello was said already on this connection; show a new token with renew";
            self.push(&error(None, None, Problem::new(Code::Malformed, detail)), now);
        }
    }

    pub(super) fn verified(
        &mut self,
        verdict: Result<Identity, Problem>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        match verdict {
            Ok(identity) => {
                self.identity = Some(identity);
                self.alive.authenticated(identity.expires_at);
                self.phase = Phase::Resuming;
                effects.push(Effect::Resume);
            }
            Err(problem) => {
                let code = match problem.code {
                    Code::Unavailable | Code::Internal => CloseCode::Unavailable,
                    _ => CloseCode::Unauthorized,
                };
                self.refuse(None, None, problem);
                self.close(code, now);
            }
        }
    }

    pub(super) fn renewed(&mut self, verdict: Result<Identity, Problem>, now: Timestamp) {
        let new = match verdict {
            Ok(new) => new,
            Err(problem) => return self.refuse(None, None, problem),
        };
        let same = |old: &Identity| old.user == new.user && old.session == new.session;
        if self.identity.as_ref().is_some_and(same) {
            self.identity = Some(new);
            self.alive.authenticated(new.expires_at);
            self.welcome(true, now);
        } else {
            let detail = "the token is of another session; open another connection for it";
            self.refuse(None, None, Problem::new(Code::Forbidden, detail));
        }
    }
}
