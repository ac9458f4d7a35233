use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use chancery_application::{Application, Steward};
use chancery_telemetry::causes;
use chancery_token_log::TokenLog;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::signals::Signals;
use crate::{
    alone::alone,
    clock::{self, SystemClock},
    config::Config,
    connections::{self, Door},
    descriptors,
    exit::Failure,
    platform::Platform,
    sealing,
    start::{self, Confirmed, Process},
    telemetry::{Collector, Lags, Spans, push},
    tls::Tls,
};

/// How often what is no longer needed is deleted.
const HOUSE_KEEPING: Duration = Duration::from_hours(1);

/// How often the steward looks for what is due. Nothing waits for it.
const STEWARD: Duration = Duration::from_secs(10);

/// When everything has ended once it was told to stop: whoever stops it, as systemd or Docker by the files in
/// `deploy`, kills it after thirty seconds.
const END: Duration = Duration::from_secs(27);

/// How long the store may take to close once it was told to stop a second time.
const HURRY: Duration = Duration::from_secs(2);

/// How long a collector is waited for in the end.
const GOODBYE: Duration = Duration::from_secs(2);

/// Says where it listens.
fn tell_of_addresses(config: &Config, address: SocketAddr, platform: &Platform) {
    let base = config.admin_url();
    let base = base.as_deref().unwrap_or(config.public_url.as_str());
    tracing::info!(
        address = %address,
        public_url = config.public_url.as_str(),
        store = ?platform.store.backend(),
        "listening; the console is at {0}/console (`chancery operator link` signs in), the explorer at {0}/graphql",
        base,
    );
    if let Some(internal) = config.internal_listen {
        tracing::info!(address = %internal, "metrics, the admin API and the console are at this address alone");
        if config.tls.is_none() && !internal.ip().is_loopback() {
            tracing::warn!(
                address = %internal,
                "operators' credentials come to this address in clear, from other machines too; configure TLS, or an internal_listen of this machine (127.0.0.1)"
            );
        }
    }
}

/// Runs the server until it is told to stop.
pub(crate) async fn run(
    config: Config,
    collector: Option<Collector>,
    spans: Option<Spans>,
    confirmed: Confirmed,
) -> Result<(), Failure> {
    // From here on a stop that is asked for is a clean one, also before anybody can be served.
    let signals = Signals::listen().map_err(Failure::system)?;
    for (key, variable) in config.overridden() {
        tracing::warn!(
            key,
            variable,
            "a setting of the file does not count: the environment has another"
        );
    }
    let files = descriptors::raise();
    // The ports come first: when one is taken, nothing has been made yet.
    let listener = listen(config.listen, "--listen").await?;
    let address = listener.local_addr().map_err(Failure::system)?;
    let mut config = config.bound_to(address).map_err(Failure::input)?;
    let internal = match config.internal_listen {
        Some(address) => Some(listen(address, "internal_listen").await?),
        None => None,
    };
    if let Some(internal) = &internal {
        config.internal_listen = Some(internal.local_addr().map_err(Failure::system)?);
    }
    let clock = Arc::new(SystemClock::new());
    let tls = config.tls.as_ref();
    let tls = tls.map(|files| Tls::open(files, clock.clone())).transpose();
    let tls = tls.map_err(Failure::input)?;

    let _alone = alone(&config)?;
    let process = Process::Server(confirmed);
    let platform = tokio::select! {
        platform = start::platform(&config, process, &clock) => platform?,
        () = signals.stop() => {
            tracing::info!("stopped before it had started");
            return Ok(());
        }
    };
    tell_of_files(files, &platform);
    let seen = start::clock_seen(&config, &platform.store);
    let watching = tokio::spawn(clock::watch(clock, platform.store.clone(), seen));
    let keeping = tokio::spawn(keep_house(platform.application.clone()));
    let looking_after = tokio::spawn(look_after(platform.log.clone()));
    let lags = platform.sources.lags.clone();
    let steward = tokio::spawn(record_due(platform.application.clone(), lags.clone()));
    let sealing = tokio::spawn(sealing::run(platform.application.clone()));
    let lags = tokio::spawn(lags.watch(
        platform.application.clone(),
        platform.store.clone(),
        platform.clock.clone(),
    ));
    let health = tokio::spawn(platform.sources.health.clone().watch());
    let pushing = CancellationToken::new();
    let pushed = collector.map(|collector| {
        let (sources, clock) = (platform.sources.clone(), platform.clock.clone());
        tokio::spawn(push(collector, sources, clock, pushing.clone()))
    });

    tell_of_addresses(&config, address, &platform);
    let doors = doors(&platform, listener, internal, &config, tls.as_ref());
    if let Some(tls) = &tls {
        let _ = platform.sources.certificate.set(tls.certificate());
    }
    let certificates = tls.map(|tls| tokio::spawn(tls.watch(signals.look())));
    let mut told = Instant::now();
    let stop = async {
        signals.stop().await;
        told = Instant::now();
    };
    connections::serve(doors, stop, signals.hurry()).await;
    if let Some(certificates) = certificates {
        certificates.abort();
    }
    for work in [
        lags,
        health,
        watching,
        keeping,
        looking_after,
        steward,
        sealing,
    ] {
        work.abort();
    }
    pushing.cancel();
    tokio::join!(
        close(platform, told + END, &signals),
        say_goodbye(pushed, spans)
    );
    tracing::info!("stopped");
    Ok(())
}

