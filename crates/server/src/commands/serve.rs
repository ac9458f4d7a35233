use std::{io, net::SocketAddr, time::Duration};

use chancery_application::Application;
use chancery_token_log::TokenLog;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    config::Config,
    connections,
    exit::Failure,
    sealing,
    start::{self, Newer},
};

/// How often what is no longer needed is deleted.
const HOUSE_KEEPING: Duration = Duration::from_hours(1);

/// How often the steward looks for what is due. Nothing waits for it.
const STEWARD: Duration = Duration::from_secs(10);

/// Runs the server until it is told to stop.
pub(crate) async fn run(config: Config) -> Result<(), Failure> {
    // The port comes first: when it is taken, nothing has been made yet.
    let listener = listen(config.listen).await?;
    let address = listener.local_addr().map_err(Failure::system)?;
    let config = config.bound_to(address).map_err(Failure::input)?;

    // From here on a stop that is asked for is a clean one, also before anybody can be served.
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::system)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let platform = start::platform(&config, Newer::IssueTokens).await?;
    let keeping = tokio::spawn(keep_house(platform.application.clone()));
    let looking_after = tokio::spawn(look_after(platform.log.clone()));
    let steward = tokio::spawn(record_due(platform.application.clone()));
    let sealing = tokio::spawn(sealing::run(platform.application.clone()));

    tracing::info!(
        address = %address,
        public_url = config.public_url.as_str(),
        store = ?platform.store.backend(),
        "listening; the explorer is at {}/graphql",
        config.public_url.as_str(),
    );
    connections::serve(listener, platform.router.clone(), stop).await;
    keeping.abort();
    looking_after.abort();
    steward.abort();
    sealing.abort();
    platform.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Once an hour, what nobody can ask for any more is deleted.
async fn keep_house(application: Application) {
    let mut hours = tokio::time::interval(HOUSE_KEEPING);
    loop {
        hours.tick().await;
        match application.forget_old_commands().await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "old commands were forgotten"),
            Err(error) => {
                tracing::warn!(%error, "old commands could not be deleted; the next try is in an hour");
            }
        }
    }
}

/// Once an hour, activity that is too old is deleted, and the coming days get their place.
async fn look_after(log: TokenLog) {
    let mut hours = tokio::time::interval(HOUSE_KEEPING);
    loop {
        hours.tick().await;
        match log.keep_house().await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "old activity was deleted"),
            Err(error) => {
                tracing::warn!(%error, "the token log could not be looked after; the next try is in an hour");
            }
        }
    }
}

/// Every few seconds, what has ended and what is due soon is written to the roll.
async fn record_due(application: Application) {
    let mut rounds = tokio::time::interval(STEWARD);
    loop {
        rounds.tick().await;
        loop {
            match application.record_due().await {
                Ok(recorded) if recorded.more => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "what is due could not be read; the next try is in ten seconds");
                }
            }
            break;
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "the port is in use; stop what uses it, or choose another with --listen".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "the system does not let this user listen there; choose a port above 1023 with --listen".to_owned()
            }
            _ => format!("{error}; choose an address of this machine with --listen"),
        };
        Failure::system(format!("cannot listen on {address}: {remedy}"))
    })
}
