use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
};

use chancery_application::{ResealError, Resealed, reseal};
use chancery_crypto::{MasterKey, MasterKeyId, Sealer, SystemEntropy};
use chancery_event_store::{Sealings, Store};
use clap::Subcommand;
use serde_json::json;

use crate::{
    config::{
        Config,
        generated_keys::{GeneratedKeys, Held},
    },
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

/// What is sealed under which key.
struct Rotation {
    new: MasterKey,
    /// None: another run has changed over to `new` while this one waited for it.
    old: Option<MasterKey>,
    generated: Option<(GeneratedKeys, Held)>,
}

/// Runs one of them.
pub(crate) async fn run(config: &Config, command: &KeysCommand) -> Result<(), Failure> {
    let KeysCommand::RotateMaster { json: as_json } = command;
    let entropy = SystemEntropy::new();
    let store = start::existing(config).await?;
    let Rotation {
        new,
        old,
        generated,
    } = Rotation::of(config, &store, &entropy).await?;
    let (after, before) = (new.id(), old.as_ref().map(MasterKey::id));
    let sealer = Sealer::new(new, old);
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
    if let (Some((keys, held)), Some(before), true) = (&generated, &before, done.complete) {
        kept = Some(
            keys.change_over(held, before, &after)
                .map_err(Failure::system)?,
        );
    }
    let text = if *as_json {
        let report = json!({
            "masterKey": done.master_key, "previousMasterKey": before.as_ref().map(MasterKeyId::as_str),
            "resealed": done.resealed, "already": done.already, "damaged": done.damaged,
            "previousKeyFile": kept.as_ref().map(|path| path.display().to_string()),
        });
        format!("{report:#}\n")
    } else {
        sentence(&done, before.as_ref(), kept.as_deref())
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

impl Rotation {
    /// From which key to which. A generated one is held from before it is looked at until this is dropped.
    async fn of(config: &Config, store: &Store, entropy: &SystemEntropy) -> Result<Self, Failure> {
        let keys = config.master_keys(entropy).map_err(Failure::input)?;
        if let Some(old) = keys.previous {
            return Self {
                new: keys.current,
                old: Some(old),
                generated: None,
            }
            .between_two(
                "master_key_file and master_key_previous_file hold the same master key; make a new one (openssl rand -base64 32) and give it as master_key_file, and the one before as master_key_previous_file",
            );
        }
        let Some(generated) = config.generated_keys() else {
            return Err(Failure::input(
                "the new master key is not configured beside the one before: make one (openssl rand -base64 32), give it as master_key_file and the one before as master_key_previous_file, restart the servers with both, and run this again",
            ));
        };
        let first = keys.current.id();
        let held = hold(&generated).await?;
        let current = config.master_keys(entropy).map_err(Failure::input)?.current;
        if current.id() != first {
            return Ok(Self {
                new: current,
                old: None,
                generated: None,
            });
        }
        fits(store, &current, &generated).await?;
        let new = generated
            .make_next(&held, entropy)
            .map_err(Failure::input)?;
        Self {
            new,
            old: Some(current),
            generated: Some((generated, held)),
        }
        .between_two("master.key and master.next.key in the data directory are the same master key; take master.next.key away and run this again")
    }

    fn between_two(self, or: &str) -> Result<Self, Failure> {
        let same = self.old.as_ref().filter(|old| old.id() == self.new.id());
        match same {
            Some(key) => Err(Failure::input(format!(
                "{or} ({}). Nothing was changed",
                key.id()
            ))),
            None => Ok(self),
        }
    }
}

/// Waits for another run that is under way, in a thread that may.
async fn hold(generated: &GeneratedKeys) -> Result<Held, Failure> {
    let generated = generated.clone();
    let held = tokio::task::spawn_blocking(move || {
        generated.hold(|| {
            eprintln!("chancery: another `keys rotate-master` is under way here; waiting for it");
        })
    });
    held.await
        .map_err(Failure::system)?
        .map_err(Failure::system)
}

fn sentence(done: &Resealed, before: Option<&MasterKeyId>, kept: Option<&Path>) -> String {
    let mut lines = vec![format!(
        "{} values are sealed under the master key {} now, {} were already",
        done.resealed, done.master_key, done.already
    )];
    let damaged = done.damaged.iter();
    lines.extend(damaged.map(|what| format!("damaged: {what}")));
    if done.complete {
        lines.push(match (kept, before) {
            (Some(path), _) => format!(
                "the key before is kept as {}: backups of the database that were made until now need it",
                path.display()
            ),
            (None, None) => {
                "another `keys rotate-master` has changed over to it while this one waited; nothing was left to be done".to_owned()
            }
            (None, Some(before)) if done.resealed == 0 => format!(
                "everything was sealed under {} before this, and nothing was changed. If {before} is to take its place, give it as master_key_file, {} as master_key_previous_file, and run this again; if not, {before} is needed no more but for backups",
                done.master_key, done.master_key
            ),
            (None, Some(before)) => format!(
                "servers that were not restarted with both keys are not ready from now on: restart them with both. The key before, {before}, is needed no more but for backups: take master_key_previous_file out of the configuration"
            ),
        });
    }
    lines.join("\n") + "\n"
}

/// Before a key is made, whether the one that is there is this database's at all.
async fn fits(
    store: &Store,
    current: &MasterKey,
    generated: &GeneratedKeys,
) -> Result<(), Failure> {
    if generated.next.exists() {
        // It was interrupted, and both are needed.
        return Ok(());
    }
    let under = store
        .platform_sealed_under(Sealings::Installation)
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
