//! A whole log file: its lines with their moments, and which of them answer which. Pure: bytes in, entries out.

use chasqui_events::Timestamp;
use time::{Date, macros::format_description};

use super::line::{self, Clock, Line};

/// A log file that was read.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// Its name, without folders.
    pub(crate) name: String,
    /// One entry per line.
    pub(crate) entries: Vec<Entry>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When. Lines without a clock have the moment of the line before.
    pub(crate) at: Timestamp,
    /// What.
    pub(crate) line: Line,
    /// Some bytes were not UTF-8 and have been replaced.
    pub(crate) replaced: bool,
    /// The lines that it answers, counted from 0.
    pub(crate) answers: Vec<usize>,
}

/// A file that cannot be read as a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotALog {
    /// Without a date the lines have no moment.
    #[error("its name holds no date; name it like 2004-12-25.raw.txt")]
    NoDate,
    /// An annotation that cannot be understood.
    #[error("line {line} of its annotations is not of the form `A B -`")]
    Annotation {
        /// Counted from 1.
        line: usize,
    },
}

impl LogFile {
    /// Reads a log: its file's name, which holds the date, its bytes, and the bytes of its annotations.
    pub(crate) fn parse(name: &str, bytes: &[u8], annotations: Option<&[u8]>) -> Result<Self, NotALog> {
        let midnight = date_in(name).ok_or(NotALog::NoDate)?.midnight().assume_utc();
        let start = Timestamp(midnight.unix_timestamp().saturating_mul(1000));
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        let mut entries: Vec<Entry> = lines.into_iter().map(entry).collect();
        set_moments(&mut entries, start);
        set_answers(&mut entries, annotations.unwrap_or_default())?;
        Ok(Self { name: name.to_owned(), entries })
    }
}

fn date_in(name: &str) -> Option<Date> {
    let format = format_description!("[year]-[month]-[day]");
    (0..name.len())
        .filter_map(|start| name.get(start..start + 10))
        .find_map(|text| Date::parse(text, format).ok())
}

fn entry(bytes: &[u8]) -> Entry {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let replaced = std::str::from_utf8(bytes).is_err();
    Entry { at: Timestamp(0), line: line::parse(&text), replaced, answers: vec![] }
}

fn clock_of(entry: &Entry) -> Option<Clock> {
    match &entry.line {
        Line::Said { clock, .. } => *clock,
        Line::Joined { .. }
        | Line::Left { .. }
        | Line::Renamed { .. }
        | Line::NotRecorded(_)
        | Line::NotTaken(_) => None,
    }
}

/// A clock that goes back by no more than this was set back; one that goes back further has passed midnight.
const SET_BACK_MINUTES: i64 = 60;

/// Gives every entry its moment. A clock that jumps back has passed midnight, or noon where the log never shows an
/// hour above twelve: then it has twelve hours only.
fn set_moments(entries: &mut [Entry], start: Timestamp) {
    let twelve_hours = !entries.iter().filter_map(clock_of).any(|clock| clock.hour > 12);
    let turn = if twelve_hours { 12 * 60 } else { 24 * 60 };
    // On a twelve-hour clock 12:30 comes before 1:00.
    let minutes_of = |clock: Clock| clock.minutes() % turn;
    let mut turns_before = 0;
    let mut now = entries.iter().find_map(clock_of).map_or(0, minutes_of);
    for entry in entries {
        if let Some(clock) = clock_of(entry) {
            let mut minutes = turns_before + minutes_of(clock);
            if minutes < now - SET_BACK_MINUTES {
                turns_before += turn;
                minutes += turn;
            }
            now = now.max(minutes);
        }
        entry.at = start.plus_millis(now * 60_000);
    }
}

