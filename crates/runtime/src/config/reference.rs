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
