use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use chancery_application::{ResealError, Resealed, reseal};
use chancery_crypto::{MasterKey, Sealer, SystemEntropy};
use clap::Subcommand;
use serde_json::json;

use crate::{
    config::{Config, master_key::GeneratedKeys},
    exit::Failure,
    progress::Progress,
    start,
};

/// How many values are sealed anew in one transaction.
const BATCH: u32 = 200;

/// What can be done about the master key.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Seal everything that is sealed under a new master key
    #[command(
        after_help = "Example: chancery keys rotate-master\n\nWith the key that `serve` has generated a new one is made beside it and takes its place in the end. With a key of your own, configure the new one as master_key_file and the one before as master_key_previous_file, restart the servers with both, and run this with the same configuration.\n\nWorks beside running servers, and can be interrupted and run again. Exit status 1: something is damaged and was left; 2: the keys do not fit, and nothing was changed."
    )]
    RotateMaster {
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs one of them.
pub(crate) async fn run(config: &Config, command: &KeysCommand) -> Result<(), Failure> {
    let KeysCommand::RotateMaster { json: as_json } = command;
    let entropy = SystemEntropy::new();
    let store = start::existing(config).await?;
    let keys = config.master_keys(&entropy).map_err(Failure::input)?;
    let (new, old, generated) = match (keys.previous, config.generated_keys()) {
        (Some(previous), _) => (keys.current, previous, None),
        (None, Some(generated)) => {
            fits(&store, &keys.current, &generated).await?;
            let next = generated.make_next(&entropy).map_err(Failure::input)?;
            (next, keys.current, Some(generated))
        }
        (None, None) => {
            return Err(Failure::input(
                "the new master key is not configured beside the one before: make one (openssl rand -base64 32), give it as master_key_file and the one before as master_key_previous_file, restart the servers with both, and run this again",
            ));
        }
    };
    let old_text = old.to_base64();
    let before = old.id();
    let sealer = Sealer::new(new, Some(old));
    let progress = Progress::new("re-sealing", 0);
    let done = reseal(&store, &sealer, &entropy, BATCH, |done, total| {
        progress.of(total);
        progress.reached(done);
        ControlFlow::Continue(())
    })
    .await
    .map_err(|error| failure(&error))?;
    drop(progress);
    store.close().await;
    let mut kept = None;
    if let Some(generated) = generated.filter(|_| done.complete) {
        let old = MasterKey::from_base64(&old_text).map_err(Failure::system)?;
        kept = Some(generated.change_over(&old).map_err(Failure::system)?);
    }
    let text = if *as_json {
        let report = json!({
            "masterKey": done.master_key, "previousMasterKey": before.as_str(), "resealed": done.resealed,
            "already": done.already, "damaged": done.damaged,
            "previousKeyFile": kept.as_ref().map(|path| path.display().to_string()),
        });
        format!("{report:#}\n")
    } else {
        sentence(&done, before.as_str(), kept.as_deref())
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::system)?;
    if done.complete {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{} values do not open and were left as they are; both master keys are needed until they are restored from a backup, then run this again",
        done.damaged.len()
    )))
}

fn sentence(done: &Resealed, before: &str, kept: Option<&std::path::Path>) -> String {
    let mut lines = vec![format!(
        "{} values are sealed under the master key {} now, {} were already",
        done.resealed, done.master_key, done.already
    )];
    let damaged = done.damaged.iter();
    lines.extend(damaged.map(|what| format!("damaged: {what}")));
    if done.complete {
        lines.push(match kept {
            Some(path) => format!(
                "the key before is kept as {}: backups of the database that were made until now need it",
                path.display()
            ),
            None => format!(
                "the key before, {before}, is needed no more but for backups: take master_key_previous_file out of the configuration"
            ),
        });
    }
    lines.join("\n") + "\n"
}

/// Before a key is made, whether the one that is there is this database's at all.
async fn fits(
    store: &chancery_event_store::Store,
    current: &MasterKey,
    generated: &GeneratedKeys,
) -> Result<(), Failure> {
    if generated.next.exists() {
        // It was interrupted, and both are needed.
        return Ok(());
    }
    let under = store
        .platform_sealed_under(chancery_event_store::Sealings::Installation)
        .await
        .map_err(|error| Failure::store(&error))?;
    match under.first() {
        Some((id, _)) if *id != current.id().as_str() => Err(Failure::input(format!(
            "the database is sealed under the master key {id}, and {} holds {}; put the right key there. Nothing was changed",
            generated.key.display(),
            current.id()
        ))),
        _ => Ok(()),
    }
}

fn failure(error: &ResealError) -> Failure {
    match error {
        ResealError::Store(store) => Failure::store(store),
        ResealError::Seal(_) => Failure::system(error),
        _ => Failure::input(error),
    }
}
