//! What an import says at its end.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use comfy_table::{Cell, CellAlignment, Table, presets::NOTHING};

use super::{
    plan::{Remark, Weight},
    survey::Counts,
};

/// What became of one file.
#[derive(Debug)]
pub(crate) struct FileReport {
    /// Its name.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) counts: Counts,
    /// Commands that were recorded now; `None` if it was only read.
    pub(crate) recorded: Option<usize>,
    /// Messages and membership changes that an earlier run had recorded.
    pub(crate) already: usize,
    /// What is to be said about single lines.
    pub(crate) remarks: Vec<Remark>,
}

impl FileReport {
    fn lines_of(&self, weight: Weight) -> usize {
        let mut lines: Vec<usize> =
            self.remarks.iter().filter(|remark| remark.weight == weight).map(|remark| remark.line).collect();
        lines.dedup();
        lines.len()
    }

    /// Whether a line that could have been taken was not.
    pub(crate) fn has_failed(&self) -> bool {
        self.lines_of(Weight::Failed) > 0
    }
}

const COLUMNS: [&str; 14] = [
    "file",
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

/// Writes the table of files, then the lines that were not taken, by reason.
pub(crate) fn write(files: &[FileReport], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(COLUMNS);
    let mut total = [0; COLUMNS.len() - 1];
    for file in files {
        let row = figures(file);
        for (sum, figure) in total.iter_mut().zip(row) {
            *sum += figure;
        }
        table.add_row(row_of(&file.name, row));
    }
    if files.len() > 1 {
        table.add_row(row_of("all", total));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    for weight in [Weight::Failed, Weight::NotTaken, Weight::NotRecorded, Weight::Noted] {
        write_remarks(files, weight, out)?;
    }
    Ok(())
}

fn figures(file: &FileReport) -> [usize; COLUMNS.len() - 1] {
    let Counts { lines, messages, actions, notices, joins, leaves, renames, replies } = file.counts;
    [
        lines,
        messages,
        actions,
        notices,
        joins,
        leaves,
        renames,
        replies,
        file.recorded.unwrap_or(0),
        file.already,
        file.lines_of(Weight::NotRecorded),
        file.lines_of(Weight::NotTaken),
        file.lines_of(Weight::Failed),
    ]
}

fn row_of(name: &str, figures: [usize; COLUMNS.len() - 1]) -> Vec<Cell> {
    let figures = figures.iter().map(|figure| Cell::new(figure).set_alignment(CellAlignment::Right));
    std::iter::once(Cell::new(name)).chain(figures).collect()
}

/// So many line numbers are named per reason and file; `--report` has all of them.
const NAMED: usize = 12;

fn write_remarks(files: &[FileReport], weight: Weight, out: &mut impl Write) -> io::Result<()> {
    let mut by_reason: BTreeMap<&str, Vec<(&str, Vec<usize>)>> = BTreeMap::new();
    for file in files {
        for remark in file.remarks.iter().filter(|remark| remark.weight == weight) {
            let files = by_reason.entry(&remark.what).or_default();
            match files.last_mut().filter(|(name, _)| *name == file.name) {
                Some((_, lines)) => lines.push(remark.line + 1),
                None => files.push((&file.name, vec![remark.line + 1])),
            }
        }
    }
    if by_reason.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}:", weight.heading())?;
    for (reason, files) in by_reason {
        let count: usize = files.iter().map(|(_, lines)| lines.len()).sum();
        writeln!(out, "  {reason} ({count})")?;
        for (name, lines) in files {
            writeln!(out, "    {name}: {}", numbers(&lines))?;
        }
    }
    Ok(())
}

fn numbers(lines: &[usize]) -> String {
    let named: Vec<String> = lines.iter().take(NAMED).map(ToString::to_string).collect();
    let more = lines.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

/// Writes every remark as a line of tab-separated values: file, line, what became of it, why.
pub(crate) fn write_all(files: &[FileReport], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "file\tline\toutcome\treason")?;
    for file in files {
        for Remark { line, weight, what } in &file.remarks {
            writeln!(out, "{}\t{}\t{}\t{what}", file.name, line + 1, weight.name())?;
        }
    }
    Ok(())
}

impl Weight {
    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::NotTaken => "not taken",
            Self::NotRecorded => "not recorded",
            Self::Noted => "recorded",
        }
    }

    fn heading(self) -> &'static str {
        match self {
            Self::Failed => "Failed, though it could have been taken",
            Self::NotTaken => "Not taken",
            Self::NotRecorded => "Understood, with nothing to record",
            Self::Noted => "Recorded, with a remark",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_was_not_taken_is_named_with_its_reason() {
        let remark = |line, weight, what: &str| Remark { line, weight, what: what.to_owned() };
        let report = FileReport {
            name: "2004-12-25.raw.txt".to_owned(),
            counts: Counts { lines: 3, messages: 2, ..Counts::default() },
            recorded: Some(1),
            already: 0,
            remarks: vec![
                remark(0, Weight::NotTaken, "an empty message"),
                remark(2, Weight::Failed, "no place"),
            ],
        };
        let mut out = Vec::new();
        write(std::slice::from_ref(&report), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("an empty message (1)\n    2004-12-25.raw.txt: 1\n"), "{text}");
        assert!(text.contains("no place (1)\n    2004-12-25.raw.txt: 3\n"), "{text}");
        assert!(report.has_failed());
        let mut out = Vec::new();
        write_all(&[report], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("2004-12-25.raw.txt\t3\tfailed\tno place\n"), "{text}");
    }

    #[test]
    fn long_lists_of_lines_are_cut_short() {
        let lines: Vec<usize> = (1..=NAMED + 3).collect();
        assert!(numbers(&lines).ends_with("12 and 3 more"), "{}", numbers(&lines));
    }
}
