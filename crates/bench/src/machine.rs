//! What a result was measured on.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use chancery_domain::Timestamp;

use serde::Serialize;

/// The machine, as far as a reader of the numbers needs it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| {
                Some(
                    line.strip_prefix("model name")?
                        .split_once(':')?
                        .1
                        .trim()
                        .to_owned(),
                )
            })
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let kib = read("/proc/meminfo")
            .lines()
            .find_map(|line| {
                line.strip_prefix("MemTotal:")?
                    .split_whitespace()
                    .next()?
                    .parse::<f64>()
                    .ok()
            })
            .unwrap_or_default();
        Self {
            processor,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: (kib / 1_048_576.0 * 10.0).round() / 10.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
        } = self;
        format!("{processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}")
    }
}

/// The present.
#[expect(clippy::disallowed_methods, reason = "a program of its own")]
pub(crate) fn now() -> Timestamp {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
