//! Samples, how they compare, and how they are kept: as JSON, and as a table that is made from it.

use std::{fs, path::Path, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::Error,
    goals,
    load::{Load, Seen},
    numbers,
    process::Process,
};

/// One measurement of one process: of its answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) cpu_microseconds: f64,
    pub(crate) memory_mib: f64,
}

impl Sample {
    /// What this process does with this load.
    pub(crate) fn take(process: &Process, load: &Load) -> Result<Self, Error> {
        let before = process.cpu()?;
        let seen = load.send()?;
        let used = process.cpu()?.saturating_sub(before);
        Ok(Self::of(&seen, used, process.memory()?))
    }

    pub(crate) fn of(seen: &Seen, cpu: Duration, memory_mib: f64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of answers is far below 2^52"
        )]
        let answers = seen.took.len().max(1) as f64;
        Self {
            per_second: seen.rate(),
            p50_ms: seen.quantile(0.5),
            p99_ms: seen.quantile(0.99),
            p999_ms: seen.quantile(0.999),
            cpu_microseconds: cpu.as_secs_f64() * 1e6 / answers,
            memory_mib,
        }
    }

    /// Rate, latencies and processor time for a row of a table.
    pub(crate) fn cells(&self) -> String {
        cells(std::slice::from_ref(self))
    }
}

/// The same of several, as medians.
pub(crate) fn cells(samples: &[Sample]) -> String {
    let of = |value: fn(&Sample) -> f64| median(samples, value);
    format!(
        "{:.0} | {:.2} | {:.2} | {:.2} | {:.1}",
        rate(samples),
        of(|it| it.p50_ms),
        of(|it| it.p99_ms),
        of(|it| it.p999_ms),
        cpu(samples)
    )
}

pub(crate) fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    numbers::median(samples.iter().map(of))
}

/// Processor time, and answers a second: the medians.
pub(crate) fn cpu(samples: &[Sample]) -> f64 {
    median(samples, |sample| sample.cpu_microseconds)
}

pub(crate) fn rate(samples: &[Sample]) -> f64 {
    median(samples, |sample| sample.per_second)
}

/// The control and the server under the same load, several times in turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) name: String,
    /// How long each measurement took; none: it is said for the whole report.
    #[serde(default)]
    pub(crate) seconds: Option<f64>,
    pub(crate) control: Vec<Sample>,
    pub(crate) server: Vec<Sample>,
}

impl Comparison {
    /// Nothing yet.
    pub(crate) fn new(name: String, lasts: Duration) -> Self {
        Self {
            name,
            seconds: Some(lasts.as_secs_f64()),
            control: Vec::new(),
            server: Vec::new(),
        }
    }

    /// The median of the pairs' ratios, and the least and the greatest of them.
    pub(crate) fn ratio(&self) -> (f64, f64, f64) {
        let ratios = || {
            let pairs = self.control.iter().zip(&self.server);
            pairs.map(|(control, server)| server.per_second / control.per_second)
        };
        let (least, greatest) = numbers::range(ratios());
        (numbers::median(ratios()), least, greatest)
    }

    /// How many pairs, and how long each of their measurements was.
    pub(crate) fn pairs(&self) -> String {
        let pairs = self.server.len();
        match self.seconds {
            Some(seconds) => format!("{pairs} of {seconds} s"),
            None => pairs.to_string(),
        }
    }
}

/// What one benchmark has measured, as it is kept.
pub(crate) trait Kept: Serialize + DeserializeOwned {
    /// What its files are called.
    fn name(&self) -> &'static str;

    /// The text for people, in Markdown: made from what is kept and nothing else.
    fn text(&self) -> String;
}

/// Writes `{name}.json` with the numbers and `{name}.md` with the text that they make, and holds what is kept beside
/// them against the goals anew.
pub(crate) fn keep(directory: &Path, numbers: &impl Kept) -> Result<(), Error> {
    fs::create_dir_all(directory).map_err(Error::io(format!("make {}", directory.display())))?;
    let json = format!("{}\n", serde_json::to_string_pretty(numbers)?);
    write(directory, numbers.name(), "json", &json)?;
    write(directory, numbers.name(), "md", &numbers.text())?;
    goals::write(directory)
}

pub(crate) fn write(
    directory: &Path,
    name: &str,
    extension: &str,
    text: &str,
) -> Result<(), Error> {
    let file = directory.join(name).with_extension(extension);
    fs::write(&file, text).map_err(Error::io(format!("write {}", file.display())))
}

/// The text that kept numbers make.
pub(crate) fn text_of<T: Kept>(json: &str) -> Result<String, Error> {
    Ok(serde_json::from_str::<T>(json)?.text())
}
