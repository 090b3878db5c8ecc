//! Reports as tables that line up.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::{
    figure::{Figure, Outcome, Target, Unit},
    report::{Grid, Report, Section},
};

/// What comes before the sections: on what was measured, and how.
#[must_use]
pub fn head(report: &Report) -> String {
    let machine = &report.machine;
    format!(
        "{} x {}, Linux {}, load average before the run {}{}\n",
        machine.cores,
        machine.processor,
        machine.kernel,
        machine.load_before,
        if report.quick { " (--quick: too short to compare)" } else { "" },
    )
}

/// What comes after the sections: how many targets were reached, and which were not.
#[must_use]
pub fn foot(report: &Report) -> String {
    let (reached, judged) = report.reached();
    if judged == 0 {
        return String::new();
    }
    let mut text = format!("{reached} of {judged} targets reached.\n");
    for section in &report.sections {
        for figure in section.figures.iter().filter(|figure| matches!(figure.outcome(), Outcome::Missed(_))) {
            let _ = writeln!(text, "- not reached: {}: {}", section.scenario, figure.name);
        }
    }
    text
}

/// One section as text.
#[must_use]
pub fn section(section: &Section) -> String {
    let mut text = format!("== {} ==\n{}\n", section.scenario, section.conditions);
    if !section.figures.is_empty() {
        let _ = writeln!(text, "{}", figures(&section.figures));
    }
    for part in &section.grids {
        let _ = writeln!(text, "{}\n{}", part.title, grid(part));
    }
    for note in &section.notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

fn figures(figures: &[Figure]) -> Table {
    let head = ["figure", "measured", "raw cost", "ratio", "of", "to reach", ""];
    let rows: Vec<_> = figures.iter().map(cells).collect();
    // Columns that nothing stands in are left out.
    let filled =
        |column: &usize| rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()));
    let columns: Vec<usize> = (0..head.len()).filter(filled).collect();
    let mut table = empty(columns.iter().filter_map(|&column| head.get(column).copied()));
    for row in &rows {
        table.add_row(columns.iter().filter_map(|&column| row.get(column)));
    }
    let numbers = columns.iter().enumerate().filter(|(_, column)| (1..=3).contains(*column));
    right(&mut table, numbers.map(|(place, _)| place));
    table
}

fn cells(figure: &Figure) -> [String; 7] {
    let raw = figure.raw.as_ref();
    [
        figure.name.clone(),
        with_unit(figure.value, figure.unit),
        raw.map(|raw| with_unit(raw.value, figure.unit)).unwrap_or_default(),
        figure.ratio().map(|ratio| format!("{} x", number(ratio))).unwrap_or_default(),
        raw.map(|raw| raw.what.clone()).unwrap_or_default(),
        figure.target.map(|target| bound(target, figure.unit)).unwrap_or_default(),
        outcome(figure.outcome()),
    ]
}

fn grid(grid: &Grid) -> Table {
    let mut table = empty(grid.head.iter().map(String::as_str));
    for row in &grid.rows {
        table.add_row(row.iter().map(String::as_str));
    }
    right(&mut table, 1..grid.head.len());
    table
}

fn empty<'a>(head: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    // ASCII, and the same whether somebody looks or a file is written.
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    table
}

fn right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::NoTarget => String::new(),
        Outcome::Reached => "reached".to_owned(),
        Outcome::Missed(by) if by.is_finite() => format!("NOT reached, by {} x", number(by)),
        Outcome::Missed(_) => "NOT reached".to_owned(),
    }
}

fn bound(target: Target, unit: Unit) -> String {
    match target {
        Target::AtMost(bound) => format!("at most {}", with_unit(bound, unit)),
        Target::AtLeast(bound) => format!("at least {}", with_unit(bound, unit)),
        Target::RatioAtMost(bound) => format!("at most {} x raw", number(bound)),
        Target::RatioAtLeast(bound) => format!("at least {} x raw", number(bound)),
    }
}

fn with_unit(value: f64, unit: Unit) -> String {
    match unit.label() {
        "" => number(value),
        label if label.starts_with('/') => format!("{}{label}", number(value)),
        label => format!("{} {label}", number(value)),
    }
}

/// Three significant digits, whole thousands apart.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "-".to_owned(),
        size if size >= 999.5 => thousands(&format!("{value:.0}")),
        size if size >= 99.95 || value.fract().abs() < 1e-9 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.0995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown: Vec<String> =
            [0.0, 0.0312, 0.31, 5.0, 5.25, 42.42, 812.4, 1000.0, 1_234_567.8, -1200.0, f64::NAN]
                .into_iter()
                .map(number)
                .collect();
        let expected =
            ["0", "0.031", "0.31", "5", "5.25", "42.4", "812", "1,000", "1,234,568", "-1,200", "-"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_foot_names_what_was_not_reached() {
        let mut part = Section::new("idle", "");
        part.figures = vec![Figure::new("memory", 13.0, Unit::KiB).to_reach(Target::AtMost(12.0))];
        let report = Report { sections: vec![part], ..Report::default() };
        assert_eq!(foot(&report), "0 of 1 targets reached.\n- not reached: idle: memory\n");
        assert_eq!(foot(&Report::default()), "");
    }

    #[test]
    fn empty_columns_are_left_out() {
        let shown = super::figures(&[Figure::new("idle", 7.0, Unit::KiB)]).to_string();
        assert_eq!(shown, "| figure | measured |\n|--------|----------|\n| idle   |    7 KiB |");
    }

    #[test]
    fn a_section_lines_up() {
        let mut part = Section::new("direct", "200 pairs, 256 bytes, 200/s for 30 s, durability interval");
        part.figures = vec![
            Figure::new("send to receive p50", 1.5, Unit::Ms)
                .beside("publish to republish p50", Some(0.25))
                .to_reach(Target::RatioAtMost(8.0)),
            Figure::new("missed", 3.0, Unit::Count).to_reach(Target::AtMost(0.0)),
        ];
        let mut latencies = Grid::new("Latency", ["from", "p50", "max"]);
        latencies.row(["send to ack".to_owned(), number(1.0), number(120.0)]);
        part.grids.push(latencies);
        part.notes.push("Sockets are closed without a word.".to_owned());
        let expected = "\
== direct ==
200 pairs, 256 bytes, 200/s for 30 s, durability interval
| figure              | measured | raw cost | ratio | of                       | to reach        |             |
|---------------------|----------|----------|-------|--------------------------|-----------------|-------------|
| send to receive p50 |  1.50 ms |  0.25 ms |   6 x | publish to republish p50 | at most 8 x raw | reached     |
| missed              |        3 |          |       |                          | at most 0       | NOT reached |
Latency
| from        | p50 | max |
|-------------|-----|-----|
| send to ack |   1 | 120 |
- Sockets are closed without a word.
";
        assert_eq!(section(&part), expected);
    }
}
