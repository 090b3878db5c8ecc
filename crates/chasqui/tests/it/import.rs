//! Importing real logs: what the files say is what the log, MongoDB, Redis and a client's history say afterwards,
//! also when the import was stopped and run again.

use std::{
    collections::{HashMap, HashSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use chasqui_bus::subject::{self, Lane};
use chasqui_client::Client;
use chasqui_events::{RoomId, Seq};
use chasqui_protocol::{
    Happening, Item,
    query::{Freshness, Page},
};
use chasqui_query_api::opening;
use chasqui_testkit::{Layout, Person, Stack, within};
use pretty_assertions::assert_eq;

const ROOM: &str = "ubuntu";

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

/// Excerpts of the real data, by the years in their names; a made-up log, and a loud word about it, without them.
fn logs(stack: &Stack, years: &[&str]) -> Vec<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = env::var_os("CHASQUI_TEST_DATA").map_or_else(beside, PathBuf::from).join("ubuntu-irc");
    let Ok(folder) = fs::read_dir(data) else {
        eprintln!(
            "NOT TESTED on the real excerpts: neither CHASQUI_TEST_DATA nor ../shared/data names them; a made-up \
             log of nine lines is imported instead"
        );
        let path = stack.folder().join("2004-12-25.raw.txt");
        fs::write(&path, MADE_UP).unwrap();
        fs::write(path.with_file_name("2004-12-25.annotation.txt"), "1 3 -\n").unwrap();
        return vec![path];
    };
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".raw.txt") && years.iter().any(|year| name.starts_with(year))
    };
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).filter(wanted).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

struct Import {
    stack: Stack,
    logs: Vec<PathBuf>,
}

impl Import {
    async fn prepare(years: &[&str]) -> Self {
        let stack = Stack::with(Layout::one_process().set("auth.importers", "importer")).await;
        stack.accounts().register("importer", "", &Person::password()).await.unwrap();
        let logs = logs(&stack, years);
        Self { stack, logs }
    }

    fn command(&self) -> tokio::process::Command {
        let server = self.stack.edge().http_url();
        let args = ["import", "irc", "--room", ROOM, "--server", &server, "--user", "importer"];
        let mut command = self.stack.command(&args);
        command.args(&self.logs).args(["--report".into(), self.report_file()]);
        command.env("CHASQUI_IMPORT_PASSWORD", Person::PASSWORD);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        command
    }

    fn report_file(&self) -> PathBuf {
        self.stack.folder().join("report.tsv")
    }

    async fn run(&self) -> Output {
        self.command().output().await.unwrap()
    }

    /// The room as somebody sees it who was never in it before.
    async fn room_and_timeline(&self) -> (RoomId, Vec<Item>) {
        let reader = self.stack.user("reader").await;
        let rooms = reader.client.public_rooms(ROOM).await.unwrap().rooms;
        assert_eq!(rooms.len(), 1, "{rooms:?}");
        let room = rooms[0].room;
        (room, timeline(&reader.client, room).await)
    }
}

