//! What a client asks for and is answered later: commands and queries, so many at a time.

use chasqui_events::Timestamp;
use chasqui_protocol::{
    ClientFrame, Code, Problem,
    query::{Freshness, Query},
};

use super::{
    Effect, Session, error,
    forwarding::{self, Forward, MOST_COMMANDS},
    hello_first,
};

/// The longest name of a query, in bytes.
pub(crate) const MOST_REFERENCE_BYTES: usize = 64;
/// The most commands under way before the hello.
const MOST_STRANGER_COMMANDS: usize = 2;

impl Session {
    pub(super) fn command(
        &mut self,
        frame: &ClientFrame,
        forward: Forward,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let before_hello = matches!(
            frame,
            ClientFrame::Register(_)
                | ClientFrame::Login(_)
                | ClientFrame::LoginSecondFactor(_)
                | ClientFrame::Refresh(_)
        );
        let id = forward.id;
        if !before_hello && self.identity.is_none() {
            return self.refuse(Some(id), None, hello_first());
        }
        let most = if self.identity.is_some() { MOST_COMMANDS } else { MOST_STRANGER_COMMANDS };
        let flight = self.in_flight.get_or_insert_default();
        let taken =
            if flight.commands() < most { flight.command(forward) } else { Err(forwarding::TooMany(most)) };
        match taken {
            Ok(forward) => effects.extend(forward.map(Effect::Forward)),
            Err(forwarding::TooMany(most)) => {
                let detail =
                    format!("{most} commands of this connection await their answers; wait for one of them");
                self.push(&error(Some(id), None, Problem::new(Code::TooMany, detail)), now);
            }
        }
    }

    pub(super) fn query(
        &mut self,
        reference: String,
        ask: Query,
        fresh: Freshness,
        effects: &mut Vec<Effect>,
    ) {
        if reference.len() > MOST_REFERENCE_BYTES {
            let detail = format!("a query's ref has at most {MOST_REFERENCE_BYTES} bytes");
            return self.refuse(None, None, Problem::new(Code::Size, detail));
        }
        match self.in_flight.get_or_insert_default().query() {
            Ok(()) => effects.push(Effect::Ask { reference, ask, fresh }),
            Err(forwarding::TooMany(most)) => {
                let detail =
                    format!("{most} queries of this connection await their answers; wait for one of them");
                self.refuse(None, Some(reference), Problem::new(Code::TooMany, detail));
            }
        }
    }

    pub(super) fn drop_idle_flight(&mut self) {
        if self.in_flight.as_ref().is_some_and(|flight| flight.is_idle()) {
            self.in_flight = None;
        }
    }
}
