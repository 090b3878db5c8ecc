//! One line of an IRC log, as irssi-like loggers wrote them in `#ubuntu` from 2004 on. Pure; any text is something.

use super::nick::without_spaces;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// `[09:05] <nick> text`, `[09:05]  * nick action`, `[09:05] -nick:#channel- text` or, in old logs,
    /// `=== nick action`.
    Said {
        /// The clock, where the line has one.
        clock: Option<Clock>,
        /// As typed.
        nick: String,
        /// The message.
        text: String,
        /// How it was said.
        manner: Manner,
    },
    /// `=== nick [host]  has joined #channel`.
    Joined {
        /// As typed.
        nick: String,
    },
    /// `=== nick [host]  has left #channel ["…"]`, `has quit`, or `=== nick was kicked off #channel by …`.
    Left {
        /// As typed.
        nick: String,
    },
    /// `=== old is now known as new`.
    Renamed {
        /// As typed.
        old: String,
        /// As typed.
        new: String,
    },
    /// A line of a known kind that has no counterpart in a room.
    NotRecorded(&'static str),
    /// A line that cannot be taken.
    NotTaken(&'static str),
}

/// Hour and minute as logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// 0–23.
    pub(crate) hour: u8,
    /// 0–59.
    pub(crate) minute: u8,
}

impl Clock {
    /// Minutes since the last midnight (or noon, in a log with a twelve-hour clock).
    pub(crate) fn minutes(self) -> i64 {
        i64::from(self.hour) * 60 + i64::from(self.minute)
    }
}

/// How a message was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// To the room. The body is the text.
    Spoken,
    /// `/me`. The body is `* nick action`, as the log has it.
    Action,
    /// A notice to the channel. The body is `-nick- text`.
    Notice,
}

/// The reason given for a message without a text.
pub(crate) const EMPTY: &str = "an empty message";
const UNKNOWN: &str = "not a line of a known kind";

/// Reads a line, without its line feed.
pub(crate) fn parse(line: &str) -> Line {
    if line.trim().is_empty() {
        return Line::NotTaken("an empty line");
    }
    if let Some(event) = line.strip_prefix("===") {
        return event_line(event);
    }
    match clock(line) {
        Some((clock, rest)) => timed_line(clock, rest),
        None => Line::NotTaken(UNKNOWN),
    }
}

fn clock(line: &str) -> Option<(Clock, &str)> {
    let (time, rest) = line.strip_prefix('[')?.split_once(']')?;
    let (hour, minute) = time.split_once(':')?;
    let number = |digits: &str, below: u8| -> Option<u8> {
        let two_digits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|value| two_digits && *value < below)
    };
    Some((Clock { hour: number(hour, 24)?, minute: number(minute, 60)? }, rest))
}

fn timed_line(clock: Clock, rest: &str) -> Line {
    let said = |nick: &str, text: String, manner| {
        let nick = without_spaces(nick);
        match (nick.is_empty(), text.is_empty()) {
            (true, _) => Line::NotTaken("a message of nobody"),
            (_, true) => Line::NotTaken(EMPTY),
            _ => Line::Said { clock: Some(clock), nick, text, manner },
        }
    };
    if let Some((nick, text)) = rest.strip_prefix(" <").and_then(|rest| rest.split_once('>')) {
        return said(nick, text.strip_prefix(' ').unwrap_or(text).to_owned(), Manner::Spoken);
    }
    if let Some(action) = rest.strip_prefix("  * ").or_else(|| rest.strip_prefix(" * ")) {
        let nick = action.split(' ').next().unwrap_or(action);
        return said(nick, format!("* {action}"), Manner::Action);
    }
    if let Some((sender, text)) = rest.strip_prefix(" -").and_then(|rest| rest.split_once("- "))
        && let Some((nick, _channel)) = sender.split_once(":#")
    {
        return said(nick, format!("-{nick}- {text}"), Manner::Notice);
    }
    Line::NotTaken(UNKNOWN)
}

fn event_line(event: &str) -> Line {
    let event = event.trim_start();
    if let Some(nick) = before_host(event, "] has joined #") {
        return Line::Joined { nick };
    }
    if let Some(nick) = before_host(event, "] has left #").or_else(|| before_host(event, "] has quit")) {
        return Line::Left { nick };
    }
    if let Some((old, new)) = event.split_once(" is now known as ") {
        let (old, new) = (without_spaces(old), without_spaces(new));
        return if is_nick(&old) && is_nick(&new) {
            Line::Renamed { old, new }
        } else {
            Line::NotTaken("a rename of what is no nick")
        };
    }
    if let Some((nick, _)) = event.split_once(" was kicked off #").filter(|(nick, _)| is_nick(nick)) {
        return Line::Left { nick: nick.to_owned() };
    }
    if event.starts_with("mode/#") {
        return Line::NotRecorded("a channel mode");
    }
    if event.starts_with("Topic ") || event.contains(" changed the topic of #") {
        return Line::NotRecorded("a topic");
    }
    old_action(event)
}

/// The nick of `nick [host] has …`, whatever the number of spaces.
fn before_host(event: &str, what_happened: &str) -> Option<String> {
    let (what_happened, spaced) = (what_happened, what_happened.replacen("] ", "]  ", 1));
    let end = event.find(spaced.as_str()).or_else(|| event.find(what_happened))?;
    let (nick, _host) = event.get(..end)?.rsplit_once(" [")?;
    let nick = without_spaces(nick);
    is_nick(&nick).then_some(nick)
}

