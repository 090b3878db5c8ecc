//! Plans of made-up logs, and of logs that were stopped and run again.

use std::collections::HashSet;

use chasqui_events::Partition;
use chasqui_protocol::{Happening, Item};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;
use crate::import::survey::people;

fn room() -> RoomId {
    RoomId::new(Partition::from_low_bits(1), Timestamp(1), [9; 10])
}

fn importer() -> UserId {
    UserId::new(Timestamp(1), [0; 10])
}

fn parse(text: &str, annotations: &str) -> LogFile {
    LogFile::parse("2004-12-25.raw.txt", text.as_bytes(), Some(annotations.as_bytes())).unwrap()
}

fn accounts(file: &LogFile) -> HashMap<Nick, UserId> {
    let people = people(file).into_iter().enumerate();
    people.map(|(n, (nick, _))| (nick, UserId::new(Timestamp(2), [u8::try_from(n).unwrap(); 10]))).collect()
}

fn plan_of(file: &LogFile, known: &mut Known) -> Plan {
    plan(file, room(), known, &accounts(file))
}

/// What the room has after these steps, on top of what it had.
fn record(steps: &[Step], log: &mut Vec<Item>) {
    for step in steps {
        let what = match &step.what {
            What::Join => Happening::Joined { user: step.user },
            What::Leave => Happening::Left { user: step.user },
            What::Say { body, replies_to } => Happening::Message {
                id: step.id,
                body: body.clone(),
                erased: false,
                damaged: false,
                replies_to: replies_to.clone(),
            },
        };
        let seq = log.len() as u64 + 1;
        log.push(Item { room: room(), seq, at: step.at, by: step.user, imported_by: Some(importer()), what });
    }
}

fn known(log: &[Item]) -> Known {
    let mut known = Known::default();
    for item in log {
        known.apply(item, importer());
    }
    known
}

fn in_short(plan: &Plan) -> Vec<String> {
    let short = |step: &Step| match &step.what {
        What::Join => format!("{} join", step.line),
        What::Leave => format!("{} leave", step.line),
        What::Say { body, replies_to } => format!("{} {body} {}", step.line, replies_to.len()),
    };
    plan.steps.iter().map(short).collect()
}

#[test]
fn who_speaks_is_in_the_room() {
    let file =
        parse("[10:00] <a> one\n=== b [h] has joined #x\n[10:01] <b> two\n[10:02] <a> three\n", "0 2 -\n");
    let plan = plan_of(&file, &mut Known::default());
    assert_eq!(in_short(&plan), ["0 join", "0 one 0", "1 join", "2 two 1", "3 three 0"]);
    let What::Say { replies_to, .. } = &plan.steps[3].what else { panic!("a message") };
    assert_eq!(replies_to, &[plan.steps[1].id], "the answered message's own id");
}

#[test]
fn a_renamed_nick_stays_the_same_user() {
    let file =
        parse("[10:00] <a> one\n=== a is now known as z\n[10:01] <Z> two\n=== z [h] has left #x\n", "");
    let plan = plan_of(&file, &mut Known::default());
    assert_eq!(in_short(&plan), ["0 join", "0 one 0", "2 two 0", "3 leave"]);
    assert!(plan.steps.iter().all(|step| step.user == plan.steps[0].user));
    assert_eq!(people(&file).len(), 1);
}

#[test]
fn lines_without_a_counterpart_have_a_remark() {
    let text = "=== mode/#x [+o a]  by b\n[10:00] <a>\n=== c [h] has left #x\n=== d [h] has joined #x\n\
                === d [h] has joined #x\n[10:00] <d> hi\n";
    let plan = plan_of(&parse(text, "0 5 -\n"), &mut Known::default());
    let remarks: Vec<_> = plan.remarks.iter().map(|remark| (remark.line, remark.weight)).collect();
    assert_eq!(
        remarks,
        [
            (0, Weight::NotRecorded),
            (1, Weight::NotTaken),
            (2, Weight::NotRecorded),
            (4, Weight::NotRecorded),
            (5, Weight::Noted)
        ]
    );
    assert_eq!(in_short(&plan), ["3 join", "5 hi 0"]);
}

