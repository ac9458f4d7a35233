use std::io::{self, Write};

use chancery_event_store::StoreError;
use chancery_projections::{platform_check, platform_rebuild};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::{config::Config, exit::Failure, progress::Watching, start};

/// What can be done about the read models.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectionsCommand {
    /// Compare every row with what its events add up to, and what is kept beside it: seals, sealed keys, secrets
    #[command(
        after_help = "Example: chancery projections check --json\n\nEvery row of every read model against the roll; which hashes of secrets and sealed keys there are, and that they\nopen under the master key and fit their public keys; every seal against its key, its tiles and its entries.\nExit status 1: something differs, each named, or the roll itself cannot be read. Works beside a running server."
    )]
    Check {
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Put every row right that is not what its events add up to
    #[command(
        after_help = "Example: chancery projections rebuild\n\nTenant by tenant, each in one transaction, beside a running server. Sealed keys, hashes of secrets and seals follow\nfrom no event and are left as they are. Exit status 1: the roll itself cannot be read."
    )]
    Rebuild {
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs one of them.
pub(crate) async fn run(config: &Config, command: &ProjectionsCommand) -> Result<(), Failure> {
    match command {
        ProjectionsCommand::Check { json } => check(config, *json).await,
        ProjectionsCommand::Rebuild { json } => rebuild(config, *json).await,
    }
}

async fn check(config: &Config, json: bool) -> Result<(), Failure> {
    let (application, store) = start::with_store(config).await?;
    let events = store.platform_event_count().await;
    let mut watch = Watching::new("comparing", events.map_err(|error| fault(&error))?);
    let checked = platform_check(&store, &mut watch)
        .await
        .map_err(|error| fault(&error))?;
    let kept = application.platform_check_kept(&mut watch).await;
    let kept = kept.map_err(|error| Failure::application(&error))?;
    store.close().await;
    let sentence = format!("{} events add up to {} rows", checked.events, checked.rows);
    if json {
        let mut report = report(&checked, &watch)?;
        report["kept"] = serde_json::to_value(kept).map_err(Failure::system)?;
        print(&format!("{report:#}\n"))?;
    } else {
        let lines: Vec<_> = watch
            .differences
            .iter()
            .map(|found| format!("{found}\n"))
            .collect();
        print(&lines.concat())?;
        if watch.differing == 0 {
            print(&format!(
                "{sentence}, each equal to the one that is kept; {} sealed values open, and {} entries are as they were sealed\n",
                kept.opened, kept.sealed
            ))?;
        }
    }
    if watch.differing == 0 {
        return Ok(());
    }
    let of_rows = match watch.rebuilt {
        0 => String::new(),
        count => format!("; `chancery projections rebuild` puts {count} of them right"),
    };
    let of_kept = match watch.differing - watch.rebuilt {
        0 => "",
        _ => {
            "; what is wrong with seals, with sealed values and with hashes of secrets follows from no event, and only a backup has it"
        }
    };
    Err(Failure::refused(format!(
        "{sentence}, and there are {} differences from what is kept{of_rows}{of_kept}",
        watch.differing
    )))
}

async fn rebuild(config: &Config, json: bool) -> Result<(), Failure> {
    let store = start::existing(config).await?;
    let events = store.platform_event_count().await;
    let mut watch = Watching::new("rebuilding", events.map_err(|error| fault(&error))?);
    let rebuilt = platform_rebuild(&store, &mut watch)
        .await
        .map_err(|error| fault(&error))?;
    store.close().await;
    if json {
        return print(&format!("{:#}\n", report(&rebuilt, &watch)?));
    }
    print(&format!(
        "{} events add up to {} rows; {} were put right\n",
        rebuilt.events, rebuilt.rows, rebuilt.mended
    ))
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
