//! The reference page, `docs/configuration.md`, from the table.

use std::fmt::Write as _;

use super::choice::Durability;
use super::environment::TOLERATED;
use super::key::{Key, known_keys};
use super::table::SECTIONS;

/// What stands before the tables; its example is read by a test.
pub(super) const HEAD: &str = r#"# Configuration

<!-- Generated from crates/runtime/src/config/table.rs; a test compares. To write it again:
     CHASQUI_TEST_REWRITE=1 cargo test -p chasqui-runtime configuration_page -->

A value is taken from, in rising order: the built-in default, the TOML file named by `--config` or
`CHASQUI_CONFIG`, the environment. In the file, a key `section.name` is `name` under `[section]`; in the
environment it is `CHASQUI_SECTION_NAME`. An empty variable counts as not set. Paths are relative to the working
directory. An unknown key and a value that does not fit are errors that name the nearest right key or what is
expected; all problems are reported at once. `chasqui config` prints what is in force and where it came from,
without secrets.

```toml
durability = "always"

[nats]
url = "nats://nats.internal:4222"

[http]
listen = "0.0.0.0:8080"
allowed_origins = ["https://chat.example.org"]

[edge]
receipt_window_ms = 250
```
"#;

/// The page.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    write_section(&mut page, "The promise", "", known_keys().iter().filter(|key| key.section().is_empty()));
    page.push('\n');
    for durability in [Durability::Always, Durability::Interval] {
        let _ = writeln!(page, "- {}.", capitalised(durability.meaning()));
    }
    for (section, meaning) in SECTIONS {
        let keys = known_keys().iter().filter(|key| key.section() == *section);
        write_section(&mut page, &format!("`[{section}]`"), &one_line(meaning), keys);
    }
    page.push_str("\n## Variables that are not keys\n\n| variable | what for |\n| --- | --- |\n");
    for (variable, meaning) in TOLERATED {
        let _ = writeln!(page, "| `{variable}` | {meaning} |");
    }
    page
}

/// Limits that stand in other sections, because they belong to what is limited.
const ELSEWHERE: [&str; 18] = [
    "edge.max_frame_bytes",
    "edge.outbox_bytes",
    "edge.hello_timeout_ms",
    "edge.max_connections",
    "edge.max_connections_per_address",
    "edge.max_connections_per_user",
    "edge.max_rooms_per_session",
    "edge.max_fill",
    "edge.large_room",
    "http.request_timeout_ms",
    "http.answer_timeout_ms",
    "http.max_connections_per_address",
    "commands.timeout_ms",
    "query.page_max",
    "query.barrier_wait_ms",
    "auth.password_min_chars",
    "auth.password_max_bytes",
    "auth.argon2_concurrency",
];

const LIMITS_HEAD: &str = r"# Limits

<!-- Generated from crates/runtime/src/config/table.rs; a test compares. To write it again:
     CHASQUI_TEST_REWRITE=1 cargo test -p chasqui-runtime limits_page -->

Everything that is bounded, with its key and its default; [configuration.md](configuration.md) tells how keys are set. Sizes
are checked before anything is done. How often things may happen is counted per account, address, room or connection, for
all processes together ([ADR 15](adr/0015-limits-are-cell-rates.md)); `chasqui_limited_total` counts refusals by limit.

A refusal has the code [`too-many`](errors/too-many.md) and says in `retry_after_ms` how long to wait; over HTTP its status is
429 and the header `retry-after` says the same in seconds. Nothing was done then, and the same may be sent again with the same
id.
";

/// The page about limits.
#[must_use]
pub fn limits_markdown() -> String {
    let mut page = LIMITS_HEAD.to_owned();
    let of = |section: &'static str| known_keys().iter().filter(move |key| key.section() == section);
    write_section(&mut page, "Sizes", "", of("limits"));
    write_section(&mut page, "How often", "", of("rate"));
    let elsewhere = ELSEWHERE.iter().filter_map(|name| known_keys().iter().find(|key| key.name == *name));
    write_section(&mut page, "Connections, time and memory", "", elsewhere);
    page
}

fn write_section<'a>(page: &mut String, title: &str, meaning: &str, keys: impl Iterator<Item = &'a Key>) {
    let _ = write!(page, "\n## {title}\n\n");
    if !meaning.is_empty() {
        let _ = write!(page, "{meaning}\n\n");
    }
    page.push_str("| key, variable | default | expected | meaning |\n| --- | --- | --- | --- |\n");
    for key in keys {
        let default = if key.default.is_empty() { "none".to_owned() } else { format!("`{}`", key.default) };
        let (name, env, expected, meaning) = (key.name, key.env(), key.expected(), one_line(key.meaning));
        let _ = writeln!(page, "| `{name}`<br>`{env}` | {default} | {expected} | {meaning} |");
    }
}

/// Doc comments are wrapped; a table's cell is one line.
fn one_line(meaning: &str) -> String {
    meaning.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
