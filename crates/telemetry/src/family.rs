//! What was counted under one name, as it is collected.

use std::borrow::Cow;

/// The labels of a point, in a fixed order.
pub type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// What was counted under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name by the semantic conventions of OpenTelemetry: lower case, parts separated by dots.
    pub name: &'static str,
    /// Its unit in UCUM: `s`, `By`, or what is counted in braces, as in `{token}`.
    pub unit: &'static str,
    /// What it means, in one sentence.
    pub help: &'static str,
    /// The values.
    pub points: Points,
}

/// The values of a family.
#[derive(Clone, Debug, PartialEq)]
pub enum Points {
    /// Counted since the process began.
    Sums(Vec<(Labels, u64)>),
    /// So many as there are now; those of several processes are added (an `UpDownCounter` of OpenTelemetry).
    Levels(Vec<(Labels, f64)>),
    /// As it is now.
    Gauges(Vec<(Labels, f64)>),
    /// Spread over ranges since the process began.
    Histograms(Vec<(Labels, Distribution)>),
}

/// How values were spread over ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// The upper bound of each range but the last.
    pub bounds: &'static [f64],
    /// How many fell into each range.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

impl Distribution {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Family {
    /// One sum without labels.
    pub fn sum(name: &'static str, unit: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            unit,
            help,
            points: Points::Sums(vec![(Labels::new(), value)]),
        }
    }

    /// One gauge without labels.
    pub fn gauge(name: &'static str, unit: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            unit,
            help,
            points: Points::Gauges(vec![(Labels::new(), value)]),
        }
    }

    /// One level without labels.
    pub fn level(name: &'static str, unit: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            unit,
            help,
            points: Points::Levels(vec![(Labels::new(), value)]),
        }
    }

    /// One histogram without labels.
    pub fn histogram(
        name: &'static str,
        unit: &'static str,
        help: &'static str,
        value: Distribution,
    ) -> Self {
        Self {
            name,
            unit,
            help,
            points: Points::Histograms(vec![(Labels::new(), value)]),
        }
    }
}
