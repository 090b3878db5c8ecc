//! How things read in the terminal. Pure. What others wrote never reaches the terminal as a control sequence.

use chasqui_client::ClientError;
use chasqui_events::{Timestamp, UserId, room::Kind};
use chasqui_protocol::{Happening, Item, query::Conversation};
use time::{OffsetDateTime, macros::format_description};

/// A text of somebody else's, safe to print: control characters are shown, not obeyed.
pub(crate) fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\n      "),
            '\t' => shown.push(' '),
            '\r' => {}
            c if c.is_control() => shown.push('\u{fffd}'),
            // Marks that reorder the rest of the line.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c => shown.push(c),
        }
    }
    shown
}

/// The beginning of a message, to point at it.
pub(crate) fn beginning(body: &str) -> String {
    const CHARS: usize = 40;
    let line = body.lines().next().unwrap_or_default();
    let short: String = line.chars().take(CHARS).collect();
    let more = if short.len() < body.len() { "\u{2026}" } else { "" };
    format!("{}{more}", safe(&short))
}

/// Hour and minute; the date too when it is not today's.
pub(crate) fn moment(at: Timestamp, now: Timestamp) -> String {
    let date_time = |at: Timestamp| OffsetDateTime::from_unix_timestamp(at.millis().div_euclid(1000)).ok();
    let (Some(at), Some(now)) = (date_time(at), date_time(now)) else { return "--:--".to_owned() };
    let format = if at.date() == now.date() {
        format_description!("[hour]:[minute]")
    } else {
        format_description!("[year]-[month]-[day] [hour]:[minute]")
    };
    at.format(format).unwrap_or_else(|_| "--:--".to_owned())
}

/// The people whom a happening is about.
pub(crate) fn people(item: &Item) -> [UserId; 2] {
    let about = match &item.what {
        Happening::Joined { user }
        | Happening::Left { user }
        | Happening::Invited { user }
        | Happening::Removed { user, .. }
        | Happening::RoleChanged { user, .. }
        | Happening::Banned { user, .. }
        | Happening::Unbanned { user }
        | Happening::Muted { user, .. }
        | Happening::Unmuted { user } => *user,
        Happening::Message { .. }
        | Happening::Created { .. }
        | Happening::Renamed { .. }
        | Happening::SlowModeChanged { .. }
        | Happening::Erased { .. } => item.by,
    };
    [item.by, about]
}

/// An entry of a timeline as a line. `name` gives the names of [`people`].
pub(crate) fn entry(item: &Item, now: Timestamp, name: impl Fn(UserId) -> String) -> String {
    let at = moment(item.at, now);
    let by = name(item.by);
    match &item.what {
        Happening::Message { erased: true, .. } => format!("{at} {by}: (erased)"),
        Happening::Message { damaged: true, .. } => format!("{at} {by}: (damaged)"),
        Happening::Message { body, .. } => format!("{at} {by}: {}", safe(body)),
        Happening::Created { kind: Kind::Direct, .. } => format!("{at} -- this is where it begins"),
        Happening::Created { name: room, .. } => format!("{at} -- {by} made {}", safe(room)),
        Happening::Renamed { name: room } => format!("{at} -- {by} named the room {}", safe(room)),
        Happening::Joined { user } => format!("{at} -- {} joined", name(*user)),
        Happening::Left { user } => format!("{at} -- {} left", name(*user)),
        Happening::Invited { user } => format!("{at} -- {by} invited {}", name(*user)),
        Happening::Removed { user, reason: None } => format!("{at} -- {by} removed {}", name(*user)),
        Happening::Removed { user, reason: Some(reason) } => {
            format!("{at} -- {by} removed {}: {}", name(*user), safe(reason))
        }
        Happening::RoleChanged { user, role } => {
            format!("{at} -- {by} made {} {}", name(*user), role.as_str())
        }
        Happening::Banned { user, until, reason } => {
            format!("{at} -- {by} banned {}{}", name(*user), term(*until, reason.as_deref(), now))
        }
        Happening::Unbanned { user } => format!("{at} -- {by} lifted the ban of {}", name(*user)),
        Happening::Muted { user, until, reason } => {
            format!("{at} -- {by} muted {}{}", name(*user), term(*until, reason.as_deref(), now))
        }
        Happening::Unmuted { user } => format!("{at} -- {by} lets {} speak again", name(*user)),
        Happening::SlowModeChanged { seconds: 0 } => {
            format!("{at} -- {by} ended slow mode: everybody posts as often as they like")
        }
        Happening::SlowModeChanged { seconds } => {
            format!("{at} -- {by} slowed the room down: one message of each member in {seconds} s")
        }
        Happening::Erased { reason } => {
            format!(
                "{at} -- {by} erased the room, and all that was said{}",
                term(None, reason.as_deref(), now)
            )
        }
    }
}

/// For how long and why, behind what was done.
fn term(until: Option<Timestamp>, reason: Option<&str>, now: Timestamp) -> String {
    let until = until.map_or_else(String::new, |until| format!(" until {}", moment(until, now)));
    let reason = reason.map_or_else(String::new, |reason| format!(": {}", safe(reason)));
    format!("{until}{reason}")
}

/// A conversation in a list.
pub(crate) fn conversation(number: usize, title: &str, listed: &Conversation) -> String {
    let unread = match listed.unread {
        0 => String::new(),
        unread => format!("  {unread} unread"),
    };
    let members =
        if listed.kind == Kind::Direct { String::new() } else { format!("  {} people", listed.members) };
    let last = listed.last.as_ref().map(|last| format!("  \u{201c}{}\u{201d}", beginning(&last.preview)));
    format!("  {number:>2}  {title}{members}{unread}{}", last.unwrap_or_default())
}

/// An error as a sentence.
pub(crate) fn trouble(error: &ClientError) -> String {
    match error {
        ClientError::Problem(problem) => safe(&problem.detail),
        ClientError::Stopped | ClientError::Shape(_) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_text_moves_the_cursor() {
        let shown = safe("\u{1b}[2Jgone\u{7}\u{9b}31m\r\u{202e}evil\u{2069}");
        assert!(
            !shown.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c)),
            "{shown:?}"
        );
        assert!(shown.contains("gone") && shown.contains("evil"));
        assert_eq!(safe("one\ntwo"), "one\n      two");
    }

    #[test]
    fn old_messages_show_their_day() {
        let now = Timestamp(1_732_290_000_000);
        assert_eq!(moment(now, now), "15:40");
        assert_eq!(moment(now.plus_millis(-86_400_000), now), "2024-11-21 15:40");
        assert_eq!(moment(Timestamp(i64::MAX), now), "--:--");
    }

    #[test]
    fn a_beginning_is_short() {
        assert_eq!(beginning("hola"), "hola");
        assert_eq!(beginning("hola\nmundo"), "hola\u{2026}");
        assert!(beginning(&"x".repeat(100)).chars().count() < 50);
    }
}
