//! Every key is read: a key that nothing reads promises what nothing does.
//!
//! The sources of the program are searched for each key's dotted name as an expression. That sees whether somebody
//! takes the value, not what they do with it.

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;

use super::known_keys;

/// Crates that set keys, for tests and measurements, and are no part of the program.
const AROUND: [&str; 4] = ["backends", "bench", "client", "testkit"];

#[test]
fn every_key_is_read_by_the_program() {
    let program = program();
    let unread: Vec<_> = known_keys()
        .iter()
        .map(|key| key.name)
        .filter(|name| !program.iter().any(|code| reads(code, name)))
        .collect();
    assert_eq!(unread, Vec::<&str>::new(), "nothing reads these keys: use them, or delete them");
}

#[test]
fn a_reader_takes_the_value() {
    let read = |text: &str| reads(&code(text), "nats.url");
    for reader in ["connect(&config.nats.url)", "nats.url.expose()", "let url = config\n    .nats\n    .url;"]
    {
        assert!(read(reader), "{reader}");
    }
    for other in [
        "// nats.url",
        "bail!(\"nats.url is wrong\")",
        "nats.url()",
        "nats.urls",
        "cnats.url",
        "#[cfg(test)]\nmod tests {\nnats.url",
    ] {
        assert!(!read(other), "{other}");
    }
}

/// Whether the code has the key's name as a field: not as a part of a longer name, and not as a call.
fn reads(code: &str, key: &str) -> bool {
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // A key without a section is a field of the whole.
    let field = if key.contains('.') { key.to_owned() } else { format!("config.{key}") };
    code.match_indices(&field).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + field.len()..]);
        !before.ends_with(named) && !after.starts_with(named) && !after.starts_with('(')
    })
}

/// The code of every source file of the program, this module's own aside.
fn program() -> Vec<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for entry in fs::read_dir(crates).unwrap() {
        let path = entry.unwrap().path();
        if !AROUND.iter().any(|name| path.ends_with(name)) {
            sources(&path.join("src"), &mut files);
        }
    }
    assert!(files.len() > 100, "the program is elsewhere");
    files.iter().map(|file| code(&fs::read_to_string(file).unwrap())).collect()
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("runtime/src/config") {
            continue;
        }
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

/// What runs of a file: without tests, comments and texts, chains of fields joined.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut code = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let told: String = line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
        if told.trim_start().starts_with('.') {
            code.truncate(code.trim_end().len());
            code.push_str(told.trim_start());
        } else {
            code.push_str(&told);
        }
        code.push('\n');
    }
    code
}
