//! From layers of text to typed values.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use figment::Figment;
use figment::value::{Num, Value};

use super::error::Problem;
use super::keys::{self, KEYS};
use super::layer::{self, Layer};
use super::log::LogConfig;
use super::master_key::InlineKey;
use super::{
    ActivityConfig, Config, ConfigError, DatabaseUrl, Inputs, MasterKeySource, Origin, PublicUrl,
    TelemetryConfig, TlsConfig,
};
use super::{address, environment, file};

impl Config {
    /// Reads a configuration from what it is given, and from the file.
    pub(super) fn read<E>(inputs: Inputs<'_, E>) -> Result<Self, ConfigError>
    where
        E: IntoIterator<Item = (OsString, OsString)>,
    {
        let mut figment = Figment::from(defaults(inputs.terminal));
        let environment = environment::read(inputs.environment)?;
        let mut overridden = Vec::new();
        if let Some(file) = file::read(inputs.flags.config.as_deref(), &inputs.directory)? {
            overridden.extend(
                file.keys()
                    .filter(|key| environment.keys().any(|k| k == *key)),
            );
            figment = figment.merge(file);
        }
        figment = figment
            .merge(environment)
            .merge(Layer::flags(inputs.flags.set()));
        let mut config = Settings(figment).typed()?;
        config.overridden = overridden;
        Ok(config)
    }
}

/// What does not depend on another setting.
fn defaults(terminal: bool) -> Layer {
    Layer::defaults(vec![
        (keys::LISTEN, "127.0.0.1:8080".into()),
        (keys::DATA_DIR, "./chancery-data".into()),
        (keys::ACTIVITY_DURABILITY, "before_response".into()),
        (keys::ACTIVITY_RETENTION_DAYS, "90".into()),
        (keys::ADDRESS_FAILURES, "300/60s".into()),
        (keys::GRAPHQL_INTROSPECTION, "true".into()),
        (keys::TRUSTED_PROXIES, Vec::<Value>::new().into()),
        (keys::TELEMETRY_SAMPLING, "0.1".into()),
        (
            keys::LOG_FORMAT,
            if terminal { "text" } else { "json" }.into(),
        ),
        (keys::LOG_LEVEL, "info".into()),
    ])
}

struct Settings(Figment);

impl Settings {
    fn typed(&self) -> Result<Config, ConfigError> {
        let listen = self.parsed(keys::LISTEN, address::parse)?;
        let data_dir = self.parsed(keys::DATA_DIR, path)?;
        let tls = self.tls()?;
        let public_url = match self.optional(keys::PUBLIC_URL, PublicUrl::from_str)? {
            Some(public_url) => public_url,
            None => PublicUrl::of(listen, tls.is_some())
                .map_err(|e| self.invalid(keys::PUBLIC_URL, e))?,
        };
        let database = self
            .optional(keys::DATABASE_URL, DatabaseUrl::from_str)?
            .unwrap_or_else(|| DatabaseUrl::within(&data_dir));
        let database_password_file = self.optional(keys::DATABASE_PASSWORD_FILE, path)?;
        if database_password_file.is_some() {
            database
                .takes_password()
                .map_err(|error| self.invalid(keys::DATABASE_PASSWORD_FILE, error))?;
        }
        Ok(Config {
            listen,
            public_url,
            master_key: self.master_key(&database, &data_dir)?,
            master_key_previous_file: self.optional(keys::MASTER_KEY_PREVIOUS_FILE, path)?,
            database,
            database_password_file,
            data_dir,
            activity: ActivityConfig {
                durability: self.parsed(keys::ACTIVITY_DURABILITY, str::parse)?,
                retention: self.number(keys::ACTIVITY_RETENTION_DAYS)?,
            },
            address_failures: self.parsed(keys::ADDRESS_FAILURES, str::parse)?,
            introspection: self.boolean(keys::GRAPHQL_INTROSPECTION)?,
            trusted_proxies: self.list(keys::TRUSTED_PROXIES)?,
            internal_listen: self.optional(keys::INTERNAL_LISTEN, address::parse)?,
            tls,
            telemetry: TelemetryConfig {
                otlp_endpoint: self.optional(keys::TELEMETRY_OTLP_ENDPOINT, str::parse)?,
                sampling: self.number(keys::TELEMETRY_SAMPLING)?,
            },
            log: LogConfig {
                format: self.parsed(keys::LOG_FORMAT, str::parse)?,
                level: self.parsed(keys::LOG_LEVEL, str::parse)?,
            },
            overridden: Vec::new(),
            origins: self.origins(),
        })
    }

