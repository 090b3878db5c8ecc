//! What a person types: a command, or something to say. Pure.

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Nothing.
    Nothing,
    /// Something to say in the open conversation.
    Say(String),
    /// A command.
    Command(Command),
    /// A command that does not exist, or lacks something; what to tell about it.
    Wrong(String),
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Lists conversations and public rooms.
    Rooms,
    /// Opens a conversation, by its number or name.
    Open(String),
    /// Opens the conversation with somebody.
    Direct(String),
    /// Joins a room and opens it.
    Join(String),
    /// Makes a room and opens it.
    Create {
        /// Entered by invitation only.
        private: bool,
        /// Its name.
        name: String,
    },
    /// Leaves the open conversation.
    Leave,
    /// Invites somebody into the open conversation.
    Invite(String),
    /// Puts somebody out of the open room and keeps them out.
    Ban(Sanction),
    /// Lets somebody in again.
    Unban(String),
    /// Keeps somebody from posting in the open room.
    Mute(Sanction),
    /// Lets somebody post again.
    Unmute(String),
    /// Have members of the open room post once in so many seconds.
    Slow(u32),
    /// Erases the open room, whose name this should be.
    Erase(String),
    /// Lists who is in the open conversation.
    Who,
    /// Shows the last messages of the open conversation.
    History(u32),
    /// Asks for another password.
    Password,
    /// Writes everything that one has into a file.
    Export(String),
    /// Lists the commands.
    Help,
    /// Ends the program.
    Quit,
}

/// Whom, for how long, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sanction {
    /// Their name.
    pub(crate) name: String,
    /// For how long, in milliseconds; until it is lifted without it.
    pub(crate) ms: Option<i64>,
    /// Why.
    pub(crate) reason: Option<String>,
}

/// What `/help` says.
pub(crate) const HELP: &str = "\
  /dm NAME          talk to somebody
  /rooms            your conversations, with what you have not read, and the public rooms
  /open N or NAME   open one of your conversations
  /join NAME        join a public room, or one that you were invited to
  /create NAME      make a public room; /create private NAME makes one for invited people
  /invite NAME      invite somebody to the open room
  /ban NAME [10m] [WHY]    put somebody out and keep them out; /unban NAME lifts it
  /mute NAME [10m] [WHY]   keep somebody from posting; /unmute NAME lifts it
  /slow 30s         have members post once in 30 s; /slow off ends it
  /erase NAME       erase the open room, NAME, for good: nobody reads again what was said there
  /who              who is in the open room
  /history [N]      the last N messages
  /leave            leave the open room
  /export FILE      write your account, your rooms and all you have said into a file
  /password         change your password; your other sessions end
  /quit             leave the chat
Anything else is said in the open conversation; a line that is to begin with / begins with //.
\u{2713} has reached somebody's device, \u{2713}\u{2713} was read. Times are UTC.";

const HISTORY: u32 = 20;
const LONGEST_HISTORY: u32 = 200;

/// Reads a line.
pub(crate) fn parse(line: &str) -> Typed {
    if line.trim().is_empty() {
        return Typed::Nothing;
    }
    let Some(rest) = line.trim_start().strip_prefix('/') else { return Typed::Say(line.to_owned()) };
    if rest.starts_with('/') {
        return Typed::Say(rest.to_owned());
    }
    let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match command(word, argument.trim()) {
        Ok(command) => Typed::Command(command),
        Err(why) => Typed::Wrong(why),
    }
}

fn command(word: &str, argument: &str) -> Result<Command, String> {
    let needed = |what: &str| {
        if argument.is_empty() { Err(format!("/{word} needs {what}")) } else { Ok(argument.to_owned()) }
    };
    match word {
        "rooms" | "list" => Ok(Command::Rooms),
        "open" => needed("the number or the name of a conversation; /rooms lists them").map(Command::Open),
        "dm" | "msg" => needed("a user's name").map(Command::Direct),
        "join" => needed("the name of a room; /rooms lists them").map(Command::Join),
        "create" => match argument.strip_prefix("private").map(str::trim_start) {
            Some(name) if !name.is_empty() => Ok(Command::Create { private: true, name: name.to_owned() }),
            _ => needed("a name for the room").map(|name| Command::Create { private: false, name }),
        },
        "leave" => Ok(Command::Leave),
        "invite" => needed("a user's name").map(Command::Invite),
        "ban" => needed("a user's name").map(|rest| Command::Ban(sanction(&rest))),
        "unban" => needed("a user's name").map(Command::Unban),
        "mute" => needed("a user's name").map(|rest| Command::Mute(sanction(&rest))),
        "unmute" => needed("a user's name").map(Command::Unmute),
        "slow" if argument == "off" => Ok(Command::Slow(0)),
        "slow" => {
            let seconds = duration(argument).and_then(|ms| u32::try_from(ms / 1000).ok()).filter(|s| *s > 0);
            let wrong = || "/slow takes a time like 30s or 5m, or off".to_owned();
            seconds.map(Command::Slow).ok_or_else(wrong)
        }
        "erase" => needed("the name of the open room, as a sign that you mean it").map(Command::Erase),
        "who" => Ok(Command::Who),
        "history" if argument.is_empty() => Ok(Command::History(HISTORY)),
        "history" => match argument.parse() {
            Ok(count @ 1..=LONGEST_HISTORY) => Ok(Command::History(count)),
            _ => Err(format!("/history takes a number from 1 to {LONGEST_HISTORY}")),
        },
        "export" => needed("the name of a file, which is made").map(Command::Export),
        "password" => Ok(Command::Password),
        "help" | "?" => Ok(Command::Help),
        "quit" | "exit" => Ok(Command::Quit),
        number if number.parse::<usize>().is_ok() => Ok(Command::Open(number.to_owned())),
        other => Err(format!("there is no /{other}; /help lists what there is")),
    }
}

