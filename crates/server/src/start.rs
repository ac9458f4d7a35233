//! What every command that needs the database does first.

use std::{
    fs::File,
    io,
    num::NonZeroU32,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use chancery_application::{Application, Installation, Witness};
use chancery_crypto::{Sealer, SystemEntropy};
use chancery_domain::{Clock, value::Slug};
use chancery_event_store::{
    Backend, SchemaStatus, Store, StoreConfig, StoreError, StoreLocation, files,
};
use chancery_projections::platform_rebuild_if_stale;

use chancery_token_service::{FailureLimit, TrustedProxies};
use clap::Args;
use nix::unistd::{Uid, User};
use serde_json::Value;

use crate::{
    clock::{Seen, SystemClock},
    config::{Config, DatabaseUrl, data_dir, master_key::MasterKeys, private_file},
    exit::Failure,
    platform::{self, Platform, Settings},
    progress::Watching,
};

/// An open store with what seals its private keys.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) sealer: Arc<Sealer>,
}

/// What to do on a store whose schema is newer than this binary.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Newer {
    /// Stop: the command has to change something.
    Refuse,
    /// Go on: tokens can be issued, and every change is refused by the store. So a server of the old
    /// version that restarts in the middle of an upgrade does its work.
    IssueTokens,
}

/// Stops a command that works on a database and would only make an empty one.
pub(crate) fn require_database(config: &Config) -> Result<(), Failure> {
    let DatabaseUrl::Sqlite { path } = &config.database else {
        return Ok(());
    };
    match File::open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Failure::input(not_to_be_read(path)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::input(format!(
            "there is no database at {}; give the server's --data-dir, or start `chancery serve` first",
            path.display()
        ))),
        Err(error) => Err(Failure::system(format!(
            "the database {} cannot be read: {error}",
            path.display()
        ))),
    }
}

/// Whose the file is, if that can be seen, and so who has to give the command.
fn not_to_be_read(path: &Path) -> String {
    let name = |id| match User::from_uid(id) {
        Ok(Some(user)) => user.name,
        _ => format!("#{id}"),
    };
    let owner = [path, files::directory(path)]
        .iter()
        .find_map(|path| std::fs::metadata(path).ok())
        .map_or_else(String::new, |is| {
            format!(", with `sudo -u '{}'`", name(Uid::from_raw(is.uid())))
        });
    format!(
        "{} cannot be read by `{}` (permission denied); run this as the server's user{owner}",
        path.display(),
        name(Uid::effective()),
    )
}

/// The store of an installation that is there, as it is: nothing is made and nothing is migrated. For
/// commands that need no private key.
pub(crate) async fn existing(config: &Config) -> Result<Store, Failure> {
    require_database(config)?;
    let store = connect(config).await?;
    let status = store.schema_status().await;
    match status.map_err(|error| Failure::store(&error))? {
        SchemaStatus::Current => Ok(store),
        SchemaStatus::Older { found, needed } => {
            Err(Failure::store(&StoreError::SchemaOlder { found, needed }))
        }
        SchemaStatus::Newer { found, known } => {
            Err(Failure::store(&StoreError::SchemaNewer { found, known }))
        }
    }
}

/// The application of an installation that is there, with its master key. Of the roll nothing is
/// made and nothing is migrated; its token log is opened as ever.
pub(crate) async fn application(config: &Config) -> Result<Application, Failure> {
    with_store(config).await.map(|(application, _)| application)
}

/// The same, with its store.
pub(crate) async fn with_store(config: &Config) -> Result<(Application, Store), Failure> {
    let store = existing(config).await?;
    let clock = Arc::new(SystemClock::new());
    // What only reads goes on by a clock that is wrong; what changes something asks whether it is.
    let looked = clock.look(&store).await;
    looked.map_err(|error| Failure::store(&error))?;
    let mut settings = settings(config, clock)?;
    // A command on another machine has no directory of a node, and nothing to compare with.
    if config.data_dir.is_dir() {
        settings.witness = Witness::compare(seen_file(config)).map_err(Failure::input)?;
    }
    // A command may be told another public URL than the servers have, and the log's name is for ever.
    settings.begins_seals = false;
    let keys = config
        .master_keys(&*settings.entropy)
        .map_err(Failure::input)?;
    let sealer = sealer(config, keys);
    let installation = Installation::open(&store, &sealer, &*settings.entropy)
        .await
        .map_err(|error| Failure::start(&error.into()))?;
    if installation.is_new() {
        return Err(Failure::input(
            "the database is empty; start `chancery serve` first",
        ));
    }
    let hasher = platform::hasher();
    let log = platform::token_log(&store, &settings)
        .await
        .map_err(|error| Failure::start(&error))?;
    let application =
        platform::application(&store, &log, &sealer, &settings, &installation, &hasher);
    Ok((application, store))
}