#[test]
fn ids_depend_on_room_file_and_line_only() {
    let file = parse("[10:00] <a> one\n[10:00] <a> one\n", "");
    let (one, other) = (plan_of(&file, &mut Known::default()), plan_of(&file, &mut Known::default()));
    assert_eq!(one.steps, other.steps);
    assert_ne!(one.steps[1].id, one.steps[2].id);
    assert_eq!(one.steps[1].id.timestamp(), file.entries[0].at);
}

#[test]
fn a_line_that_was_left_out_is_not_taken_out_of_order() {
    let file = parse("[10:00] <a> one\n[10:01] <a> two\n[10:02] <a> three\n", "");
    let mut log = vec![];
    let mut steps = plan_of(&file, &mut Known::default()).steps;
    steps.remove(2);
    record(&steps, &mut log);
    let again = plan_of(&file, &mut known(&log));
    assert_eq!((in_short(&again), again.already), (vec![], 3), "a join and two messages");
    assert_eq!((again.remarks[0].line, again.remarks[0].weight), (1, Weight::Failed));
}

fn log_line() -> impl Strategy<Value = String> {
    let nick = prop_oneof![Just("a"), Just("b"), Just("c")];
    (nick, 0u8..7, 0u8..60).prop_map(|(nick, kind, minute)| match kind {
        0 | 1 => format!("=== {nick} [h] has joined #x\n"),
        2 => format!("=== {nick} [h] has left #x\n"),
        3 => format!("=== {nick} is now known as {nick}_\n"),
        _ => format!("[10:{minute:02}] <{nick}> hi\n"),
    })
}

/// Runs an import of both files, which is stopped after so many steps; `None` for to the end. Returns what the
/// reports count as there in the end.
fn run(files: &[LogFile], log: &mut Vec<Item>, stop: Option<usize>) -> usize {
    let (mut known, mut left, mut there) = (known(log), stop.unwrap_or(usize::MAX), 0);
    for file in files {
        let plan = plan_of(file, &mut known);
        let steps = &plan.steps[..left.min(plan.steps.len())];
        record(steps, log);
        left -= steps.len();
        there += plan.already + steps.len();
        if steps.len() < plan.steps.len() {
            break;
        }
    }
    there
}

proptest! {
    #[test]
    fn an_import_that_is_stopped_and_run_again_doubles_nothing(
        before in proptest::collection::vec(log_line(), 0..15),
        after in proptest::collection::vec(log_line(), 0..15),
        second in proptest::collection::vec(log_line(), 0..30),
        stops in proptest::collection::vec(0usize..50, 1..4),
    ) {
        let second = LogFile::parse("2004-12-26.raw.txt", second.concat().as_bytes(), None).unwrap();
        // A log in which nobody says anything leaves no trace to be found again when nothing of it was recorded.
        let first = format!("{}[10:30] <a> hi\n{}", before.concat(), after.concat());
        let files = [parse(&first, ""), second];
        let mut at_once = vec![];
        let there = run(&files, &mut at_once, None);
        let mut log = vec![];
        for stop in stops {
            run(&files, &mut log, Some(stop));
        }
        prop_assert_eq!(run(&files, &mut log, None), there);
        prop_assert_eq!(&log, &at_once);
        prop_assert_eq!(run(&files, &mut log, None), there, "and a third time");
        prop_assert_eq!(&log, &at_once);
    }

    #[test]
    fn whoever_speaks_or_leaves_is_in_the_room(lines in proptest::collection::vec(log_line(), 0..60)) {
        let mut present = HashSet::new();
        for step in plan_of(&parse(&lines.concat(), ""), &mut Known::default()).steps {
            match step.what {
                What::Join => prop_assert!(present.insert(step.user)),
                What::Leave => prop_assert!(present.remove(&step.user)),
                What::Say { .. } => prop_assert!(present.contains(&step.user)),
            }
        }
    }
}
