//! Commands on their way to the command side: which subject, in which order, how many at once.

use std::collections::VecDeque;

use chasqui_events::{CommandId, RoomId, UserId};
use chasqui_protocol::ClientFrame;
use serde::Serialize;
use serde_json::value::RawValue;

/// What the answer of a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// `Accepted`.
    Accepted,
    /// `LoggedIn`.
    Tokens,
}

/// A command for the command side.
#[derive(Debug)]
pub(crate) struct Forward {
    /// The answer repeats it.
    pub(crate) id: CommandId,
    /// `cmd.v1.<name>`.
    pub(crate) name: &'static str,
    /// The command itself.
    pub(crate) body: Box<RawValue>,
    /// What its answer is.
    pub(crate) reply: Reply,
    /// Commands of one session that carry the same room here are done one after the other.
    pub(crate) ordered_in: Option<RoomId>,
    /// A message that the client may have sent before.
    pub(crate) retry_of: Option<Retry>,
}

/// A message that may have been sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) room: RoomId,
    /// Its author, when that is not the caller.
    pub(crate) author: Option<UserId>,
}

/// Which command a frame is; `None` when it is none.
pub(super) fn command_of(frame: &ClientFrame) -> Option<Forward> {
    use ClientFrame as F;
    let command =
        |id, name, body, reply| Some(Forward { id, name, body, reply, ordered_in: None, retry_of: None });
    let accepted = |id, name, body| command(id, name, body, Reply::Accepted);
    let tokens = |id, name, body| command(id, name, body, Reply::Tokens);
    match frame {
        F::Register(c) => accepted(c.id, "register", raw(c)),
        F::Login(r) => tokens(r.id, "login", raw(&r.body)),
        F::LoginSecondFactor(r) => tokens(r.id, "login_second_factor", raw(&r.body)),
        F::Refresh(r) => tokens(r.id, "refresh", raw(&r.body)),
        F::Logout(r) => accepted(r.id, "logout", raw(&r.body)),
        F::ChangeProfile(c) => accepted(c.id, "change_profile", raw(c)),
        F::CreateRoom(c) => accepted(c.id, "create_room", raw(c)),
        F::OpenDirect(c) => accepted(c.id, "open_direct", raw(c)),
        F::RenameRoom(c) => accepted(c.id, "rename_room", raw(c)),
        F::Join(c) => accepted(c.id, "join", raw(c)),
        F::Leave(c) => accepted(c.id, "leave", raw(c)),
        F::Invite(c) => accepted(c.id, "invite", raw(c)),
        F::Remove(c) => accepted(c.id, "remove", raw(c)),
        F::ChangeRole(c) => accepted(c.id, "change_role", raw(c)),
        F::Ban(c) => accepted(c.id, "ban", raw(c)),
        F::Unban(c) => accepted(c.id, "unban", raw(c)),
        F::SetSlowMode(c) => accepted(c.id, "set_slow_mode", raw(c)),
        F::EraseRoom(c) => accepted(c.id, "erase_room", raw(c)),
        F::Mute(c) => accepted(c.id, "mute", raw(c)),
        F::Unmute(c) => accepted(c.id, "unmute", raw(c)),
        F::Send(c) => {
            let forward = accepted(c.id, "send", raw(c))?;
            let author = c.on_behalf.map(|on_behalf| on_behalf.user);
            let retry_of = c.retry.then_some(Retry { room: c.room, author });
            Some(Forward { ordered_in: Some(c.room), retry_of, ..forward })
        }
        F::Hello(_)
        | F::Renew(_)
        | F::Ack { .. }
        | F::Acks(_)
        | F::Read(_)
        | F::Typing { .. }
        | F::Ping(_)
        | F::Query { .. } => None,
    }
}

/// The command as JSON. The protocol's commands can always be written.
fn raw(command: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(command).unwrap_or_else(|error| {
        tracing::error!(%error, "a command could not be written");
        RawValue::NULL.to_owned()
    })
}

/// The commands and queries of one session that await their answers.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    commands: usize,
    queries: usize,
    /// Rooms with a message under way, and those that wait behind it.
    rooms: Vec<(RoomId, VecDeque<Forward>)>,
}

/// The most commands of a session that await their answer.
pub(crate) const MOST_COMMANDS: usize = 64;
/// The most queries of a session that await their answer.
pub(crate) const MOST_QUERIES: usize = 8;

/// Too many are under way; says how many may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany(pub(super) usize);

impl InFlight {
    /// Takes a command; gives it back when it can be asked at once.
    pub(super) fn command(&mut self, forward: Forward) -> Result<Option<Forward>, TooMany> {
        if self.commands >= MOST_COMMANDS {
            return Err(TooMany(MOST_COMMANDS));
        }
        self.commands += 1;
        if let Some(room) = forward.ordered_in {
            if let Some((_, waiting)) = self.rooms.iter_mut().find(|(busy, _)| *busy == room) {
                waiting.push_back(forward);
                return Ok(None);
            }
            self.rooms.push((room, VecDeque::new()));
        }
        Ok(Some(forward))
    }

    /// A command was answered; gives the one that waited behind it.
    pub(super) fn replied(&mut self, ordered_in: Option<RoomId>) -> Option<Forward> {
        self.commands = self.commands.saturating_sub(1);
        let room = ordered_in?;
        let at = self.rooms.iter().position(|(busy, _)| *busy == room)?;
        let next = self.rooms.get_mut(at).and_then(|(_, waiting)| waiting.pop_front());
        if next.is_none() {
            self.rooms.swap_remove(at);
        }
        next
    }

    pub(super) fn query(&mut self) -> Result<(), TooMany> {
        if self.queries >= MOST_QUERIES {
            return Err(TooMany(MOST_QUERIES));
        }
        self.queries += 1;
        Ok(())
    }

    pub(super) fn answered(&mut self) {
        self.queries = self.queries.saturating_sub(1);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.commands == 0 && self.queries == 0
    }

    pub(super) fn commands(&self) -> usize {
        self.commands
    }
}

#[cfg(test)]
mod tests {
    use chasqui_events::{Partition, Timestamp};

    use super::*;

    fn send(n: u8, room: u8) -> Forward {
        Forward {
            id: CommandId::new(Timestamp(1), [n; 10]),
            name: "send",
            body: RawValue::NULL.to_owned(),
            reply: Reply::Accepted,
            retry_of: None,
            ordered_in: Some(RoomId::new(Partition::from_low_bits(0), Timestamp(1), [room; 10])),
        }
    }

    #[test]
    fn messages_to_one_room_go_one_after_the_other() {
        let mut flight = InFlight::default();
        let first = flight.command(send(1, 1)).unwrap().unwrap();
        assert!(flight.command(send(2, 1)).unwrap().is_none());
        assert!(flight.command(send(3, 1)).unwrap().is_none());
        assert!(flight.command(send(4, 2)).unwrap().is_some(), "another room does not wait");
        for expected in [2, 3] {
            assert_eq!(flight.replied(first.ordered_in).unwrap().id, send(expected, 1).id);
        }
        assert!(flight.replied(first.ordered_in).is_none());
        flight.replied(send(4, 2).ordered_in);
        assert!(flight.is_idle());
    }

    #[test]
    fn there_is_a_bound() {
        let mut flight = InFlight::default();
        for n in 0..u8::try_from(MOST_COMMANDS).unwrap() {
            assert!(flight.command(send(n, 1)).is_ok());
        }
        assert_eq!(flight.command(send(255, 1)).unwrap_err(), TooMany(MOST_COMMANDS));
    }
}