/// Lets go of the store, when what waits for the disk is written: until this moment, or a little longer than it is
/// told to hurry.
async fn close(platform: Platform, until: Instant, signals: &Signals) {
    let hurried = async {
        signals.hurry().await;
        sleep(HURRY).await;
    };
    let closed = tokio::select! {
        closed = timeout_at(until, platform.close()) => closed.is_ok(),
        () = hurried => false,
    };
    if !closed {
        tracing::error!(
            "the store could not be closed in time; what was answered is durable, and records that nobody waited for may be lost"
        );
    }
}

/// Sends what was counted last, and the last spans.
async fn say_goodbye(pushed: Option<JoinHandle<()>>, spans: Option<Spans>) {
    let pushed = async {
        if let Some(mut pushed) = pushed
            && timeout(GOODBYE, &mut pushed).await.is_err()
        {
            pushed.abort();
            tracing::warn!("the last metrics could not be sent: the collector does not answer");
        }
    };
    let sent = async {
        if let Some(spans) = spans {
            spans.close().await;
        }
    };
    tokio::join!(pushed, sent);
}

/// Says how many files may be open, and what is done with them.
fn tell_of_files(files: usize, platform: &Platform) {
    let connections = platform.shares.connections;
    if platform.shares.is_enough {
        tracing::info!(
            files,
            connections,
            "so many files may be open, and so many of them be connections from outside"
        );
    } else {
        tracing::warn!(
            files,
            connections,
            "too few files may be open for the store and for connections from outside; allow more (LimitNOFILE, ulimits)"
        );
    }
}

/// What is served where.
fn doors(
    platform: &Platform,
    listener: TcpListener,
    internal: Option<TcpListener>,
    config: &Config,
    tls: Option<&Tls>,
) -> Vec<Door> {
    let current = || tls.map(Tls::current);
    let Some(internal) = internal else {
        return vec![Door {
            listener,
            app: platform.app.clone(),
            tls: current(),
        }];
    };
    vec![
        Door {
            listener,
            app: platform.apart.public.clone(),
            tls: current(),
        },
        Door {
            listener: internal,
            app: platform.apart.internal.clone(),
            tls: config.internal_tls().then(current).flatten(),
        },
    ]
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
                tracing::warn!(
                    error = causes(&error),
                    "old commands could not be deleted; the next try is in an hour"
                );
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
async fn record_due(application: Application, lags: Arc<Lags>) {
    let mut rounds = tokio::time::interval(STEWARD);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut steward = Steward::new(application.clone());
    loop {
        rounds.tick().await;
        match steward.round().await {
            Ok(recorded) => lags.stewarded(recorded),
            // It was told once, and is in the metrics.
            Err(_) if application.clock_trusted().is_err() => {}
            Err(error) => {
                tracing::warn!(
                    error = causes(&error),
                    "what is due could not be read; the next try is in ten seconds"
                );
            }
        }
    }
}

async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("the port is in use; stop what uses it, or choose another with {setting}")
            }
            io::ErrorKind::PermissionDenied => {
                format!("the system does not let this user listen there; choose a port above 1023 with {setting}")
            }
            _ => format!("{error}; choose an address of this machine with {setting}"),
        };
        Failure::system(format!("cannot listen on {address}: {remedy}"))
    })
}
