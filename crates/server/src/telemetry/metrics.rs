//! Everything that is counted, collected.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};
use chancery_application::Application;
use chancery_crypto::SecretHasher;
use chancery_directory::Directory;
use chancery_domain::{Clock, Timestamp};
use chancery_event_store::{Connections, Store};
use chancery_telemetry::{Family, Labels, Points, http::Http};
use chancery_token_log::TokenLog;
use chancery_token_service::TokenService;

use super::{Lags, prometheus};
use crate::{health::Health, places::Places, tls::Certificate};

/// The parts of a server that count.
pub(crate) struct Sources {
    pub(crate) began: Instant,
    pub(crate) started: Timestamp,
    pub(crate) http: Arc<Http>,
    pub(crate) application: Application,
    pub(crate) token_service: TokenService,
    pub(crate) directory: Arc<Directory>,
    pub(crate) hasher: SecretHasher,
    pub(crate) log: TokenLog,
    pub(crate) store: Store,
    pub(crate) lags: Arc<Lags>,
    /// Of each address that is listened at.
    pub(crate) places: Vec<(&'static str, Arc<Places>)>,
    /// Of the TLS that is served, if any is.
    pub(crate) certificate: OnceLock<Arc<Certificate>>,
    pub(crate) health: Arc<Health>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Sources {
    /// What every part has counted until now. It asks no database.
    pub(crate) fn collect(&self) -> Vec<Family> {
        let mut families = self.process();
        families.extend(self.http.families());
        families.extend(self.application.families());
        families.extend(self.token_service.families());
        families.extend(self.hasher.families());
        families.extend(self.directory.families());
        families.extend(self.log.families());
        families.extend(self.lags.families(self.began));
        families.extend(places(&self.places));
        families.extend(certificate(self.certificate.get()));
        families.extend(connections(&[
            ("roll", self.store.connections()),
            ("token_log", self.log.connections()),
        ]));
        families
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to 2^53 microseconds, which is the year 2255"
    )]
    fn process(&self) -> Vec<Family> {
        let version: Labels = vec![("service.version", env!("CARGO_PKG_VERSION").into())];
        let mut families = vec![
            Family {
                name: "chancery.build",
                unit: "{binary}",
                help: "Always 1; its label names the version.",
                points: Points::Gauges(vec![(version, 1.0)]),
            },
            Family::gauge(
                "process.start_time",
                "s",
                "When the process started, in seconds since 1970.",
                self.started.micros() as f64 / 1e6,
            ),
            Family::gauge(
                "process.uptime",
                "s",
                "How long the process has been running.",
                self.began.elapsed().as_secs_f64(),
            ),
            Family::gauge(
                "chancery.ready",
                "{node}",
                "1 where this node can do its work, as it found itself a few seconds ago; else /readyz says why.",
                f64::from(u8::from(self.health.is_ready())),
            ),
            Family::gauge(
                "chancery.clock.wrong",
                "{clock}",
                "1 where this node's clock cannot be believed: it issues no token then, and changes nothing.",
                f64::from(u8::from(self.clock.trusted().is_err())),
            ),
        ];
        if let Some(bytes) = resident() {
            families.push(Family::level(
                "process.memory.usage",
                "By",
                "Resident memory of the process.",
                bytes,
            ));
        }
        families
    }
}

/// `GET /metrics`, as Prometheus reads it.
pub(crate) fn routes(sources: Arc<Sources>) -> Router {
    let metrics = async |State(sources): State<Arc<Sources>>| {
        let kind = [(header::CONTENT_TYPE, prometheus::CONTENT_TYPE)];
        (kind, prometheus::text(&sources.collect())).into_response()
    };
    Router::new().route("/metrics", get(metrics).with_state(sources))
}

/// Without TLS there is no end to tell of.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53 seconds, which is beyond the year 9999"
)]
fn certificate(certificate: Option<&Arc<Certificate>>) -> [Family; 2] {
    let ends = certificate.and_then(|certificate| certificate.not_after());
    let refused = certificate.is_some_and(|certificate| certificate.is_refused());
    [
        Family {
            name: "chancery.tls.certificate.not_after",
            unit: "s",
            help: "When the certificate that is served ends, in seconds since 1970.",
            points: Points::Gauges(
                ends.map(|ends| (Labels::new(), ends.seconds() as f64))
                    .into_iter()
                    .collect(),
            ),
        },
        Family::gauge(
            "chancery.tls.reload_failed",
            "{certificate}",
            "1 where the certificate's files hold something that is not served.",
            f64::from(u8::from(refused)),
        ),
    ]
}

/// The connections from outside.
#[expect(
    clippy::cast_precision_loss,
    reason = "there are far fewer than 2^52 connections"
)]
fn places(addresses: &[(&'static str, Arc<Places>)]) -> [Family; 3] {
    let labelled = |of: fn(&Places) -> f64| -> Vec<(Labels, f64)> {
        let point = |(address, places): &(&'static str, Arc<Places>)| {
            (vec![("chancery.address", (*address).into())], of(places))
        };
        addresses.iter().map(point).collect()
    };
    let given_up = addresses.iter().map(|(_, places)| places.given_up()).sum();
    [
        Family {
            name: "chancery.connections.open",
            unit: "{connection}",
            help: "Connections from outside, by the setting that names the address they came to.",
            points: Points::Levels(labelled(|places| places.open() as f64)),
        },
        Family {
            name: "chancery.connections.max",
            unit: "{connection}",
            help: "How many there may be: the files that may be open, less what the stores need.",
            points: Points::Levels(labelled(|places| places.bound() as f64)),
        },
        Family::sum(
            "chancery.connections.given_up",
            "{connection}",
            "Idle connections that were closed because others came and every place was taken.",
            given_up,
        ),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a pool has far fewer than 2^52 connections"
)]
fn connections(databases: &[(&'static str, Vec<Connections>)]) -> [Family; 2] {
    let (mut counts, mut most) = (Vec::new(), Vec::new());
    for (database, pools) in databases {
        for pool in pools {
            let name: Cow<'static, str> = format!("{database}/{}", pool.pool).into();
            let labels = |state: Option<&'static str>| -> Labels {
                let name = ("db.client.connection.pool.name", name.clone());
                let state = state.map(|state| ("db.client.connection.state", state.into()));
                std::iter::once(name).chain(state).collect()
            };
            counts.push((labels(Some("idle")), pool.idle as f64));
            counts.push((labels(Some("used")), pool.used as f64));
            most.push((labels(None), f64::from(pool.max)));
        }
    }
    [
        Family {
            name: "db.client.connection.count",
            unit: "{connection}",
            help: "Connections to the database, by whether they are in use.",
            points: Points::Levels(counts),
        },
        Family {
            name: "db.client.connection.max",
            unit: "{connection}",
            help: "How many connections there may be.",
            points: Points::Levels(most),
        },
    ]
}

/// The resident memory in bytes, where the system tells it. `statm` counts pages of 4 KiB on every
/// system that this is built for but a few of the ARM ones, so `status`, which is in KiB, is read.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}