/// What seals private keys: with every key that is configured, and those that come while it runs.
fn sealer(config: &Config, keys: MasterKeys) -> Arc<Sealer> {
    let files = config.key_files();
    let sealer = Sealer::new(keys.current, keys.previous);
    Arc::new(sealer.reading(Box::new(move || files.keys())))
}

async fn connect(config: &Config) -> Result<Store, Failure> {
    let location = match &config.database {
        DatabaseUrl::Sqlite { path } => {
            let directory = files::directory(path);
            if !directory.exists() {
                return Err(Failure::input(format!(
                    "the directory {} of the database is not there; make it, or correct database_url",
                    directory.display()
                )));
            }
            StoreLocation::Sqlite(path.clone())
        }
        DatabaseUrl::Postgres(url) => {
            StoreLocation::Postgres(match &config.database_password_file {
                None => url.reveal().to_owned(),
                Some(file) => url
                    .with_password_of(file)
                    .map_err(Failure::input)?
                    .to_string(),
            })
        }
    };
    Store::connect(&StoreConfig::new(location))
        .await
        .map_err(|error| Failure::store(&error))
}

/// Makes the data directory and the master key where they are missing, connects, proves that the
/// master key fits, and only then brings the schema up to date.
pub(crate) async fn open(config: &Config, newer: Newer) -> Result<Opened, Failure> {
    data_dir::prepare(&config.data_dir).map_err(Failure::input)?;
    let entropy = SystemEntropy::new();
    let keys = config.master_keys(&entropy).map_err(Failure::input)?;
    let sealer = sealer(config, keys);
    let store = connect(config).await?;
    let schema = store
        .schema_status()
        .await
        .map_err(|error| Failure::store(&error))?;
    if !matches!(schema, SchemaStatus::Older { found: 0, .. }) {
        // A wrong master key must be refused before anything is changed, the schema included.
        Installation::open(&store, &sealer, &entropy)
            .await
            .map_err(|error| Failure::start(&error.into()))?;
    }
    match schema {
        SchemaStatus::Newer { found, known } if newer == Newer::IssueTokens => tracing::warn!(
            found,
            known,
            "the store was upgraded by a newer binary; this one issues tokens and refuses changes"
        ),
        _ => {
            let current = async {
                store.migrate().await?;
                rebuild_if_stale(&store).await
            };
            current.await.map_err(|error| Failure::store(&error))?;
        }
    }
    Ok(Opened { store, sealer })
}

/// Rows that older folds have made are made again before anybody reads them.
async fn rebuild_if_stale(store: &Store) -> Result<(), StoreError> {
    let mut watch = Watching::new("rebuilding", store.platform_event_count().await?);
    // A new database has no rows, and nothing to say about them.
    let rebuilt = platform_rebuild_if_stale(store, &mut watch).await?;
    if let Some(rebuilt) = rebuilt.filter(|rebuilt| rebuilt.events > 0) {
        tracing::info!(
            events = rebuilt.events,
            rows = rebuilt.rows,
            mended = rebuilt.mended,
            "the read models were made by older folds and are rebuilt"
        );
    }
    Ok(())
}

/// The operator's word for what nothing else can be said for.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Confirmed {
    /// Start although the installation has rested for more than 30 days by the clock, which is right
    /// (on SQLite, which has no clock to hold it against)
    #[arg(long)]
    clock_is_right: bool,
    /// Start although the log of tokens is gone, and begin it anew: whatever was revoked is good again until its signing
    /// key is revoked
    #[arg(long)]
    tokens_are_lost: bool,
}

/// What needs the whole server but its socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    /// The server itself.
    Server(Confirmed),
    /// A command that changes something.
    Command,
}

/// The whole server but its socket. On the first start it writes the first operator's credential to
/// the data directory.
pub(crate) async fn platform(
    config: &Config,
    process: Process,
    clock: &Arc<SystemClock>,
) -> Result<Platform, Failure> {
    let (newer, witness): (_, fn(_) -> _) = match process {
        Process::Server(_) => (Newer::IssueTokens, Witness::open),
        Process::Command => (Newer::Refuse, Witness::compare),
    };
    let Opened { store, sealer } = open(config, newer).await?;
    believe(config, process, clock, &store).await?;
    let file = config.data_dir.join("operator.json");
    let mut settings = settings(config, clock.clone())?;
    settings.witness = witness(seen_file(config)).map_err(Failure::input)?;
    if let Process::Server(confirmed) = process
        && confirmed.tokens_are_lost
    {
        settings.tokens_are_lost = true;
        tracing::warn!(
            "started with --tokens-are-lost: where the log of tokens is gone, what was revoked is good again until its signing key is revoked"
        );
    }
    let witness = settings.witness.clone();
    let remembers = !witness.is_empty();
    let seen = seen_file(config);
    let platform = Platform::open(store, sealer, settings, |operator| {
        // Whoever can empty the database must not make this node forget what it has seen of it.
        if !witness.is_empty() {
            return Err(io::Error::other(format!(
                "the database is empty, and this node has seen seals of another; restore that one, or, where it is given up for ever, move {} away and start again",
                seen.display()
            )));
        }
        keep_aside(&file)?;
        private_file::replace(&file, &serde_json::to_vec_pretty(operator)?)?;
        tracing::info!(file = %file.display(), "first start: the first operator's credential is made");
        Ok(())
    })
    .await
    .map_err(|error| Failure::start(&error))?;
    if process != Process::Command && !remembers {
        tell_of_no_memory(&platform.store, &seen_file(config)).await;
    }
    keep_endpoints(&file, &platform.application)
        .map_err(|error| Failure::system(format!("{} cannot be kept: {error}", file.display())))?;
    Ok(platform)
}

