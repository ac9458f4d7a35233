//! `bench roll`: what an auditor does with a long roll, against the bare hash of its lines; and the read
//! models from it.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use chancery_roll::{
    Hash,
    checkpoint::{Checkpoint, SignedCheckpoint},
    export::{ExportError, ExportWriter},
    line,
    testing::Sample,
    tree::Frontier,
};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    machine::Machine,
    numbers, process,
    rebuild::{self, Plan, Rebuilt},
    report::{self, Kept},
    run::{self, Run as Noted},
};

/// How many clients the tenant has at a time.
const CLIENTS: usize = 2_000;

#[derive(Args)]
pub(crate) struct Options {
    /// The server's binary, which is the auditor's too.
    #[arg(long)]
    server: PathBuf,
    /// How many entries the roll has.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// An empty PostgreSQL database; left out: SQLite alone.
    #[arg(long, env = "CHANCERY_TEST_POSTGRES")]
    postgres: Option<String>,
    /// How often each is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the table and the JSON go.
    #[arg(long)]
    output: PathBuf,
}

#[derive(Args)]
pub(crate) struct HashOptions {
    file: PathBuf,
}

/// One run of one process over the whole file.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Run {
    events_per_second: f64,
    wall_seconds: f64,
    peak_mib: f64,
}

/// All runs of one command.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    name: String,
    runs: Vec<Run>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    machine: Machine,
    #[serde(default)]
    run: Option<Noted>,
    events: usize,
    clients: usize,
    bytes: u64,
    measured: Vec<Measured>,
    rebuilt: Vec<Rebuilt>,
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let mut noted = Noted::begin(false);
    let machine = Machine::this(options.postgres.as_deref())?;
    let directory = tempfile::tempdir().map_err(Error::io("make a directory"))?;
    let file = directory.path().join("roll.ndjson");
    eprintln!("writing a roll of {} entries", options.events);
    write(&file, options.events)?;
    let bytes = fs::metadata(&file)
        .map_err(Error::io("look at the roll"))?
        .len();
    let itself = std::env::current_exe().map_err(Error::io("find this binary"))?;
    let mut measured: Vec<_> = ["hash", "verify", "replay"]
        .map(|name| Measured {
            name: name.to_owned(),
            runs: Vec::new(),
        })
        .into();
    for round in 1..=options.rounds {
        for Measured { name, runs } in &mut measured {
            let mut command = if name == "hash" {
                let mut command = Command::new(&itself);
                command.arg("hash").arg(&file);
                command
            } else {
                let mut command = Command::new(&options.server);
                command.args(["audit", name, "--json"]).arg(&file);
                command
            };
            let run = measure(&mut command, options.events)?;
            eprintln!(
                "{name}, round {round}: {:.0} events/s",
                run.events_per_second
            );
            runs.push(run);
        }
    }
    let rebuilt = Plan {
        server: &options.server,
        events: options.events,
        clients: CLIENTS,
        rounds: options.rounds,
        postgres: options.postgres.as_deref(),
    }
    .measure()?;
    noted.look();
    let report = Report {
        machine,
        run: Some(noted),
        events: options.events,
        clients: CLIENTS,
        bytes,
        measured,
        rebuilt,
    };
    print!("{}", report.text());
    report::keep(&options.output, &report)
}

/// The control: reads the lines and hashes each, and nothing else.
pub(crate) fn hash(options: &HashOptions) -> Result<(), Error> {
    let file = File::open(&options.file).map_err(Error::io("open the roll"))?;
    let mut file = BufReader::with_capacity(256 << 10, file);
    let (mut line, mut last) = (Vec::new(), Hash::empty());
    while file
        .read_until(b'\n', &mut line)
        .map_err(Error::io("read the roll"))?
        > 0
    {
        last = Hash::leaf(&line);
        line.clear();
    }
    println!("{last}");
    Ok(())
}

