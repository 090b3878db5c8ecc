//! One measured number, the raw cost of the same work beside it, and what it is to be held against.

use serde::Serialize;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
    /// Messages, documents or entries per second.
    PerSecond,
    /// Processor seconds, per the amount that the figure's name says.
    CpuS,
    /// KiB of memory.
    KiB,
    /// Things.
    Count,
}

impl Unit {
    /// How it is written after a number.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Ms => "ms",
            Self::S => "s",
            Self::PerSecond => "/s",
            Self::CpuS => "CPU s",
            Self::KiB => "KiB",
            Self::Count => "",
        }
    }
}

/// What the figure is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The value, at the most.
    AtMost(f64),
    /// The value, at least.
    AtLeast(f64),
    /// So many times the raw cost, at the most.
    RatioAtMost(f64),
    /// So many times the raw rate, at least.
    RatioAtLeast(f64),
}

/// The raw cost of the same work on the bare backend, in the same run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Raw {
    /// What was measured.
    pub what: String,
    /// In the unit of the figure.
    pub value: f64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
    /// The raw cost, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
    /// What is to be reached, where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

/// How a figure stands to its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It has none.
    NoTarget,
    /// Reached.
    Reached,
    /// Missed: so many times too much, or too little. Infinite where nothing was measured.
    Missed(f64),
}

impl Figure {
    /// A number without anything to hold it against.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { name: name.into(), value, unit, raw: None, target: None }
    }

    /// Puts the raw cost beside it; nothing happens when there is none.
    #[must_use]
    pub fn beside(mut self, what: impl Into<String>, value: Option<f64>) -> Self {
        self.raw = value.map(|value| Raw { what: what.into(), value });
        self
    }

    /// Holds it against a target.
    #[must_use]
    pub fn to_reach(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// How many times the raw cost it is.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let raw = self.raw.as_ref()?.value;
        (raw > 0.0).then(|| self.value / raw)
    }

    /// How it stands to its target. A value that is not a number, and a ratio without a raw cost, miss it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let Some(target) = self.target else { return Outcome::NoTarget };
        let ratio = self.ratio().unwrap_or(f64::NAN);
        let (value, bound, at_most) = match target {
            Target::AtMost(bound) => (self.value, bound, true),
            Target::AtLeast(bound) => (self.value, bound, false),
            Target::RatioAtMost(bound) => (ratio, bound, true),
            Target::RatioAtLeast(bound) => (ratio, bound, false),
        };
        match (value.is_nan(), at_most) {
            (true, _) => Outcome::Missed(f64::INFINITY),
            (false, true) if value <= bound => Outcome::Reached,
            (false, false) if value >= bound => Outcome::Reached,
            (false, true) => Outcome::Missed(if bound > 0.0 { value / bound } else { f64::INFINITY }),
            (false, false) => Outcome::Missed(if value > 0.0 { bound / value } else { f64::INFINITY }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, target: Target) -> Figure {
        Figure::new("x", value, Unit::Ms).to_reach(target)
    }

    #[test]
    fn targets_are_inclusive() {
        assert_eq!(figure(80.0, Target::AtMost(80.0)).outcome(), Outcome::Reached);
        assert_eq!(figure(2000.0, Target::AtLeast(2000.0)).outcome(), Outcome::Reached);
        assert_eq!(figure(120.0, Target::AtMost(80.0)).outcome(), Outcome::Missed(1.5));
        assert_eq!(figure(500.0, Target::AtLeast(1000.0)).outcome(), Outcome::Missed(2.0));
        assert_eq!(figure(3.0, Target::AtMost(0.0)).outcome(), Outcome::Missed(f64::INFINITY));
    }

    #[test]
    fn a_ratio_is_taken_of_the_raw_cost_of_the_same_run() {
        let figure = figure(2.0, Target::RatioAtMost(8.0)).beside("plain publish", Some(0.25));
        assert_eq!(figure.ratio(), Some(8.0));
        assert_eq!(figure.outcome(), Outcome::Reached);
    }

    #[test]
    fn what_was_not_measured_is_not_reached() {
        assert_eq!(figure(f64::NAN, Target::AtMost(1.0)).outcome(), Outcome::Missed(f64::INFINITY));
        assert_eq!(figure(1.0, Target::RatioAtMost(8.0)).outcome(), Outcome::Missed(f64::INFINITY));
        let none = figure(1.0, Target::RatioAtMost(8.0)).beside("plain publish", None);
        assert_eq!(none.outcome(), Outcome::Missed(f64::INFINITY));
        assert_eq!(Figure::new("x", 1.0, Unit::Ms).outcome(), Outcome::NoTarget);
    }
}