fn set_answers(entries: &mut [Entry], annotations: &[u8]) -> Result<(), NotALog> {
    let text = String::from_utf8_lossy(annotations);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let malformed = || NotALog::Annotation { line: index + 1 };
        let mut numbers = line.split_whitespace().map(str::parse::<usize>);
        let (Some(Ok(answered)), Some(Ok(answer))) = (numbers.next(), numbers.next()) else {
            return Err(malformed());
        };
        if answered >= entries.len() {
            return Err(malformed());
        }
        let entry = entries.get_mut(answer).ok_or_else(malformed)?;
        // A line linked to itself starts a conversation.
        if answered != answer && !entry.answers.contains(&answered) {
            entry.answers.push(answered);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    const MIDNIGHT: i64 = 1_103_932_800_000; // 2004-12-25T00:00:00Z

    fn minutes(text: &str) -> Vec<i64> {
        let file = LogFile::parse("2004-12-25.raw.txt", text.as_bytes(), None).unwrap();
        file.entries.iter().map(|entry| entry.at.since(Timestamp(MIDNIGHT)) / 60_000).collect()
    }

    #[test]
    fn lines_without_a_clock_have_the_moment_before() {
        assert_eq!(
            minutes("=== a [h] has joined #x\n[10:00] <a> b\n=== a hi\n[10:07] <a> c\n"),
            [600, 600, 600, 607]
        );
    }

    #[test]
    fn the_clock_may_pass_midnight() {
        assert_eq!(minutes("[13:00] <a> b\n[23:58] <a> b\n[00:03] <a> c"), [780, 1438, 1443]);
        assert_eq!(minutes("[10:59] <a> b\n[11:58] <a> b\n[00:03] <a> c"), [659, 718, 723], "twelve hours");
        assert_eq!(minutes("[11:59] <a> b\n[12:30] <a> b\n[01:00] <a> c"), [719, 750, 780]);
    }

    #[test]
    fn a_clock_that_was_set_back_stands_still() {
        assert_eq!(minutes("[14:30] <a> b\n[13:31] <a> b\n[14:31] <a> c"), [870, 870, 871]);
    }

    #[test]
    fn annotations_link_answers() {
        let text = b"[10:00] <a> b\n[10:01] <b> c\n[10:01] <c> c\n";
        let file = LogFile::parse("x2004-12-25", text, Some(b"0 0 -\n0 2 -\n1 2 -\n0 2 -\n")).unwrap();
        let answers: Vec<_> = file.entries.iter().map(|entry| entry.answers.clone()).collect();
        assert_eq!(answers, [vec![], vec![], vec![0, 1]]);
        for bad in ["0 9 -", "9 0 -", "a b -", "1"] {
            let error = LogFile::parse("2004-12-25", text, Some(bad.as_bytes())).unwrap_err();
            assert_eq!(error, NotALog::Annotation { line: 1 }, "{bad}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_said_to_be() {
        let file = LogFile::parse("2004-12-25", b"[10:00] <a> caf\xe9\r\n", None).unwrap();
        let [entry] = file.entries.as_slice() else { panic!("one line") };
        assert!(entry.replaced);
        assert!(matches!(&entry.line, Line::Said { text, .. } if text == "caf\u{fffd}"));
    }

    #[test]
    fn a_name_without_a_date_is_refused() {
        assert_eq!(LogFile::parse("log.txt", b"", None).unwrap_err(), NotALog::NoDate);
        assert_eq!(LogFile::parse("2004-13-45.txt", b"", None).unwrap_err(), NotALog::NoDate);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, annotations: Option<Vec<u8>>, name in "\\PC{0,8}(2004-12-25)?\\PC{0,3}") {
            let _ = LogFile::parse(&name, &bytes, annotations.as_deref());
        }

        #[test]
        fn time_never_goes_back(clocks in proptest::collection::vec((0u8..24, 0u8..60), 0..40)) {
            let lines: Vec<String> = clocks.iter().map(|(h, m)| format!("[{h:02}:{m:02}] <a> b")).collect();
            let text = lines.join("\n");
            let moments = minutes(&text);
            prop_assert!(moments.is_sorted(), "{moments:?}");
        }
    }
}
