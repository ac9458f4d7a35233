//! `chancery ready`: asks the server that this configuration is of, for a health check.

use std::{
    error::Error as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use chancery_telemetry::causes;
use serde_json::Value;

use crate::{config::Config, exit::Failure};

/// How long the answer may take; the server itself gives its store two seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// Asks `/readyz` where operators ask, so that no stranger can make it seem unhealthy by taking every place.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let (address, is_tls) = match config.internal_listen {
        Some(address) => (address, config.internal_tls()),
        None => (config.listen, config.tls.is_some()),
    };
    if address.port() == 0 {
        return Err(Failure::input(
            "port 0 is another one at each start; configure the one to ask at",
        ));
    }
    let scheme = if is_tls { "https" } else { "http" };
    let url = format!("{scheme}://{}/readyz", reached(address));
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        // It is this machine that is asked, by an address that no certificate names, for nothing secret; and one
        // that has ended is no reason to stop a server.
        .tls_danger_accept_invalid_certs(true)
        .build()
        .map_err(|error| Failure::system(causes(&error)))?;
    let asked = client.get(&url).send().await;
    let answer = asked.map_err(|error| {
        if is_refused(&error) {
            return Failure::system(format!(
                "{url} does not answer: nothing listens there; start the server, or name its configuration (--config)"
            ));
        }
        let why = causes(&error.without_url());
        Failure::system(format!("{url} does not answer: {why}"))
    })?;
    let status = answer.status();
    let body: Value = answer.json().await.unwrap_or_default();
    if status.is_success() {
        println!("ready");
        return Ok(());
    }
    let why = body["reason"].as_str().map_or_else(
        || format!("{url} is answered {status}"),
        |reason| format!("not ready: {reason}"),
    );
    Err(Failure::refused(why))
}

/// Whether nobody listens.
fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Where this machine reaches what listens at every address.
fn reached(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