async fn timeline(client: &Client, room: RoomId) -> Vec<Item> {
    client.join(room).await.unwrap();
    let (mut items, mut after): (Vec<Item>, Seq) = (vec![], 0);
    loop {
        let page = client.history(room, Page::After(after), Some(200), Freshness::Latest).await.unwrap();
        after = page.items.last().map_or(after, |item| item.seq);
        let more = page.newer;
        items.extend(page.items);
        if !more {
            return items;
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The row of sums of the report's table, by column.
fn sums(output: &Output) -> HashMap<&'static str, usize> {
    const COLUMNS: [&str; 13] = [
        "lines",
        "messages",
        "actions",
        "notices",
        "joins",
        "leaves",
        "renames",
        "replies",
        "recorded",
        "already there",
        "not recorded",
        "not taken",
        "failed",
    ];
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rows = text.lines().filter(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        first == "all" || first.ends_with(".raw.txt")
    });
    let last = rows.next_back().unwrap_or_else(|| panic!("no table in:\n{}", said(output)));
    let figures = last.split_whitespace().skip(1).map(|figure| figure.parse().unwrap());
    COLUMNS.into_iter().zip(figures).collect()
}

/// The messages of the files, as a few lines of code see them that share nothing with the importer: nick and text,
/// in order.
fn spoken(logs: &[PathBuf]) -> Vec<String> {
    let mut texts = vec![];
    for path in logs {
        let bytes = fs::read(path).unwrap();
        for line in String::from_utf8_lossy(&bytes).lines() {
            let Some((_, rest)) = line.split_once("] <").filter(|(clock, _)| clock.len() == 6) else {
                continue;
            };
            let Some((_nick, text)) = rest.split_once("> ") else { continue };
            texts.push(text.to_owned());
        }
    }
    texts
}

fn body(item: &Item) -> Option<&str> {
    match &item.what {
        Happening::Message { body, .. } => Some(body),
        _ => None,
    }
}

fn is_message(item: &Item) -> bool {
    body(item).is_some()
}

async fn facts(stack: &Stack, room: RoomId, lane: Lane) -> usize {
    let log = stack.log().await;
    log.lane_range(&subject::room(room, lane), 1, Seq::MAX, usize::MAX).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_files_say_is_what_everything_says_afterwards() {
    let import = Import::prepare(&years()).await;
    let first = import.run().await;
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    let counted = sums(&first);
    let messages = counted["messages"] + counted["actions"] + counted["notices"];
    assert_eq!(counted["failed"], 0);

    let (room, timeline) = import.room_and_timeline().await;
    let stack = &import.stack;
    assert_eq!(facts(stack, room, Lane::Msg).await, messages, "the log");
    let model = stack.read_model().await;
    assert_eq!(model.room(room).await.unwrap().unwrap().messages, messages as u64, "MongoDB");
    assert_eq!(timeline.iter().filter(|item| is_message(item)).count(), messages, "history");
    let changes = timeline.iter().filter(|item| item.imported_by.is_some() && !is_message(item)).count();
    assert_eq!(counted["recorded"], messages + changes);
    hot_set_agrees(stack, room, &timeline).await;

    texts_and_replies_agree(&import, &timeline, &counted);

    let again = import.run().await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let counted_again = sums(&again);
    assert_eq!((counted_again["recorded"], counted_again["already there"]), (0, counted["recorded"]));
    assert_eq!(facts(stack, room, Lane::Msg).await, messages, "nothing is doubled");
}

/// The newest entries, as an edge reads them from Redis, are the timeline's.
async fn hot_set_agrees(stack: &Stack, room: RoomId, timeline: &[Item]) {
    let model = stack.read_model().await;
    assert!(model.hot_is_up());
    let before = timeline[timeline.len().saturating_sub(50)].seq;
    let slice = model.timeline_after(room, before, 100).await.unwrap();
    let expected: Vec<Item> = timeline.iter().filter(|item| item.seq > before).cloned().collect();
    let items = opening::open(&stack.keyring().await, slice.items).await.unwrap();
    assert_eq!(items[..expected.len()], expected[..]);
}

fn texts_and_replies_agree(import: &Import, timeline: &[Item], counted: &HashMap<&'static str, usize>) {
    let spoken = spoken(&import.logs);
    let known: HashSet<&str> = spoken.iter().map(String::as_str).collect();
    let without_actions: Vec<&str> =
        timeline.iter().filter_map(body).filter(|body| known.contains(body)).collect();
    assert_eq!(without_actions.len(), spoken.len());
    assert!(without_actions == spoken, "the order is that of the files");

    let ids: HashSet<_> = timeline
        .iter()
        .filter_map(|item| match &item.what {
            Happening::Message { id, .. } => Some(*id),
            _ => None,
        })
        .collect();
    let mut replies = 0;
    for item in timeline {
        let Happening::Message { replies_to, .. } = &item.what else { continue };
        replies += usize::from(!replies_to.is_empty());
        assert!(replies_to.iter().all(|answered| ids.contains(answered)), "{item:?}");
    }
    let not_a_message = counted["replies"] - replies;
    let report = fs::read_to_string(import.report_file()).unwrap();
    let without_any = report.lines().filter(|line| line.contains("which is not a message")).count();
    assert!(
        not_a_message <= without_any,
        "{not_a_message} replies are lost, {without_any} are accounted for"
    );

    let moments = timeline.iter().filter(|item| item.imported_by.is_some()).map(|item| item.at);
    let year_2020 = chasqui_events::Timestamp(1_577_836_800_000);
    assert!(moments.into_iter().all(|at| at < year_2020), "imported entries have their original times");
}

/// `CHASQUI_TEST_IMPORT_ALL` takes all twenty excerpts, which takes minutes with an unoptimised build.
fn years() -> Vec<&'static str> {
    if env::var_os("CHASQUI_TEST_IMPORT_ALL").is_some() { vec!["20"] } else { vec!["2007-07", "2018"] }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_interrupted_goes_on_where_it_was() {
    let import = Import::prepare(&["2005-06", "2018"]).await;
    let mut running = import.command().spawn().unwrap();
    let witness = import.stack.user("witness").await;
    let room = within("the room is made", async {
        loop {
            if let [room] = witness.client.public_rooms(ROOM).await.unwrap().rooms.as_slice() {
                break room.room;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    witness.client.join(room).await.unwrap();
    // With the real data this is early in the first file.
    within("some lines arrive", async {
        while witness.messages(room).len() < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let pid = i32::try_from(running.id().expect("it runs")).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT).unwrap();
    let code = within("it stops", running.wait()).await.unwrap().code();
    let real = import.logs.len() > 1;
    assert!(code == Some(130) || !real, "{code:?}");
    drop(running);

    let rest = import.run().await;
    assert_eq!(rest.status.code(), Some(0), "{}", said(&rest));
    let counted = sums(&rest);
    let messages = counted["messages"] + counted["actions"] + counted["notices"];
    if real {
        assert!(counted["already there"] > 0 && counted["recorded"] > 0, "{counted:?}");
    }
    assert_eq!(facts(&import.stack, room, Lane::Msg).await, messages);
    let timeline = timeline(&witness.client, room).await;
    texts_and_replies_agree(&import, &timeline, &counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_nothing_is_imported_and_the_reason_is_told() {
    let stack = Stack::start().await;
    stack.accounts().register("importer", "", &Person::password()).await.unwrap();
    let logs = logs(&stack, &["2018"]);
    let import = Import { stack, logs };
    let output = import.run().await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("import"), "{}", said(&output));
}
