//! The TOML file as a source.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeInteger, DeTable, DeValue};

use super::key::{FileType, Key, Origin, by_name};
use super::nearest::nearest;
use super::problem::Fault;
use super::reader::Reader;
use super::table::SECTIONS;

/// Gives the reader every key of the file, and notes what is not one.
pub(super) fn read_into(path: &Path, reader: &mut Reader) {
    match std::fs::read_to_string(path) {
        Ok(text) => File { path, text: &text }.read_into(reader),
        Err(error) => {
            let origin = Origin::File { path: path.to_owned(), line: 0 };
            let reason = format!(
                "cannot be read ({error}); name another with --config or {}",
                super::environment::FILE_VARIABLE
            );
            reader.fault(origin, "", Fault::Unreadable { reason });
        }
    }
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn read_into(&self, reader: &mut Reader) {
        match DeTable::parse(self.text) {
            Ok(table) => self.read_table("", table.get_ref(), reader),
            Err(error) => {
                // Only the message: the error's own display repeats the line, which may hold a secret.
                let reason =
                    format!("is not TOML: {}", error.message().lines().collect::<Vec<_>>().join("; "));
                reader.fault(self.origin(error.span()), "", Fault::Unreadable { reason });
            }
        }
    }

    fn read_table(&self, section: &str, table: &DeTable<'_>, reader: &mut Reader) {
        for (name, value) in table {
            let written = if section.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{section}.{}", name.get_ref())
            };
            let origin = self.origin(Some(name.span()));
            if let Some(key) = by_name(&written) {
                match text_of(key, value.get_ref()) {
                    Some(raw) => reader.give(key, raw, origin),
                    None => reader.malformed(origin, key, self.slice(value.span())),
                }
                continue;
            }
            match value.get_ref() {
                DeValue::Table(inner) if !inner.is_empty() => self.read_table(&written, inner, reader),
                DeValue::Table(_) if is_section(&written) => {}
                _ if is_section(&written) => {
                    reader.fault(origin, written, Fault::NotASection);
                }
                _ => {
                    let nearest = nearest(&written).name.to_owned();
                    reader.fault(origin, written, Fault::Unknown { nearest });
                }
            }
        }
    }

    fn origin(&self, span: Option<Range<usize>>) -> Origin {
        let line = span
            .and_then(|span| self.text.get(..span.start))
            .map_or(0, |before| before.matches('\n').count() + 1);
        Origin::File { path: self.path.to_owned(), line }
    }

    fn slice(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }
}

fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == name)
}

/// The value as text, if it has the type that the key wants.
fn text_of(key: &Key, value: &DeValue<'_>) -> Option<String> {
    match (key.file_type, value) {
        (FileType::Text, DeValue::String(text)) => Some(text.to_string()),
        (FileType::Integer, DeValue::Integer(number)) => decimal(number),
        (FileType::List, DeValue::Array(items)) => {
            let texts: Option<Vec<_>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}

fn decimal(number: &DeInteger<'_>) -> Option<String> {
    i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
}
