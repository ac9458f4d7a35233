//! The whole story against a real server on a free port: what a person sees before reading on.

/// Prints a line. Whoever reads the other end of a pipe may have seen enough.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod exchange;
mod protected;
mod replay;
mod script;

use std::{io, sync::Arc};

use chancery_crypto::{Entropy, MasterKey, Sealer, SystemEntropy};
use chancery_event_store::{Store, StoreConfig, StoreLocation, ThrowawaySchema};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    clock::SystemClock,
    config::private_file,
    connections::{Door, serve},
    exit::Failure,
    platform::{Platform, Settings},
};

/// Tells the story on SQLite in a temporary directory, or in a schema of its own in a PostgreSQL
/// database. Nothing of it is left.
pub(crate) async fn run(database_url: Option<&str>) -> Result<(), Failure> {
    let directory = tempfile::tempdir().map_err(Failure::system)?;
    let (location, schema) = match database_url {
        None => (
            StoreLocation::Sqlite(directory.path().join("chancery.db")),
            None,
        ),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            let random: [u8; 8] = (&SystemEntropy::new() as &dyn Entropy).bytes();
            let name = format!("chancery_demo_{:016x}", u64::from_be_bytes(random));
            let schema = ThrowawaySchema::create(url, &name)
                .await
                .map_err(|error| Failure::store(&error))?;
            (schema.location(), Some(schema))
        }
        Some(_) => {
            return Err(Failure::input(
                "the demo keeps SQLite in a temporary directory; give --database-url postgres://…, or leave it out",
            ));
        }
    };
    let told = tell(&location, directory.path()).await;
    if let Some(schema) = schema {
        schema
            .remove()
            .await
            .map_err(|error| Failure::store(&error))?;
    }
    told
}

async fn tell(location: &StoreLocation, directory: &std::path::Path) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(Failure::system)?;
    let url = format!("http://{}", listener.local_addr().map_err(Failure::system)?);
    let entropy = Arc::new(SystemEntropy::new());
    let sealer = Arc::new(Sealer::new(MasterKey::generate(&*entropy), None));
    let store = Store::connect(&StoreConfig::new(location.clone()))
        .await
        .map_err(|error| Failure::store(&error))?;
    store
        .migrate()
        .await
        .map_err(|error| Failure::store(&error))?;
    let settings =
        Settings::new(&url, Arc::new(SystemClock::new()), entropy).map_err(Failure::input)?;
    let credential = directory.join("operator.json");
    let platform = Platform::open(store, sealer, settings, |operator| {
        private_file::replace(&credential, &serde_json::to_vec_pretty(operator)?)
    })
    .await
    .map_err(|error| Failure::start(&error))?;

    let (stop, stopped) = oneshot::channel::<()>();
    let door = Door {
        listener,
        app: platform.app.clone(),
        tls: None,
    };
    let told_to_stop = async move {
        let _ = stopped.await;
    };
    let server = tokio::spawn(serve(vec![door], told_to_stop, std::future::pending()));
    let operator = std::fs::read(&credential)
        .and_then(|json| serde_json::from_slice(&json).map_err(io::Error::from));
    let told = match operator {
        Ok(operator) => script::tell(&url, &operator, &platform.store).await,
        Err(error) => Err(Failure::system(error)),
    };
    let _ = stop.send(());
    let _ = server.await;
    platform.close().await;
    told
}
