//! Everything a run has to tell, for people ([`crate::table`]) and for programs (JSON).

use serde::Serialize;

use crate::figure::{Figure, Outcome};

/// A table of words and numbers that are no figures of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Grid {
    /// What it shows.
    pub title: String,
    /// The columns.
    pub head: Vec<String>,
    /// As many cells as columns each.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// An empty one.
    #[must_use]
    pub fn new<'a>(title: impl Into<String>, head: impl IntoIterator<Item = &'a str>) -> Self {
        Self { title: title.into(), head: head.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

/// What one scenario found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Section {
    /// The scenario's name on the command line.
    pub scenario: String,
    /// What it did, with how many, for how long: without that a figure means nothing.
    pub conditions: String,
    /// The numbers.
    pub figures: Vec<Figure>,
    /// Latencies, processor time by process and the like.
    pub grids: Vec<Grid>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Section {
    /// An empty one.
    #[must_use]
    pub fn new(scenario: impl Into<String>, conditions: impl Into<String>) -> Self {
        Self { scenario: scenario.into(), conditions: conditions.into(), ..Self::default() }
    }
}

/// On what it was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Processors that this process may use.
    pub cores: usize,
    /// As `/proc/cpuinfo` names them.
    pub processor: String,
    /// As `/proc/sys/kernel/osrelease` names it.
    pub kernel: String,
    /// The load average of the last minute when the run began: what else was going on.
    pub load_before: String,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Shortened: good for finding mistakes, not for comparing.
    pub quick: bool,
    /// What.
    pub sections: Vec<Section>,
}

impl Report {
    /// How many figures reach their targets, of how many that have one.
    #[must_use]
    pub fn reached(&self) -> (usize, usize) {
        let outcomes = self.sections.iter().flat_map(|section| &section.figures).map(Figure::outcome);
        let judged: Vec<_> = outcomes.filter(|outcome| *outcome != Outcome::NoTarget).collect();
        (judged.iter().filter(|outcome| **outcome == Outcome::Reached).count(), judged.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Target, Unit};

    #[test]
    fn only_figures_with_a_target_are_judged() {
        let mut section = Section::new("direct", "200 pairs");
        section.figures = vec![
            Figure::new("a", 1.0, Unit::Ms),
            Figure::new("b", 1.0, Unit::Ms).to_reach(Target::AtMost(2.0)),
            Figure::new("c", 3.0, Unit::Ms).to_reach(Target::AtMost(2.0)),
        ];
        let report = Report { sections: vec![section], ..Report::default() };
        assert_eq!(report.reached(), (1, 2));
    }
}
