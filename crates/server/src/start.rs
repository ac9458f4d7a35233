//! What every command that needs the database does first.

use std::{num::NonZeroU32, sync::Arc};

use chancery_application::Installation;
use chancery_crypto::{Sealer, SystemEntropy};
use chancery_event_store::{SchemaStatus, Store, StoreConfig, StoreLocation};

use chancery_token_service::{FailureLimit, TrustedProxies};

use crate::{
    clock::SystemClock,
    config::{Config, DatabaseUrl, data_dir, private_file},
    exit::Failure,
    platform::{Platform, Settings},
};

/// An open store with what seals its private keys.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) sealer: Arc<Sealer>,
}

/// Makes the data directory and the master key where they are missing, connects, proves that the
/// master key fits, and only then brings the schema up to date.
pub(crate) async fn open(config: &Config) -> Result<Opened, Failure> {
    data_dir::prepare(&config.data_dir).map_err(Failure::input)?;
    let entropy = SystemEntropy::new();
    let keys = config.master_keys(&entropy).map_err(Failure::input)?;
    let sealer = Arc::new(Sealer::new(keys.current, keys.previous));
    let location = match &config.database {
        DatabaseUrl::Sqlite { path } => StoreLocation::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => StoreLocation::Postgres(url.reveal().to_owned()),
    };
    let store = Store::connect(&StoreConfig::new(location))
        .await
        .map_err(|error| Failure::store(&error))?;
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
    store
        .migrate()
        .await
        .map_err(|error| Failure::store(&error))?;
    Ok(Opened { store, sealer })
}

/// The whole server but its socket. On the first start it writes the first operator's credential to
/// the data directory.
pub(crate) async fn platform(config: &Config) -> Result<Platform, Failure> {
    let Opened { store, sealer } = open(config).await?;
    let file = config.data_dir.join("operator.json");
    let platform = Platform::open(store, sealer, settings(config)?, |operator| {
        private_file::replace(&file, &serde_json::to_vec_pretty(operator)?)
    })
    .await;
    platform.map_err(|error| Failure::start(&error))
}

/// The settings of a configured server, with the system's clock and chance.
fn settings(config: &Config) -> Result<Settings, Failure> {
    let mut settings = Settings::new(
        config.public_url.as_str(),
        Arc::new(SystemClock),
        Arc::new(SystemEntropy::new()),
    )
    .map_err(Failure::input)?;
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
