//! What `chancery config` prints.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::master_key::KEY_FILE;
use super::{Config, MasterKeySource, Origin, keys};

/// Every key with its effective value and where that came from, secrets left out.
///
/// `Display` is a configuration file that says the same; `Serialize` is an object by key, each with
/// `value`, `source` and what the source calls it.
#[derive(Debug)]
pub(crate) struct Report<'a>(Vec<Entry<'a>>);

#[derive(Debug)]
struct Entry<'a> {
    key: &'static str,
    value: Shown,
    origin: &'a Origin,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Shown {
    Text(String),
    List(Vec<String>),
    /// Set, and not to be shown.
    #[serde(serialize_with = "redacted")]
    Secret,
    Nothing,
}

const REDACTED: &str = "(redacted)";

impl<'a> Report<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        let text = |value: &dyn fmt::Display| Shown::Text(value.to_string());
        let path = |path: &std::path::Path| Shown::Text(path.display().to_string());
        let (inline, file) = match &config.master_key {
            MasterKeySource::Inline(_) => (Shown::Secret, Shown::Nothing),
            MasterKeySource::File(file) => (Shown::Nothing, path(file)),
            MasterKeySource::GenerateIn(dir) => (Shown::Nothing, path(&dir.join(KEY_FILE))),
        };
        let proxies = config
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect();
        let shown = [
            (keys::LISTEN, text(&config.listen)),
            (keys::PUBLIC_URL, text(&config.public_url)),
            (keys::DATABASE_URL, text(&config.database)),
            (
                keys::DATABASE_PASSWORD_FILE,
                config
                    .database_password_file
                    .as_deref()
                    .map_or(Shown::Nothing, path),
            ),
            (keys::DATA_DIR, path(&config.data_dir)),
            (keys::MASTER_KEY, inline),
            (keys::MASTER_KEY_FILE, file),
            (
                keys::MASTER_KEY_PREVIOUS_FILE,
                config
                    .master_key_previous_file
                    .as_deref()
                    .map_or(Shown::Nothing, path),
            ),
            (keys::ACTIVITY_DURABILITY, text(&config.activity.durability)),
            (
                keys::ACTIVITY_RETENTION_DAYS,
                text(&config.activity.retention),
            ),
            (keys::ADDRESS_FAILURES, text(&config.address_failures)),
            (keys::GRAPHQL_INTROSPECTION, text(&config.introspection)),
            (keys::TRUSTED_PROXIES, Shown::List(proxies)),
            (
                keys::INTERNAL_LISTEN,
                config
                    .internal_listen
                    .as_ref()
                    .map_or(Shown::Nothing, |address| text(address)),
            ),
            (
                keys::TLS_CERT,
                config
                    .tls
                    .as_ref()
                    .map_or(Shown::Nothing, |tls| path(&tls.cert)),
            ),
            (
                keys::TLS_KEY,
                config
                    .tls
                    .as_ref()
                    .map_or(Shown::Nothing, |tls| path(&tls.key)),
            ),
            (
                keys::TELEMETRY_OTLP_ENDPOINT,
                config
                    .telemetry
                    .otlp_endpoint
                    .as_ref()
                    .map_or(Shown::Nothing, |endpoint| text(endpoint)),
            ),
            (keys::TELEMETRY_SAMPLING, text(&config.telemetry.sampling)),
            (keys::LOG_FORMAT, text(&config.log.format)),
            (keys::LOG_LEVEL, text(&config.log.level)),
        ];
        let entry = |(key, value)| Entry {
            key,
            value,
            origin: config.origin(key),
        };
        Self(shown.into_iter().map(entry).collect())
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self
            .0
            .iter()
            .map(|entry| (entry.line(), entry.origin))
            .collect();
        let width = lines
            .iter()
            .map(|(line, _)| line.chars().count())
            .max()
            .unwrap_or(0);
        for (line, origin) in lines {
            writeln!(f, "{line:width$}  # {origin}")?;
        }
        Ok(())
    }
}

impl Entry<'_> {
    fn line(&self) -> String {
        let key = self.key;
        match &self.value {
            // A JSON string is a TOML string.
            Shown::Text(text) => format!("{key} = {}", quoted(text)),
            Shown::List(items) => {
                let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
                format!("{key} = [{}]", items.join(", "))
            }
            Shown::Secret => format!("# {key} is set and not shown"),
            Shown::Nothing => format!("# {key} is not set"),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Described<'a> {
            value: &'a Shown,
            #[serde(flatten)]
            origin: &'a Origin,
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Entry { key, value, origin } in &self.0 {
            map.serialize_entry(key, &Described { value, origin })?;
        }
        map.end()
    }
}

fn redacted<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(REDACTED)
}
