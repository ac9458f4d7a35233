use std::io::{self, Write};

use chancery_event_store::StoreError;
use chancery_projections::{platform_check, platform_rebuild};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::{config::Config, exit::Failure, progress::Watching, start};

/// What can be done about the read models.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectionsCommand {
    /// Compare every row of every read model with what its events add up to
    #[command(
        after_help = "Example: chancery projections check --json\n\nExit status 1: a row differs, or the roll itself cannot be read. Works beside a running server."
    )]
    Check {
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Put every row right that is not what its events add up to
    #[command(
        after_help = "Example: chancery projections rebuild\n\nTenant by tenant, each in one transaction, beside a running server. Exit status 1: the roll itself cannot be read."
    )]
    Rebuild {
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs one of them.
pub(crate) async fn run(config: &Config, command: &ProjectionsCommand) -> Result<(), Failure> {
    let store = start::existing(config).await?;
    let events = store
        .platform_event_count()
        .await
        .map_err(|error| fault(&error))?;
    let (report, sentence, differing, as_json) = match command {
        ProjectionsCommand::Check { json } => {
            let mut watch = Watching::new("comparing", events);
            let checked = platform_check(&store, &mut watch)
                .await
                .map_err(|error| fault(&error))?;
            let sentence = format!("{} events add up to {} rows", checked.events, checked.rows);
            (report(&checked, &watch)?, sentence, Some(watch), *json)
        }
        ProjectionsCommand::Rebuild { json } => {
            let mut watch = Watching::new("rebuilding", events);
            let rebuilt = platform_rebuild(&store, &mut watch)
                .await
                .map_err(|error| fault(&error))?;
            let sentence = format!(
                "{} events add up to {} rows; {} were put right",
                rebuilt.events, rebuilt.rows, rebuilt.mended
            );
            (report(&rebuilt, &watch)?, sentence, None, *json)
        }
    };
    store.close().await;
    if as_json {
        print(&format!("{report:#}\n"))?;
    } else if let Some(watch) = &differing {
        let lines: Vec<_> = watch
            .differences
            .iter()
            .map(|found| format!("{found}\n"))
            .collect();
        print(&lines.concat())?;
        if watch.differing == 0 {
            print(&format!("{sentence}, each equal to the one that is kept\n"))?;
        }
    } else {
        print(&format!("{sentence}\n"))?;
    }
    match differing {
        Some(watch) if watch.differing > 0 => Err(Failure::refused(format!(
            "{sentence}, and there are {} differences from what is kept; `chancery projections rebuild` puts them right",
            watch.differing
        ))),
        _ => Ok(()),
    }
}

/// What was done, and the first thousand differences.
fn report(done: &impl serde::Serialize, watch: &Watching) -> Result<Value, Failure> {
    let mut report = json!({"differing": watch.differing, "differences": watch.differences});
    if let (Value::Object(report), Value::Object(done)) = (
        &mut report,
        serde_json::to_value(done).map_err(Failure::system)?,
    ) {
        report.extend(done);
    }
    Ok(report)
}

/// A roll that cannot be read is an answer: no.
fn fault(error: &StoreError) -> Failure {
    match error {
        StoreError::Poison { .. } | StoreError::Corrupt(_) => Failure::refused(error),
        error => Failure::store(error),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads the other end of a pipe may have seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::system),
    }
}
