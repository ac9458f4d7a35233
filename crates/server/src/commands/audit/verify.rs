use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use chancery_crypto::VerifierKey;
use chancery_roll::{
    checkpoint::SignedCheckpoint,
    verify::{Fault, Kept, Known, Report, VerifyError, Vouched, verify},
};
use clap::Args;
use serde::Serialize;

use super::{print, source};
use crate::exit::Failure;

pub(super) const HELP: &str = "Example: chancery audit verify acme.ndjson --key auth.example.com/t/acme/roll+a1b2c3d4+AbC… --checkpoint march.txt

Needs neither server nor database. The key and older checkpoints come from elsewhere: {issuer}/roll/key and
{issuer}/roll/checkpoint, fetched and kept while nothing was in doubt. Without any of them the key in the file is
unvouched. Exit status: 0 verified, 1 not, 2 the file is no export that this version reads.";

/// How long the file of a key or a checkpoint may be.
const SMALL: u64 = 64 << 10;

/// The arguments of `audit verify`.
#[derive(Debug, Args)]
#[command(
    override_usage = "chancery audit verify <FILE> [--key <KEY>] [--checkpoint <FILE>…] [--json]"
)]
pub(crate) struct Verify {
    /// The file that `chancery audit export` wrote; `-` is standard input
    #[arg(required_unless_present = "checkpoints")]
    file: Option<PathBuf>,
    /// The roll's verifier key, or a file that holds it
    #[arg(long)]
    key: Option<String>,
    /// Checkpoints that were kept from earlier: the file must agree with each
    #[arg(long = "checkpoint", value_name = "FILE", num_args = 1..)]
    checkpoints: Vec<PathBuf>,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Serialize)]
struct Verdict {
    verified: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Found>,
}

/// The first fault, for programs.
#[derive(Serialize)]
struct Found {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_entry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_entry: Option<u64>,
    message: String,
}

impl Verify {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let (found, failure) = match self.verified() {
            Ok(Ok(report)) => {
                let verdict = Verdict {
                    verified: true,
                    report: Some(report),
                    fault: None,
                };
                return print(&verdict, self.json);
            }
            Ok(Err(fault)) => {
                let (first_entry, last_entry) = fault.entries().unzip();
                let found = Found {
                    kind: fault.kind(),
                    first_entry,
                    last_entry,
                    message: fault.to_string(),
                };
                (found, Failure::refused(format!("not verified: {fault}")))
            }
            Err(failure) => {
                let found = Found {
                    kind: "unusable",
                    first_entry: None,
                    last_entry: None,
                    message: failure.sentence().to_owned(),
                };
                (found, failure)
            }
        };
        if self.json {
            let verdict = Verdict {
                verified: false,
                report: None,
                fault: Some(found),
            };
            print(&verdict, true)?;
        }
        Err(failure)
    }

    /// The report or the first fault of what was given, where it can be read.
    fn verified(&self) -> Result<Result<Report, Fault>, Failure> {
        // What follows --checkpoint is taken for another checkpoint.
        let Some(file) = &self.file else {
            return Err(Failure::input(
                "the export to verify comes first: chancery audit verify FILE --checkpoint FILE…",
            ));
        };
        let known = Known {
            key: self.key.as_deref().map(key).transpose()?,
            checkpoints: self
                .checkpoints
                .iter()
                .map(|file| kept(file))
                .collect::<Result<_, _>>()?,
        };
        let verified = source::read(file, "verifying", |file, progress| {
            verify(file, &known, progress)
        })?;
        match verified {
            Ok(report) => Ok(Ok(report)),
            Err(VerifyError::Fault(fault)) => Ok(Err(fault)),
            Err(error) => Err(source::unusable(file, &error)),
        }
    }
}

/// The key itself, or what a file of this name holds.
fn key(text: &str) -> Result<VerifierKey, Failure> {
    let error = match text.parse::<VerifierKey>() {
        Ok(key) => return Ok(key),
        Err(error) => error,
    };
    let file = Path::new(text);
    if !file.exists() {
        return Err(Failure::input(format!(
            "--key: {error}; nor is there a file of this name"
        )));
    }
    let held = small_text(file)?.trim_end().parse();
    held.map_err(|error| Failure::input(format!("--key: in the file {text}: {error}")))
}

/// The text of a file that holds a key or a checkpoint: a few lines.
fn small_text(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(SMALL + 1).read_to_string(&mut text));
    read.map_err(|error| source::cannot_read(file, &error))?;
    if text.len() as u64 > SMALL {
        return Err(Failure::input(format!(
            "{} holds neither a key nor a checkpoint: it is longer than {SMALL} bytes",
            file.display()
        )));
    }
    Ok(text)
}

fn kept(file: &Path) -> Result<Kept, Failure> {
    let name = file.display().to_string();
    let note = small_text(file)?;
    // Programs that print a text add a newline, and shells that keep one take it away.
    let note = format!("{}\n", note.trim_end());
    let checkpoint = SignedCheckpoint::parse(&note)
        .map_err(|error| Failure::input(format!("--checkpoint {name}: {error}")))?;
    Ok(Kept { name, checkpoint })
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(report) = &self.report else {
            return Ok(());
        };
        let Report {
            tenant,
            origin,
            key,
            vouched_by,
            from,
            to,
            root,
            checkpoints,
        } = report;
        writeln!(
            f,
            "verified: entries {from} to {to} of {} are all there, in order and unchanged",
            tenant.slug
        )?;
        writeln!(f, "  log   {origin}\n  root  {root}\n  key   {key}")?;
        if *checkpoints > 0 {
            writeln!(
                f,
                "  agrees with {checkpoints} checkpoint(s) that were kept"
            )?;
        }
        match vouched_by {
            Vouched::Key => writeln!(f, "  the key is the one that you gave"),
            Vouched::Checkpoint => writeln!(
                f,
                "  the key is the one that signed the checkpoint(s) that were kept"
            ),
            Vouched::Unvouched => writeln!(
                f,
                "  THE KEY IS UNVOUCHED: it comes from the file, so this shows only that the file agrees with itself.\n  \
                 Give --key with the key from elsewhere, or --checkpoint with a checkpoint that you kept."
            ),
        }
    }
}
