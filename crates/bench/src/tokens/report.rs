//! What `bench tokens` has measured.

use serde::{Deserialize, Deserializer, Serialize};

use super::table;
use crate::{
    machine::Machine,
    numbers,
    report::{Comparison, Kept, Sample},
    room::Room,
    run::Run,
};

/// What a comparison of assertions is called, after who signs and on which store.
pub(super) const ASSERTIONS: &str = "`private_key_jwt`";

/// The server at a fixed rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FixedRate {
    pub(crate) name: String,
    /// What was asked for.
    pub(crate) rate: f64,
    /// The control at the same rate, in turn with it; nothing where there is none.
    #[serde(deserialize_with = "one_or_many", default)]
    pub(crate) control: Vec<Sample>,
    #[serde(deserialize_with = "one_or_many", alias = "sample")]
    pub(crate) server: Vec<Sample>,
}

/// Runs that were kept before have one sample, or none.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Sample>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Samples {
        Many(Vec<Sample>),
        One(Option<Sample>),
    }
    Ok(match Samples::deserialize(deserializer)? {
        Samples::Many(samples) => samples,
        Samples::One(sample) => sample.into_iter().collect(),
    })
}

impl FixedRate {
    /// The median of the server's p99 in milliseconds, and the least and the greatest of them.
    pub(crate) fn p99(&self) -> (f64, f64, f64) {
        let all = || self.server.iter().map(|sample| sample.p99_ms);
        let (least, greatest) = numbers::range(all());
        (numbers::median(all()), least, greatest)
    }
}

/// Honest traffic at a fixed rate, alone and beside twice as many wrong secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Beside {
    pub(crate) name: String,
    /// What was asked for.
    pub(crate) rate: f64,
    pub(crate) alone: Sample,
    pub(crate) among: Sample,
    pub(crate) wrong_per_second: f64,
}

/// A server that has just started, and so has read no client and verified no secret: each client once, and
/// then each once more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cold {
    pub(crate) name: String,
    pub(crate) clients: usize,
    pub(crate) first: Sample,
    pub(crate) again: Sample,
}

/// Everything that one run has measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    #[serde(default)]
    pub(crate) run: Option<Run>,
    pub(crate) connections: usize,
    /// How long a measurement was, where nothing else is said.
    pub(crate) seconds: f64,
    pub(crate) clients: usize,
    pub(crate) idle: usize,
    pub(crate) durability: String,
    pub(crate) closed_loop: Vec<Comparison>,
    pub(crate) open_loop: Vec<FixedRate>,
    pub(crate) beside_wrong_secrets: Vec<Beside>,
    pub(crate) assertions: Vec<FixedRate>,
    pub(crate) introspection: Vec<(String, Sample)>,
    pub(crate) cold: Vec<Cold>,
    #[serde(default)]
    pub(crate) room: Vec<(String, Room)>,
}

impl Kept for Report {
    fn name(&self) -> &'static str {
        "tokens"
    }

    fn text(&self) -> String {
        table::of(self)
    }
}
