//! `chancery audit`: what auditors do with a roll. What is done with a file needs neither a server nor
//! a database nor a configuration.

mod accept;
mod diff;
mod export;
mod replay;
mod source;
mod verify;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Subcommand;

use crate::{config::Config, exit::Failure};

/// What auditors do with a roll.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Write a tenant's roll as NDJSON, sealed up to its end
    #[command(
        after_help = "Example: chancery audit export --tenant acme -o acme.ndjson\n\nWorks beside a running server. Exit status 1: the roll is not as it was sealed."
    )]
    Export {
        /// The tenant's slug
        #[arg(long)]
        tenant: String,
        /// The first entry
        #[arg(long, default_value_t = 1, value_name = "NUMBER")]
        from: u64,
        /// Where to write it; standard output when left out. The file appears when it is whole
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Tell what was written as a JSON object
        #[arg(long, requires = "output")]
        json: bool,
    },
    /// Say on a node that a backup was put back, so that it takes older seals than it has seen
    #[command(after_help = accept::HELP)]
    Accept(accept::Accept),
    /// Show that an exported roll is whole, unchanged and signed; name the first faulty entry
    #[command(after_help = verify::HELP)]
    Verify(verify::Verify),
    /// Show a tenant as it was: policy, keys, APIs, clients, grants, live secrets
    #[command(after_help = replay::HELP)]
    Replay(replay::Replay),
    /// Show what changed between two moments
    #[command(after_help = diff::HELP)]
    Diff(diff::Diff),
}

/// Runs what needs no configuration; none: this one does.
pub(crate) fn offline(command: &AuditCommand) -> Option<Result<(), Failure>> {
    match command {
        AuditCommand::Export { .. } | AuditCommand::Accept(_) => None,
        AuditCommand::Verify(verify) => Some(verify.run()),
        AuditCommand::Replay(replay) => replay.offline(),
        AuditCommand::Diff(diff) => diff.offline(),
    }
}

/// Runs one of them.
pub(crate) async fn run(config: &Config, command: &AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Export {
            tenant,
            from,
            output,
            json,
        } => export::run(config, tenant, *from, output.as_deref(), *json).await,
        AuditCommand::Accept(accept) => accept.run(config).await,
        AuditCommand::Verify(verify) => verify.run(),
        AuditCommand::Replay(replay) => replay.run(config).await,
        AuditCommand::Diff(diff) => diff.run(config).await,
    }
}

/// Prints it, as JSON or for people.
fn print<T: serde::Serialize + std::fmt::Display>(what: &T, json: bool) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if json {
        serde_json::to_writer_pretty(&mut out, what)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        write!(out, "{what}")
    };
    match written.and_then(|()| out.flush()) {
        // Whoever reads the other end of a pipe may have seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| {
            Failure::system(format!("standard output cannot be written: {error}"))
        }),
    }
}