/// Writes an export: once through for the root, once for the file.
fn write(path: &Path, events: usize) -> Result<(), Error> {
    let wrong = |error: ExportError| Error::Wrong(error.to_string());
    let sample = || Sample::new(1, CLIENTS).take(events);
    let mut tree = Frontier::default();
    for entry in sample() {
        tree.push(Hash::leaf(line::write(&entry).as_bytes()));
    }
    let key = Sample::key();
    let checkpoint = Checkpoint {
        origin: key.verifier().name().to_owned(),
        size: tree.size(),
        root: tree.root(),
    };
    let note = checkpoint
        .sign(&key)
        .map_err(|error| Error::Wrong(error.to_string()))?;
    let note = SignedCheckpoint::parse(&note).map_err(|error| Error::Wrong(error.to_string()))?;
    let file = BufWriter::new(File::create(path).map_err(Error::io("write the roll"))?);
    let mut export =
        ExportWriter::begin(file, Sample::tenant(), key.verifier(), &note, 1, Vec::new())
            .map_err(wrong)?;
    for entry in sample() {
        export.entry(&entry).map_err(wrong)?;
    }
    export
        .finish()
        .map_err(wrong)?
        .flush()
        .map_err(Error::io("write the roll"))
}

fn measure(command: &mut Command, events: usize) -> Result<Run, Error> {
    let before = process::cpu_of_children()?;
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(Error::io(format!("start {command:?}")))?;
    let mut peak_mib: f64 = 0.0;
    let status = loop {
        // Gone when it has ended: then the last look is the one that counts.
        peak_mib = peak_mib.max(process::peak_memory(child.id()).unwrap_or_default());
        if let Some(status) = child.try_wait().map_err(Error::io("wait"))? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    if !status.success() {
        return Err(Error::Wrong(format!("{command:?} ended with {status}")));
    }
    let cpu = process::cpu_of_children()?.saturating_sub(before);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of events is far below 2^52"
    )]
    let events = events as f64;
    Ok(Run {
        events_per_second: events / cpu.as_secs_f64().max(0.01),
        wall_seconds: begin.elapsed().as_secs_f64(),
        peak_mib,
    })
}

impl Measured {
    fn median(&self, of: fn(&Run) -> f64) -> f64 {
        numbers::median(self.runs.iter().map(of))
    }
}

impl Report {
    /// What a command does on one core: the median.
    pub(crate) fn per_second(&self, name: &str) -> Option<f64> {
        let measured = self
            .measured
            .iter()
            .find(|measured| measured.name == name)?;
        Some(measured.median(|run| run.events_per_second))
    }

    pub(crate) fn rebuilt(&self) -> &[Rebuilt] {
        &self.rebuilt
    }

    pub(crate) fn run(&self) -> Option<&Noted> {
        self.run.as_ref()
    }
}

impl Kept for Report {
    fn name(&self) -> &'static str {
        "roll"
    }

    fn text(&self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a size is far below 2^52")]
        let mib = self.bytes as f64 / 1_048_576.0;
        let mut text = format!(
            "# The roll\n\n{}. {}A roll of {} entries ({mib:.0} MiB) of a tenant with at most {} clients at a time, in the page cache. \
             Events per second of processor time: one process with one thread. Medians, and the least and the greatest.\n\n\
             | | events/s of one core | of the control | peak MiB |\n| --- | --- | --- | --- |\n",
            self.machine.line(),
            run::line(self.run.as_ref()),
            self.events,
            self.clients,
        );
        let control = self.per_second("hash").unwrap_or_default();
        for measured in &self.measured {
            let rate = measured.median(|run| run.events_per_second);
            let rates = measured.runs.iter().map(|run| run.events_per_second);
            let (least, greatest) = numbers::range(rates);
            let name = match measured.name.as_str() {
                "hash" => "control: read the lines, SHA-256 of each",
                "verify" => "`chancery audit verify`",
                _ => "`chancery audit replay`",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {name} | **{rate:.0}** ({least:.0} to {greatest:.0}) | {:.2} | {:.0} |",
                rate / control,
                measured.median(|run| run.peak_mib),
            );
        }
        format!("{text}\n{}", rebuild::table(&self.rebuilt))
    }
}
