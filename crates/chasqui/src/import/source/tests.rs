//! The twenty excerpts, when they are there; a made-up one otherwise.

use std::{collections::HashMap, env, path::PathBuf};

use chasqui_events::{Partition, RoomId, Timestamp, UserId};

use super::*;
use crate::import::{
    history::Known,
    plan::{self, Weight, What},
    survey::{self, Counts},
};

/// `CHASQUI_TEST_DATA`, or `../shared/data` beside the workspace; `None` when neither is there.
fn excerpts() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = env::var_os("CHASQUI_TEST_DATA").map_or_else(beside, PathBuf::from);
    let folder = data.join("ubuntu-irc");
    folder.is_dir().then_some(folder)
}

/// A log of all kinds of lines, for where the excerpts are not.
const MADE_UP: &str = "=== |quilla- [n=q@host]  has joined #plaza\n\
    [11:58] <|Quilla-> hola\n\
    === inti waves\n\
    [00:01]  * inti sits down\n\
    === |quilla- is now known as quilla\n\
    [00:01] <quilla> \u{2}caf\u{e9}\u{f}\n\
    === mode/#plaza [+o inti]  by ChanServ\n\
    [00:02] <inti>\n\
    === quilla [n=q@host]  has left #plaza []\n";

fn logs() -> (Vec<LogFile>, bool) {
    let Some(folder) = excerpts() else {
        eprintln!(
            "NOT TESTED on the real excerpts: neither CHASQUI_TEST_DATA nor ../shared/data names them; \
             a made-up log of nine lines is read instead"
        );
        let file = LogFile::parse("2004-12-25.raw.txt", MADE_UP.as_bytes(), Some(b"1 3 -\n")).unwrap();
        return (vec![file], false);
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    (read(&paths).unwrap(), true)
}

#[test]
fn every_line_of_the_excerpts_is_taken_or_accounted_for() {
    let (files, real) = logs();
    let room = RoomId::new(Partition::from_low_bits(0), Timestamp(1), [1; 10]);
    let (mut known, mut users) = (Known::default(), HashMap::new());
    let (mut lines, mut said, mut sent, mut not_taken) = (0, 0, 0, 0);
    for file in &files {
        for (nick, _) in survey::people(file) {
            let number = u64::try_from(users.len()).unwrap().to_be_bytes();
            let mut random = [0; 10];
            random[2..].copy_from_slice(&number);
            users.entry(nick).or_insert_with(|| UserId::new(Timestamp(1), random));
        }
        let counts = Counts::of(file);
        let plan = plan::plan(file, room, &mut known, &users);
        lines += counts.lines;
        said += counts.messages + counts.actions + counts.notices;
        sent += plan.steps.iter().filter(|step| matches!(step.what, What::Say { .. })).count();
        not_taken += plan.remarks.iter().filter(|remark| remark.weight == Weight::NotTaken).count();
        assert!(plan.remarks.iter().all(|remark| remark.weight != Weight::Failed), "{}", file.name);
        let stepped: std::collections::HashSet<usize> = plan.steps.iter().map(|step| step.line).collect();
        let remarked: std::collections::HashSet<usize> =
            plan.remarks.iter().map(|remark| remark.line).collect();
        for (line, entry) in file.entries.iter().enumerate() {
            let renamed = matches!(entry.line, crate::import::line::Line::Renamed { .. });
            let accounted_for = renamed || stepped.contains(&line) || remarked.contains(&line);
            assert!(accounted_for, "{}:{} is lost: {entry:?}", file.name, line + 1);
        }
    }
    assert_eq!(said, sent, "every message is sent");
    if real {
        // Counted by other means: 24,859 spoken, 33 + 65 actions, 5 notices; three lines are empty messages.
        assert_eq!((files.len(), lines, not_taken), (20, 28_300, 3));
        assert_eq!(said, 24_859 + REAL_ACTIONS + 5);
    } else {
        assert_eq!((lines, said, not_taken), (9, 4, 1));
    }
}

/// `[HH:MM]  * nick action`, and `=== nick action` in the files up to 2007.
const REAL_ACTIONS: usize = 33 + 70;

#[test]
fn a_wrong_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("2004-12-25.raw.txt");
    fs::write(&log, "[10:00] <a> b\n[10:00] <b> c\n").unwrap();
    fs::write(folder.path().join("2004-12-25.annotation.txt"), "0 1 -\n").unwrap();
    let files = read(&[log.clone(), folder.path().join("2004-12-25.annotation.txt")]).unwrap();
    assert_eq!(files[0].entries[1].answers, [0]);
    for (paths, says) in [
        (vec![folder.path().join("nothing.raw.txt")], "nothing.raw.txt"),
        (vec![log.clone(), log.clone()], "two files are named"),
        (vec![folder.path().join("2004-12-25.annotation.txt")], "only annotations"),
    ] {
        let error = format!("{:#}", read(&paths).unwrap_err());
        assert!(error.contains(says), "{error}");
    }
}