/// `=== nick action`: how loggers wrote `/me` until 2007.
fn old_action(event: &str) -> Line {
    match event.split_once(' ') {
        Some((nick, action)) if is_nick(nick) && !action.trim().is_empty() => Line::Said {
            clock: None,
            nick: nick.to_owned(),
            text: format!("* {nick} {action}"),
            manner: Manner::Action,
        },
        _ => Line::NotTaken(UNKNOWN),
    }
}

/// Letters, digits and what RFC 2812 §2.3.1 calls special; at least one character.
fn is_nick(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| {
            c.is_alphanumeric()
                || matches!(c, '[' | ']' | '\\' | '`' | '_' | '^' | '{' | '|' | '}' | '-' | '~' | '\u{fffd}')
        })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn said(hour: u8, minute: u8, nick: &str, text: &str, manner: Manner) -> Line {
        let clock = Some(Clock { hour, minute });
        Line::Said { clock, nick: nick.to_owned(), text: text.to_owned(), manner }
    }

    #[test]
    fn messages() {
        assert_eq!(parse("[09:05] <ana> hola  mundo "), said(9, 5, "ana", "hola  mundo ", Manner::Spoken));
        assert_eq!(parse("[23:59] <a> > quoted <b>"), said(23, 59, "a", "> quoted <b>", Manner::Spoken));
        assert_eq!(parse("[00:00] <a>   "), said(0, 0, "a", "  ", Manner::Spoken));
        assert_eq!(parse("[00:00] <a> \u{2}bold\u{1f}"), said(0, 0, "a", "\u{2}bold\u{1f}", Manner::Spoken));
        assert_eq!(parse("[07:44] <Asl[a] n> hm"), said(7, 44, "Asl[a]n", "hm", Manner::Spoken));
        assert_eq!(
            parse("[14:39]  * jaggz- nudges"),
            said(14, 39, "jaggz-", "* jaggz- nudges", Manner::Action)
        );
        assert_eq!(parse("[01:26] -x:#ubuntu- All you"), said(1, 26, "x", "-x- All you", Manner::Notice));
        assert_eq!(parse("[09:05] <ana>"), Line::NotTaken(EMPTY));
        assert_eq!(parse("[09:05] <> text"), Line::NotTaken("a message of nobody"));
    }

    #[test]
    fn comings_and_goings() {
        let joined = |nick: &str| Line::Joined { nick: nick.to_owned() };
        let left = |nick: &str| Line::Left { nick: nick.to_owned() };
        assert_eq!(parse("=== |QuaD- [n=x@host.net]  has joined #ubuntu"), joined("|QuaD-"));
        assert_eq!(parse("=== a [~h] has joined #Ubuntu"), joined("a"));
        assert_eq!(parse("=== [A] ndy80 [n=w@host]  has joined #ubuntu"), joined("[A]ndy80"));
        assert_eq!(parse("=== Alex[RM-UK]  [n=Alex[RM-@h]  has joined #ubuntu"), joined("Alex[RM-UK]"));
        assert_eq!(parse("=== b [h]  has left #ubuntu [\"Leaving\"]"), left("b"));
        assert_eq!(parse("=== b [h] has quit [Ping timeout]"), left("b"));
        assert_eq!(parse("=== el was kicked off #ubuntu by LoRez (LoRez)"), left("el"));
        assert_eq!(
            parse("=== sid77 is now known as sid77_"),
            Line::Renamed { old: "sid77".to_owned(), new: "sid77_".to_owned() }
        );
    }

    #[test]
    fn other_event_lines_have_their_sort() {
        assert_eq!(
            parse("=== mode/#ubuntu [+o gnomefreak]  by ChanServ"),
            Line::NotRecorded("a channel mode")
        );
        assert_eq!(parse("=== ana changed the topic of #ubuntu to: hi"), Line::NotRecorded("a topic"));
        let action = Line::Said {
            clock: None,
            nick: "sid77".to_owned(),
            text: "* sid77 hi".to_owned(),
            manner: Manner::Action,
        };
        assert_eq!(parse("=== sid77 hi"), action);
    }

    #[test]
    fn what_is_not_of_a_known_kind_is_said_to_be_so() {
        for line in
            ["hello", "[25:00] <a> b", "[1:00] <a> b", "[10:00] something", "===", "=== a", "=== #x: y"]
        {
            assert_eq!(parse(line), Line::NotTaken(UNKNOWN), "{line}");
        }
        assert_eq!(parse("  "), Line::NotTaken("an empty line"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), start in "(\\[1[0-9]:[0-9]{2}\\] ?[<* -]{0,2}|=== ?)?") {
            parse(&format!("{start}{text}"));
        }

        #[test]
        fn a_message_is_never_empty(text in "\\[0[0-9]:00\\] (<\\PC{0,3}> ?\\PC{0,3}| \\* \\PC{0,4}|-a:#b- ?\\PC?)") {
            if let Line::Said { nick, text, .. } = parse(&text) {
                prop_assert!(!text.is_empty() && !nick.is_empty());
            }
        }
    }
}