/// A server that remembers nothing takes what it finds for right: somebody should know who has put it there.
async fn tell_of_no_memory(store: &Store, seen: &Path) {
    let sealed = store.platform_sealed(None, 1).await;
    if sealed.is_ok_and(|sealed| !sealed.is_empty()) {
        tracing::warn!(
            file = %seen.display(),
            "this server remembers no seal, and the database has some: it takes them for right. If its directory is not a new one, somebody has taken the file away: verify an export with a checkpoint that was kept elsewhere"
        );
    }
}

/// A credential that is there already belongs to another database, or to a first start that did not
/// come to its end. Nobody could make it again, so it is kept.
fn keep_aside(file: &Path) -> io::Result<()> {
    let aside = file.with_extension("before.json");
    match std::fs::rename(file, &aside) {
        Ok(()) => {
            tracing::warn!(file = %aside.display(), "an operator's credential was there before the first start; it is kept here");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The credential names its endpoints; when the public URL has changed, so do they.
fn keep_endpoints(file: &Path, application: &Application) -> io::Result<()> {
    let Ok(text) = std::fs::read(file) else {
        return Ok(());
    };
    let Ok(Value::Object(mut credential)) = serde_json::from_slice(&text) else {
        return Ok(());
    };
    let endpoints = application.operator_endpoints(&Slug::system());
    let Value::Object(endpoints) = serde_json::to_value(endpoints)? else {
        return Ok(());
    };
    let before = credential.clone();
    credential.extend(endpoints);
    if credential == before {
        return Ok(());
    }
    private_file::replace(file, &serde_json::to_vec_pretty(&credential)?)
}

/// When the server last ran, where the database has no clock to ask.
pub(crate) fn clock_seen(config: &Config, store: &Store) -> Option<Seen> {
    let file = config.data_dir.join("clock-seen");
    (store.backend() == Backend::Sqlite).then(|| Seen::at(file))
}

/// Goes on only by a clock that nothing speaks against: nothing is made or recorded by another.
async fn believe(
    config: &Config,
    process: Process,
    clock: &SystemClock,
    store: &Store,
) -> Result<(), Failure> {
    let looked = clock.look(store).await;
    looked.map_err(|error| Failure::store(&error))?;
    clock.trusted().map_err(Failure::system)?;
    let is_confirmed = matches!(process, Process::Server(confirmed) if confirmed.clock_is_right);
    if let Some(seen) = clock_seen(config, store)
        && !is_confirmed
    {
        let newest = store.platform_newest().await;
        let newest = newest.map_err(|error| Failure::store(&error))?;
        seen.allows(clock.now(), newest.map(|newest| newest.most))
            .map_err(Failure::refused)?;
    }
    Ok(())
}

/// What this node has seen of seals.
fn seen_file(config: &Config) -> PathBuf {
    config.data_dir.join("seals-seen.ndjson")
}

/// The settings of a configured server, with the system's clock and chance.
fn settings(config: &Config, clock: Arc<SystemClock>) -> Result<Settings, Failure> {
    let mut settings = Settings::new(
        config.public_url.as_str(),
        clock,
        Arc::new(SystemEntropy::new()),
    )
    .map_err(Failure::input)?;
    settings.admin_url = config.admin_url();
    settings.tls = [config.tls.is_some(), config.internal_tls()];
    settings.durability = config.activity.durability.0;
    settings.activity_days = config.activity.retention.0;
    settings.admin_api.introspection = config.introspection;
    let limit = config.address_failures;
    settings.token_service.address_failures = FailureLimit {
        failures: limit.count,
        // A day at most, by the configuration's own rule.
        window_seconds: u32::try_from(limit.window.as_secs())
            .ok()
            .and_then(NonZeroU32::new)
            .unwrap_or(NonZeroU32::MAX),
    };
    let proxies = config.trusted_proxies.clone();
    settings.token_service.trusted_proxies =
        TrustedProxies::new(move |address| proxies.iter().any(|range| range.contains(address)));
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_not_read_the_database_learns_whose_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let said = not_to_be_read(&directory.path().join("chancery.db"));
        let user = User::from_uid(Uid::effective()).unwrap().unwrap().name;
        assert!(
            said.contains(&format!("cannot be read by `{user}`")),
            "{said}"
        );
        assert!(
            said.ends_with(&format!("with `sudo -u '{user}'`")),
            "{said}"
        );
    }
}
