//! Results, as a table for people and as JSON.

use std::{fmt::Write as _, fs, path::Path};

use serde::Serialize;

use crate::{
    error::Error,
    load::{Load, Seen},
    machine::Machine,
    process::Process,
};

/// One measurement of one process: of its answers.
#[derive(Clone, Debug, Serialize)]
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

    pub(crate) fn of(seen: &Seen, cpu: std::time::Duration, memory_mib: f64) -> Self {
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
        format!(
            "{:.0} | {:.2} | {:.2} | {:.2} | {:.1}",
            self.per_second, self.p50_ms, self.p99_ms, self.p999_ms, self.cpu_microseconds
        )
    }
}

/// The control and the server under the same load, several times in turn.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) name: String,
    pub(crate) control: Vec<Sample>,
    pub(crate) server: Vec<Sample>,
}

impl Comparison {
    /// The median of the pairs' ratios, and the least and the greatest of them.
    pub(crate) fn ratio(&self) -> (f64, f64, f64) {
        let mut ratios: Vec<f64> = self
            .control
            .iter()
            .zip(&self.server)
            .map(|(control, server)| server.per_second / control.per_second)
            .collect();
        ratios.sort_by(f64::total_cmp);
        let at = |index: usize| ratios.get(index).copied().unwrap_or_default();
        (
            at(ratios.len() / 2),
            at(0),
            at(ratios.len().saturating_sub(1)),
        )
    }
}

/// The server alone at a fixed rate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FixedRate {
    pub(crate) name: String,
    pub(crate) rate: f64,
    pub(crate) sample: Sample,
}

/// Honest traffic at a fixed rate, alone and beside twice as many wrong secrets.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Beside {
    pub(crate) name: String,
    pub(crate) rate: f64,
    pub(crate) alone: Sample,
    pub(crate) among: Sample,
    pub(crate) wrong_per_second: f64,
}

/// A server that has just started, and so has read no client and verified no secret: each client once, and
/// then each once more.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cold {
    pub(crate) name: String,
    pub(crate) clients: usize,
    pub(crate) first: Sample,
    pub(crate) again: Sample,
}

/// Everything that one run has measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) connections: usize,
    pub(crate) seconds: u64,
    pub(crate) clients: usize,
    pub(crate) idle: usize,
    pub(crate) durability: String,
    pub(crate) closed_loop: Vec<Comparison>,
    pub(crate) open_loop: Vec<FixedRate>,
    pub(crate) beside_wrong_secrets: Vec<Beside>,
    pub(crate) assertions: Vec<FixedRate>,
    pub(crate) introspection: Vec<(String, Sample)>,
    pub(crate) cold: Vec<Cold>,
}

pub(crate) fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl Report {
    /// The table in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{}. Load on the same cores: one thread, {} connections, {} s a measurement, {} clients, warm, among {} that do not ask; durability `{}`.\n\n\
             Closed loop, control and server in turn; medians.\n\n\
             | | control, tokens/s | server, tokens/s | ratio (least to greatest) | p50 ms | p99 ms | p99.9 ms | CPU µs/token, control | server | MiB |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            self.machine.line(),
            self.connections,
            self.seconds,
            self.clients,
            self.idle,
            self.durability,
        );
        for comparison in &self.closed_loop {
            let (ratio, least, greatest) = comparison.ratio();
            let server = |of: fn(&Sample) -> f64| median(&comparison.server, of);
            let control = |of: fn(&Sample) -> f64| median(&comparison.control, of);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {:.0} | {:.0} | **{ratio:.2}** ({least:.2} to {greatest:.2}) | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} |",
                comparison.name,
                control(|sample| sample.per_second),
                server(|sample| sample.per_second),
                server(|sample| sample.p50_ms),
                server(|sample| sample.p99_ms),
                server(|sample| sample.p999_ms),
                control(|sample| sample.cpu_microseconds),
                server(|sample| sample.cpu_microseconds),
                server(|sample| sample.memory_mib),
            );
        }
        text.push_str("\nOpen loop at half of the peak; a latency counts from when the request was due.\n\n| | rate | p50 ms | p99 ms | p99.9 ms |\n| --- | --- | --- | --- | --- |\n");
        for fixed in &self.open_loop {
            let FixedRate { name, rate, sample } = fixed;
            let _ = writeln!(
                text,
                "| {name} | {rate:.0} | {:.2} | {:.2} | {:.2} |",
                sample.p50_ms, sample.p99_ms, sample.p999_ms
            );
        }
        text.push_str("\nHonest traffic at a quarter of the peak, alone and beside twice as many wrong secrets.\n\n| | honest/s, alone | beside | kept | p99 ms, alone | beside | wrong/s |\n| --- | --- | --- | --- | --- | --- | --- |\n");
        for Beside {
            name,
            alone,
            among,
            wrong_per_second,
            ..
        } in &self.beside_wrong_secrets
        {
            let kept = among.per_second / alone.per_second;
            let _ = writeln!(
                text,
                "| {name} | {:.0} | {:.0} | **{kept:.2}** | {:.2} | {:.2} | {wrong_per_second:.0} |",
                alone.per_second, among.per_second, alone.p99_ms, among.p99_ms
            );
        }
        text.push_str("\n`private_key_jwt` (ES256) at a quarter of the peak, each assertion used once.\n\n| | rate | p50 ms | p99 ms | p99.9 ms | CPU µs/token |\n| --- | --- | --- | --- | --- | --- |\n");
        for FixedRate { name, rate, sample } in &self.assertions {
            let _ = writeln!(
                text,
                "| {name} | {rate:.0} | {:.2} | {:.2} | {:.2} | {:.1} |",
                sample.p50_ms, sample.p99_ms, sample.p999_ms, sample.cpu_microseconds
            );
        }
        text.push_str("\nIntrospection of tokens that are active, by a client that serves their API: closed loop. It verifies a \
             signature, signs nothing and writes nothing; there is no control.\n\n\
             | | answers/s | p50 ms | p99 ms | p99.9 ms | CPU µs |\n| --- | --- | --- | --- | --- | --- |\n");
        for (name, sample) in &self.introspection {
            let _ = writeln!(text, "| {name} | {} |", sample.cells());
        }
        text.push_str("\nThe first token of each client after a start, which reads the client and hashes its secret (Argon2id, \
             8 MiB), and then the second. Closed loop; the time includes the wait for the other connections' hashes.\n\n\
             | | clients | | tokens/s | p50 ms | p99 ms | p99.9 ms | CPU µs |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for Cold {
            name,
            clients,
            first,
            again,
        } in &self.cold
        {
            let _ = writeln!(text, "| {name} | {clients} | first | {} |", first.cells());
            let _ = writeln!(text, "| {name} | {clients} | second | {} |", again.cells());
        }
        text
    }

    /// Writes `{name}.md` and `{name}.json`.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> Result<(), Error> {
        write(
            directory,
            name,
            &format!("# Tokens\n\n{}", self.table()),
            self,
        )
    }
}

/// Writes `{name}.md` with this text and `{name}.json` with these numbers.
pub(crate) fn write(
    directory: &Path,
    name: &str,
    text: &str,
    numbers: &impl Serialize,
) -> Result<(), Error> {
    fs::create_dir_all(directory).map_err(Error::io(format!("make {}", directory.display())))?;
    let write = |extension: &str, text: &str| {
        let file = directory.join(name).with_extension(extension);
        fs::write(&file, text).map_err(Error::io(format!("write {}", file.display())))
    };
    write("md", text)?;
    write(
        "json",
        &format!("{}\n", serde_json::to_string_pretty(numbers)?),
    )
}
