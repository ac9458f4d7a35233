//! What every command that needs the database does first.

use std::sync::Arc;

use chancery_application::{Installation, OpenError};
use chancery_crypto::{Sealer, SystemEntropy};
use chancery_event_store::{Store, StoreError, StoreLocation};

use crate::{
    config::{Config, DatabaseUrl, data_dir},
    exit::Failure,
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
    let store = Store::connect(&location).await.map_err(|error| store_failure(&error))?;
    if store.is_migrated().await.map_err(|error| store_failure(&error))? {
        // A wrong master key must be refused before anything is changed, the schema included.
        Installation::open(&store, &sealer, &entropy).await.map_err(|error| open_failure(&error))?;
    }
    store.migrate().await.map_err(|error| store_failure(&error))?;
    Ok(Opened { store, sealer })
}

/// The status of a store that cannot be used.
pub(crate) fn store_failure(error: &StoreError) -> Failure {
    if error.is_unavailable() { Failure::system(error) } else { Failure::input(error) }
}

/// The status of an installation that cannot be opened.
pub(crate) fn open_failure(error: &OpenError) -> Failure {
    match error {
        OpenError::Store(error) => store_failure(error),
        error => Failure::input(error),
    }
}
