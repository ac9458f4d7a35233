//! The configuration: flags over environment over file over defaults.
//!
//! Every value is read once, here, into a type that cannot hold a wrong one, and knows where it came
//! from. Unknown keys are refused, whatever their source, because a setting that is quietly ignored
//! (a mistyped limit, say) is worse than a server that does not start. Reading changes nothing:
//! files and directories are made later, by [`data_dir`] and [`master_key`].
//!
//! In the environment a key is upper case with the prefix `CHANCERY_`, and a dot becomes two
//! underscores; a list is separated by commas. `CHANCERY_TEST_…` belongs to the test suites, and the
//! addresses that Kubernetes announces beside a service named `chancery` are not settings; both are
//! passed over. Relative paths are relative to the working directory.

mod activity;
mod address;
pub(crate) mod data_dir;
mod database_url;
mod environment;
mod error;
mod failure_limit;
mod file;
mod flags;
pub(crate) mod generated_keys;
mod ip_range;
mod keys;
mod layer;
mod log;
pub(crate) mod master_key;
mod origin;
pub(crate) mod private_file;
mod public_url;
mod report;
mod settings;
mod telemetry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) use activity::ActivityConfig;
pub(crate) use database_url::DatabaseUrl;
pub(crate) use error::ConfigError;
pub(crate) use failure_limit::FailureLimit;
pub(crate) use flags::ConfigFlags;
pub(crate) use ip_range::IpRange;
pub(crate) use log::{LogConfig, LogFormat};
pub(crate) use master_key::MasterKeySource;
pub(crate) use origin::Origin;
pub(crate) use public_url::PublicUrl;
pub(crate) use report::Report;
pub(crate) use telemetry::TelemetryConfig;

/// The effective configuration. It prints no secret.
#[derive(Debug)]
pub(crate) struct Config {
    /// The address and port to listen on.
    pub(crate) listen: SocketAddr,
    /// What clients reach the server as.
    pub(crate) public_url: PublicUrl,
    /// Where the database is.
    pub(crate) database: DatabaseUrl,
    /// Where the password for it is, when its URL has none.
    pub(crate) database_password_file: Option<PathBuf>,
    /// Embedded database, master key and operator credential.
    pub(crate) data_dir: PathBuf,
    /// Where the master key is.
    pub(crate) master_key: MasterKeySource,
    /// Where the master key before this one is, while rows are re-sealed.
    pub(crate) master_key_previous_file: Option<PathBuf>,
    /// How activity is recorded and kept.
    pub(crate) activity: ActivityConfig,
    /// How many failed authentications are borne from one address.
    pub(crate) address_failures: FailureLimit,
    /// Whether the schema of the admin API can be asked for in GraphQL itself.
    pub(crate) introspection: bool,
    /// Whose forwarded addresses are believed.
    pub(crate) trusted_proxies: Vec<IpRange>,
    /// Where metrics, the admin API and the console are served instead.
    pub(crate) internal_listen: Option<SocketAddr>,
    /// With what TLS is served.
    pub(crate) tls: Option<TlsConfig>,
    /// Where telemetry goes.
    pub(crate) telemetry: TelemetryConfig,
    /// How the server logs.
    pub(crate) log: LogConfig,
    /// Keys of the file that variables of the environment go over.
    overridden: Vec<&'static str>,
    origins: BTreeMap<&'static str, Origin>,
}

/// The files that TLS is served with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    /// The certificate and those that lead to its root, in PEM.
    pub(crate) cert: PathBuf,
    /// Its private key, in PEM.
    pub(crate) key: PathBuf,
}

/// Everything that a configuration is read from.
#[derive(Debug)]
pub(crate) struct Inputs<'a, E> {
    /// The command line.
    pub(crate) flags: &'a ConfigFlags,
    /// The environment's variables.
    pub(crate) environment: E,
    /// The working directory, in which the file is looked for.
    pub(crate) directory: PathBuf,
    /// Whether the log goes to a terminal.
    pub(crate) terminal: bool,
}

impl Config {
    /// Reads the configuration of this process.
    pub(crate) fn load(flags: &ConfigFlags) -> Result<Self, ConfigError> {
        Self::read(Inputs {
            flags,
            environment: std::env::vars_os(),
            directory: PathBuf::new(),
            terminal: std::io::stderr().is_terminal(),
        })
    }

    /// The configuration with the address that was bound in place of the one that was asked for:
    /// with port 0 they differ, and a public URL that was not configured follows.
    pub(crate) fn bound_to(
        mut self,
        address: SocketAddr,
    ) -> Result<Self, public_url::PublicUrlError> {
        self.listen = address;
        if self.origin(keys::PUBLIC_URL) == &Origin::Default {
            self.public_url = PublicUrl::of(address, self.tls.is_some())?;
        }
        Ok(self)
    }

    /// Whether the internal address speaks TLS: as everywhere, only loopback may do without.
    pub(crate) fn internal_tls(&self) -> bool {
        self.tls.is_some()
            && self
                .internal_listen
                .is_some_and(|address| !address.ip().is_loopback())
    }

    /// The base of the admin API, where it has an address of its own.
    pub(crate) fn admin_url(&self) -> Option<String> {
        let address = self.internal_listen?;
        let scheme = if self.internal_tls() { "https" } else { "http" };
        Some(format!("{scheme}://{address}"))
    }

    /// Every value with where it came from, for people and programs to read.
    pub(crate) fn report(&self) -> Report<'_> {
        Report::of(self)
    }

    fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// Keys of the file that do not count, each with the variable that goes over it: an image or a unit sets some
    /// that whoever wrote the file may not know of.
    pub(crate) fn overridden(&self) -> impl Iterator<Item = (&'static str, String)> {
        let keys = self.overridden.iter();
        keys.map(|key| (*key, keys::variable(key)))
    }

    /// Whether nobody has said where the server is reached.
    pub(crate) fn address_is_assumed(&self) -> bool {
        [keys::LISTEN, keys::PUBLIC_URL]
            .iter()
            .all(|key| *self.origin(key) == Origin::Default)
    }
}
