//! Every version of every event that ever existed can be read, and today's are written as they are stored.
//!
//! `golden/<type>.v<version>.json` is never edited: a log somewhere holds such a fact.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::{collections::BTreeSet, fs, path::Path};

use chasqui_events::{CommandId, Envelope, Event, Fact, Text, message::MessageEvent};
use pretty_assertions::assert_eq;

fn golden() -> Vec<(String, u32, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let (name, version) = stem.rsplit_once(".v").unwrap();
            (name.to_owned(), version.parse().unwrap(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_version_has_a_golden_file() {
    let have: BTreeSet<_> = golden().into_iter().map(|(name, version, _)| (name, version)).collect();
    let want: BTreeSet<_> = Fact::types()
        .flat_map(|(name, current)| (1..=current).map(move |version| (name.to_owned(), version)))
        .collect();
    assert_eq!(have, want);
}

#[test]
fn golden_files_read_and_current_ones_write_the_same_bytes() {
    for (name, version, text) in golden() {
        let envelope =
            Envelope::<Fact>::decode(text.as_bytes()).unwrap_or_else(|e| panic!("{name}.v{version}: {e}"));
        assert_eq!(envelope.event.type_name(), name);
        if version == envelope.event.version() {
            assert_eq!(String::from_utf8(envelope.encode()).unwrap(), text.trim_end());
        }
    }
}

#[test]
fn messages_of_older_versions_are_lifted_to_today() {
    let answered: CommandId = "01939e0b-2fff-7123-8456-a2b6e0c1d2e7".parse().unwrap();
    for old in [1, 2] {
        let (.., text) = golden()
            .into_iter()
            .find(|(name, version, _)| name == "message.posted" && *version == old)
            .unwrap();
        let envelope = Envelope::<MessageEvent>::decode(text.as_bytes()).unwrap();
        let MessageEvent::Posted(posted) = envelope.event;
        assert_eq!(posted.body, Text::Plain("ñan, the road".to_owned()));
        assert_eq!((posted.size, posted.replies_to), (14, vec![answered]));
    }
}

#[test]
fn what_is_not_known_is_said() {
    let (.., text) = golden().into_iter().find(|(name, ..)| name == "room.renamed").unwrap();
    for (from, to, expected) in [
        ("room.renamed", "room.painted", "room.painted"),
        ("\"v\":1", "\"v\":9", "version 9 of room.renamed"),
        ("\"name\":", "\"title\":", "title"),
    ] {
        let error = Envelope::<Fact>::decode(text.replace(from, to).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