    fn tls(&self) -> Result<Option<TlsConfig>, ConfigError> {
        let cert = self.optional(keys::TLS_CERT, path)?;
        let key = self.optional(keys::TLS_KEY, path)?;
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(Some(TlsConfig { cert, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(ConfigError::HalfTls {
                given: keys::TLS_CERT,
                missing: keys::TLS_KEY,
            }),
            (None, Some(_)) => Err(ConfigError::HalfTls {
                given: keys::TLS_KEY,
                missing: keys::TLS_CERT,
            }),
        }
    }

    fn master_key(
        &self,
        database: &DatabaseUrl,
        data_dir: &Path,
    ) -> Result<MasterKeySource, ConfigError> {
        let inline = self.optional(keys::MASTER_KEY, InlineKey::from_str)?;
        let file = self.optional(keys::MASTER_KEY_FILE, path)?;
        match (inline, file) {
            (Some(_), Some(_)) => Err(ConfigError::TwoMasterKeys {
                inline: self.origin(keys::MASTER_KEY),
                file: self.origin(keys::MASTER_KEY_FILE),
            }),
            (Some(key), None) => Ok(MasterKeySource::Inline(key)),
            (None, Some(path)) => Ok(MasterKeySource::File(path)),
            (None, None) => match database {
                DatabaseUrl::Sqlite { .. } => Ok(MasterKeySource::GenerateIn(data_dir.to_owned())),
                DatabaseUrl::Postgres(_) => Err(ConfigError::NoMasterKey),
            },
        }
    }

    /// The value of a key that has a default.
    fn parsed<T, E>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError>
    where
        Problem: From<E>,
    {
        self.optional(key, parse)?
            .ok_or_else(|| self.invalid(key, Problem::Empty))
    }

    /// The value of a key that may be absent.
    fn optional<T, E>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError>
    where
        Problem: From<E>,
    {
        let Ok(value) = self.0.find_value(key) else {
            return Ok(None);
        };
        let text = value
            .as_str()
            .ok_or_else(|| self.invalid(key, Problem::NotText))?;
        if text.trim().is_empty() {
            return Err(self.invalid(key, Problem::Empty));
        }
        parse(text)
            .map(Some)
            .map_err(|error| self.invalid(key, error))
    }

    /// A number, which a file may have without quotes.
    fn number<T>(&self, key: &'static str) -> Result<T, ConfigError>
    where
        T: FromStr,
        Problem: From<T::Err>,
    {
        let number = match self.0.find_value(key).ok().and_then(|value| value.to_num()) {
            Some(Num::I64(number)) => number.to_string(),
            Some(Num::F64(number)) => number.to_string(),
            _ => return self.parsed(key, str::parse),
        };
        number
            .parse()
            .map_err(|error: T::Err| self.invalid(key, error))
    }

    /// Yes or no, which a file may have without quotes.
    fn boolean(&self, key: &'static str) -> Result<bool, ConfigError> {
        match self.0.find_value(key) {
            Ok(Value::Bool(_, value)) => Ok(value),
            Ok(Value::Num(..)) => Err(self.invalid(key, Problem::NotBoolean)),
            _ => self.parsed(key, |text| text.parse().map_err(|_| Problem::NotBoolean)),
        }
    }

    /// The items of a list.
    fn list<T>(&self, key: &'static str) -> Result<Vec<T>, ConfigError>
    where
        T: FromStr,
        Problem: From<T::Err>,
    {
        let Ok(value) = self.0.find_value(key) else {
            return Ok(Vec::new());
        };
        let items = value
            .as_array()
            .ok_or_else(|| self.invalid(key, Problem::NotList))?;
        items
            .iter()
            .map(|item| {
                let text = item
                    .as_str()
                    .ok_or_else(|| self.invalid(key, Problem::NotList))?;
                text.parse().map_err(|error| self.invalid(key, error))
            })
            .collect()
    }

    fn invalid(&self, key: &'static str, problem: impl Into<Problem>) -> ConfigError {
        ConfigError::Invalid {
            key,
            origin: self.origin(key),
            problem: problem.into(),
        }
    }

    fn origin(&self, key: &str) -> Origin {
        layer::origin(self.0.find_metadata(key), key)
    }

    fn origins(&self) -> BTreeMap<&'static str, Origin> {
        KEYS.iter()
            .map(|key| (key.name, self.origin(key.name)))
            .collect()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where parsers stand")]
fn path(text: &str) -> Result<PathBuf, Problem> {
    Ok(PathBuf::from(text))
}