/// `NAME [TIME] [WHY]`, the time as `30s`, `10m`, `2h` or `7d`.
fn sanction(rest: &str) -> Sanction {
    let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let rest = rest.trim();
    let (first, why) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (ms, reason) = match duration(first) {
        Some(ms) => (Some(ms), why.trim()),
        None => (None, rest),
    };
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    Sanction { name: name.to_owned(), ms, reason }
}

fn duration(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits)? {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    digits.parse::<i64>().ok().filter(|count| *count > 0)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn lines_are_said_and_commands_done() {
        let command = Typed::Command;
        assert_eq!(parse(" hola "), Typed::Say(" hola ".to_owned()));
        assert_eq!(parse("//etc/hosts"), Typed::Say("/etc/hosts".to_owned()));
        assert_eq!(parse("   "), Typed::Nothing);
        assert_eq!(parse("/dm ana"), command(Command::Direct("ana".to_owned())));
        assert_eq!(parse("/2"), command(Command::Open("2".to_owned())));
        assert_eq!(parse("/history"), command(Command::History(20)));
        assert_eq!(parse("/history 5"), command(Command::History(5)));
        let mute = |ms, reason: Option<&str>| {
            command(Command::Mute(Sanction { name: "ana".to_owned(), ms, reason: reason.map(str::to_owned) }))
        };
        assert_eq!(parse("/slow 30s"), command(Command::Slow(30)));
        assert_eq!(parse("/slow 5m"), command(Command::Slow(300)));
        assert_eq!(parse("/slow off"), command(Command::Slow(0)));
        assert_eq!(parse("/erase Old Plaza"), command(Command::Erase("Old Plaza".to_owned())));
        assert!(matches!(parse("/erase"), Typed::Wrong(_)), "not without its name");
        assert!(matches!(parse("/slow"), Typed::Wrong(_)) && matches!(parse("/slow 30"), Typed::Wrong(_)));
        assert_eq!(parse("/mute ana"), mute(None, None));
        assert_eq!(parse("/mute ana 10m"), mute(Some(600_000), None));
        assert_eq!(parse("/mute ana 2h too loud"), mute(Some(7_200_000), Some("too loud")));
        assert_eq!(parse("/mute ana too loud"), mute(None, Some("too loud")));
        assert_eq!(parse("/mute ana 0m"), mute(None, Some("0m")));
        let create = |private, name: &str| command(Command::Create { private, name: name.to_owned() });
        assert_eq!(parse("/create the plaza"), create(false, "the plaza"));
        assert_eq!(parse("/create private the hut"), create(true, "the hut"));
        assert_eq!(parse("/create private"), create(false, "private"));
    }

    #[test]
    fn a_wrong_command_says_what_is_right() {
        for (line, says) in
            [("/dm", "a user's name"), ("/history 0", "from 1"), ("/jion x", "/help"), ("/", "/help")]
        {
            let Typed::Wrong(why) = parse(line) else { panic!("{line} is wrong") };
            assert!(why.contains(says), "{line}: {why}");
        }
    }

    #[test]
    fn help_names_every_command() {
        for word in [
            "dm", "rooms", "open", "join", "create", "invite", "ban", "mute", "who", "history", "leave",
            "password", "quit",
        ] {
            assert!(HELP.contains(&format!("/{word} ")), "{word}");
            assert!(
                !matches!(parse(&format!("/{word} x")), Typed::Wrong(why) if why.contains("there is no")),
                "{word}"
            );
        }
    }
}
