//! The names of everything on the bus. Pure.

use chasqui_events::{Partition, RoomId, UserId};

/// The three orders of facts within a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Who may be in the room and as what; appended on condition.
    State,
    /// What was said; appended without one.
    Msg,
    /// Who got and who read.
    Rcpt,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 3] = [Self::State, Self::Msg, Self::Rcpt];

    /// The last token of the lane's subjects.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Msg => "msg",
            Self::Rcpt => "rcpt",
        }
    }

    fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == token)
    }
}

/// The stream of identity facts.
pub const IDENT: &str = "IDENT";

/// Every change of a global role.
pub const IDENT_ROLES: &str = "ident.roles";

/// What operators did.
pub const IDENT_OPERATOR: &str = "ident.audit.operator";

/// Everything that [`chasqui_events::account`] tells, by the filters of its subjects.
pub const IDENT_AUDITED: [&str; 3] = [IDENT_ROLES, "ident.account.*", IDENT_OPERATOR];

/// The queue group of the processes that decide room commands.
pub const COMMAND_API_GROUP: &str = "command-api";

/// The queue group of the processes that answer identity commands.
pub const AUTH_GROUP: &str = "auth";

/// The stream of a partition: `CHAT_<p>`.
#[must_use]
pub fn stream(partition: Partition) -> String {
    format!("CHAT_{partition}")
}

/// The stream that stores a fact of this subject; `None` when none does.
#[must_use]
pub fn stream_of(subject: &str) -> Option<String> {
    if subject.starts_with("ident.") {
        return Some(IDENT.to_owned());
    }
    let partition = subject.strip_prefix("chat.")?.split('.').next()?;
    Some(stream(partition.parse().ok().and_then(Partition::new)?))
}

/// Where a room's facts are stored: `chat.<p>.room.<room>.<lane>`.
#[must_use]
pub fn room(room: RoomId, lane: Lane) -> String {
    format!("chat.{}.room.{room}.{}", room.partition(), lane.as_str())
}

/// Where a stored fact of a room is republished: `live.<p>.room.<room>.<lane>`.
#[must_use]
pub fn live(room: RoomId, lane: Lane) -> String {
    format!("live.{}.room.{room}.{}", room.partition(), lane.as_str())
}

/// Every lane of one room, live.
#[must_use]
pub fn live_room(room: RoomId) -> String {
    format!("live.{}.room.{room}.*", room.partition())
}

/// One lane of every room, live.
#[must_use]
pub fn live_lane(lane: Lane) -> String {
    format!("live.*.room.*.{}", lane.as_str())
}

/// Every lane of every room of a partition, live.
#[must_use]
pub fn live_partition(partition: Partition) -> String {
    format!("live.{partition}.room.*.*")
}

/// The claim of a name, by the keyed hash of the folded name in hexadecimal.
#[must_use]
pub fn ident_name(hmac_hex: &str) -> String {
    format!("ident.name.{hmac_hex}")
}

/// What happens to a user: profile, sessions.
#[must_use]
pub fn ident_user(user: UserId) -> String {
    format!("ident.user.{user}")
}

/// What decides whether and as what a user may act, but for their global role: see [`IDENT_ROLES`].
#[must_use]
pub fn ident_account(user: UserId) -> String {
    format!("ident.account.{user}")
}

/// The claim of a pair's room, the same whoever of the two asks.
#[must_use]
pub fn ident_direct(one: UserId, other: UserId) -> String {
    let (low, high) = if one < other { (one, other) } else { (other, one) };
    format!("ident.direct.{low}.{high}")
}

/// Hints for the edges that hold a connection of this user.
#[must_use]
pub fn notify_user(user: UserId) -> String {
    format!("notify.user.{user}")
}

/// Something fleeting in a room, for example `typing`.
#[must_use]
pub fn eph_room(room: RoomId, kind: &str) -> String {
    format!("eph.room.{room}.{kind}")
}

/// Something fleeting about a user, for example `presence`.
#[must_use]
pub fn eph_user(user: UserId, kind: &str) -> String {
    format!("eph.user.{user}.{kind}")
}

/// Where a command is asked: `cmd.v1.<name>`.
#[must_use]
pub fn cmd(name: &str) -> String {
    format!("cmd.v1.{name}")
}

/// Where an operator asks: `ops.v1.<name>`. Only the NATS user `admin` may.
#[must_use]
pub fn ops(name: &str) -> String {
    format!("ops.v1.{name}")
}

/// A room subject, stored or live, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The partition that the subject names.
    pub partition: Partition,
    /// The room.
    pub room: RoomId,
    /// The lane.
    pub lane: Lane,
}

/// Takes `chat.<p>.room.<room>.<lane>` or `live.…` apart; `None` for every other subject, and for a room that does
/// not belong to the partition.
#[must_use]
pub fn parse(subject: &str) -> Option<Parsed> {
    let rest = subject.strip_prefix("chat.").or_else(|| subject.strip_prefix("live."))?;
    let mut tokens = rest.split('.');
    let partition = tokens.next()?.parse().ok().and_then(Partition::new)?;
    if tokens.next()? != "room" {
        return None;
    }
    let room: RoomId = tokens.next()?.parse().ok()?;
    let lane = Lane::from_token(tokens.next()?)?;
    let whole = tokens.next().is_none() && room.partition() == partition;
    whole.then_some(Parsed { partition, room, lane })
}

#[cfg(test)]
mod tests {
    use chasqui_events::Timestamp;

    use super::*;

    fn plaza() -> RoomId {
        RoomId::new(Partition::from_low_bits(3), Timestamp(1_700_000_000_000), [7; 10])
    }

    #[test]
    fn a_room_subject_reads_back() {
        for lane in Lane::ALL {
            let expected = Some(Parsed { partition: Partition::from_low_bits(3), room: plaza(), lane });
            assert_eq!(parse(&room(plaza(), lane)), expected);
            assert_eq!(parse(&live(plaza(), lane)), expected);
            assert_eq!(stream_of(&room(plaza(), lane)).as_deref(), Some("CHAT_3"));
        }
    }

    #[test]
    fn other_subjects_are_not_room_subjects() {
        let good = room(plaza(), Lane::Msg);
        for bad in [
            "chat".to_owned(),
            "chat.3.room".to_owned(),
            format!("{good}.more"),
            good.replace(".msg", ".other"),
            good.replace("chat.3", "chat.2"),
            good.replace("chat.3", "chat.x"),
            good.replace("chat.", "xchat."),
            ident_name("00ff"),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
        assert_eq!(stream_of(&ident_name("00ff")).as_deref(), Some(IDENT));
        assert_eq!(stream_of(IDENT_ROLES).as_deref(), Some(IDENT));
        assert_eq!(stream_of(IDENT_OPERATOR).as_deref(), Some(IDENT));
        assert_eq!(stream_of("notify.user.x"), None);
    }

    #[test]
    fn a_pair_has_one_subject() {
        let [one, other] = [1, 2].map(|n| UserId::new(Timestamp(1), [n; 10]));
        assert_eq!(ident_direct(one, other), ident_direct(other, one));
    }
}
