//! `docs/protocol.md` says what the program does: its examples are frames, its tables are complete.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, path::Path};

use chasqui_protocol::{ClientFrame, CloseCode, Code, Codec, ServerFrame, close::Reconnect};
use pretty_assertions::assert_eq;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    std::fs::read_to_string(path).unwrap()
}

/// The examples of one side, one per line.
fn examples(side: &str) -> Vec<String> {
    let opening = format!("```json {side}");
    let mut found = Vec::new();
    let mut inside = false;
    for line in page().lines() {
        if line == opening {
            inside = true;
        } else if line == "```" {
            inside = false;
        } else if inside {
            found.push(line.to_owned());
        }
    }
    found
}

/// The rows of the table whose first heading row begins so, as trimmed cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = page();
    let rows =
        page.lines().skip_while(|line| *line != heading).skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn name_of(example: &str) -> String {
    let value: Value = serde_json::from_str(example).unwrap();
    value.as_object().unwrap().keys().next().unwrap().clone()
}

/// Reads an example in both codecs, and finds that nothing of it is lost or added.
fn holds<F: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(example: &str) -> F {
    let frame: F =
        Codec::Json.decode(example.as_bytes()).unwrap_or_else(|error| panic!("{example}: {error}"));
    let again: Value = serde_json::to_value(&frame).unwrap();
    assert_eq!(again, serde_json::from_str::<Value>(example).unwrap());
    let packed = Codec::MessagePack.encode(&frame).unwrap();
    assert_eq!(Codec::MessagePack.decode::<F>(&packed).unwrap(), frame);
    frame
}

/// Every frame of the server, by a match that a new one breaks.
fn server_frame_name(frame: &ServerFrame) -> &'static str {
    match frame {
        ServerFrame::Welcome(_) => "welcome",
        ServerFrame::Reset { .. } => "reset",
        ServerFrame::CaughtUp {} => "caught_up",
        ServerFrame::RoomEntered { .. } => "room_entered",
        ServerFrame::RoomLeft { .. } => "room_left",
        ServerFrame::Item(_) => "item",
        ServerFrame::Receipts { .. } => "receipts",
        ServerFrame::Cursor { .. } => "cursor",
        ServerFrame::Void { .. } => "void",
        ServerFrame::Typing { .. } => "typing",
        ServerFrame::Presence { .. } => "presence",
        ServerFrame::Erased { .. } => "erased",
        ServerFrame::Ok { .. } => "ok",
        ServerFrame::Tokens { .. } => "tokens",
        ServerFrame::SecondFactor { .. } => "second_factor",
        ServerFrame::Error(_) => "error",
        ServerFrame::Result { .. } => "result",
        ServerFrame::Pong(_) => "pong",
        ServerFrame::Bye { .. } => "bye",
    }
}

const SERVER_FRAMES: usize = 19;

#[test]
fn every_client_frame_has_an_example_that_the_server_takes() {
    let examples = examples("client");
    let mut shown = BTreeSet::new();
    for example in &examples {
        let mut frame: Value = serde_json::from_str(example).unwrap();
        // What may be left out is left out in the examples.
        if let Some(query) = frame.get_mut("query").and_then(Value::as_object_mut) {
            query.entry("fresh").or_insert_with(|| "any".into());
        }
        let taken = Codec::Json
            .decode_client(example.as_bytes())
            .unwrap_or_else(|error| panic!("{example}: {error}"));
        let packed = Codec::MessagePack.encode(&taken).unwrap();
        assert_eq!(Codec::MessagePack.decode_client(&packed).unwrap(), taken);
        assert_eq!(serde_json::to_value(&taken).unwrap(), frame);
        shown.insert(name_of(example));
    }
    let all: BTreeSet<String> = ClientFrame::NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(shown, all);
}

#[test]
fn every_server_frame_has_an_example_that_a_client_can_read() {
    let mut shown = BTreeSet::new();
    for example in examples("server") {
        let frame: ServerFrame = holds(&example);
        assert_eq!(name_of(&example), server_frame_name(&frame));
        shown.insert(server_frame_name(&frame));
    }
    assert_eq!(shown.len(), SERVER_FRAMES, "{shown:?}");
}

#[test]
fn every_close_code_is_in_the_table_with_what_to_do() {
    let written: BTreeSet<Vec<String>> = table("| code | meaning | come back |").into_iter().collect();
    let known = CloseCode::ALL.iter().map(|close| {
        let come_back = match close.reconnect() {
            Reconnect::Yes => "yes",
            Reconnect::Later => "later",
            Reconnect::WithNewToken => "with a new token",
            Reconnect::No => "no",
        };
        vec![close.code().to_string(), close.reason().to_owned(), come_back.to_owned()]
    });
    assert_eq!(written, known.collect());
}

#[test]
fn every_problem_is_in_the_table() {
    let written = table("| code | status | meaning |");
    let known = Code::ALL
        .iter()
        .map(|code| vec![format!("`{}`", code.as_str()), code.status().to_string(), code.title().to_owned()]);
    assert_eq!(written, known.collect::<Vec<_>>());
}

#[test]
fn the_subprotocols_and_the_packed_example_are_right() {
    let written: Vec<String> =
        table("| subprotocol | messages | encoding |").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(written, Codec::ALL.map(|codec| format!("`{}`", codec.subprotocol())));
    let packed = Codec::MessagePack.encode(&ClientFrame::Ping(7)).unwrap();
    let hex: Vec<String> = packed.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(page().contains(&hex.join(" ")), "{}", hex.join(" "));
}

#[test]
fn the_limits_are_the_defaults() {
    let config = chasqui_runtime::config::Config::default();
    let limits = table("| what | limit | past it |");
    let limit = |what: &str| {
        let row =
            limits.iter().find(|row| row[0].starts_with(what)).unwrap_or_else(|| panic!("a limit on {what}"));
        row[1].clone()
    };
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    assert_eq!(limit("a frame"), kib(config.edge.max_frame_bytes));
    assert_eq!(limit("a message's body"), kib(config.limits.body_bytes));
    assert_eq!(limit("time to an accepted hello"), format!("{} s", config.edge.hello_timeout_ms.as_secs()));
    assert_eq!(limit("bytes waiting"), kib(config.edge.outbox_bytes));
    assert_eq!(limit("rooms heard"), config.edge.max_rooms_per_session.to_string());
    assert_eq!(limit("entries of one room"), config.edge.max_fill.to_string());
    assert_eq!(limit("connections"), config.edge.max_connections.to_string());
    assert_eq!(limit("one address's"), config.edge.max_connections_per_address.to_string());
    assert_eq!(limit("one user's"), config.edge.max_connections_per_user.to_string());
    assert_eq!(limit("entries of a page"), config.query.page_max.to_string());
}
