//! The keys that exist. A key that does nothing does not exist: a setting that is quietly ignored
//! is worse than one that is refused.

/// One configuration key.
#[derive(Debug)]
pub(crate) struct Key {
    /// As it stands in the file, with dots between tables.
    pub(crate) name: &'static str,
    /// The flag that sets it. Nothing secret has one: other users of the machine can read them.
    pub(crate) flag: Option<&'static str>,
    pub(super) shape: Shape,
}

/// How a key's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    /// An array of texts in the file, separated by commas in the environment.
    List,
}

pub(super) const LISTEN: &str = "listen";
pub(super) const PUBLIC_URL: &str = "public_url";
pub(super) const DATABASE_URL: &str = "database_url";
pub(super) const DATABASE_PASSWORD_FILE: &str = "database_password_file";
pub(super) const GRAPHQL_INTROSPECTION: &str = "graphql.introspection";
pub(super) const DATA_DIR: &str = "data_dir";
pub(super) const MASTER_KEY: &str = "master_key";
pub(super) const MASTER_KEY_FILE: &str = "master_key_file";
pub(super) const MASTER_KEY_PREVIOUS_FILE: &str = "master_key_previous_file";
pub(super) const ADDRESS_FAILURES: &str = "limits.address_failures";
pub(super) const ACTIVITY_DURABILITY: &str = "activity.durability";
pub(super) const ACTIVITY_RETENTION_DAYS: &str = "activity.retention_days";
pub(super) const TRUSTED_PROXIES: &str = "trusted_proxies";
pub(super) const INTERNAL_LISTEN: &str = "internal_listen";
pub(super) const TLS_CERT: &str = "tls.cert";
pub(super) const TLS_KEY: &str = "tls.key";
pub(super) const TELEMETRY_OTLP_ENDPOINT: &str = "telemetry.otlp_endpoint";
pub(super) const TELEMETRY_SAMPLING: &str = "telemetry.sampling";
pub(super) const LOG_FORMAT: &str = "log.format";
pub(super) const LOG_LEVEL: &str = "log.level";

/// Every key, in the order in which they are shown.
pub(crate) const KEYS: &[Key] = &[
    text(LISTEN, Some("--listen")),
    text(PUBLIC_URL, Some("--public-url")),
    text(DATABASE_URL, Some("--database-url")),
    text(DATABASE_PASSWORD_FILE, None),
    text(DATA_DIR, Some("--data-dir")),
    text(MASTER_KEY, None),
    text(MASTER_KEY_FILE, Some("--master-key-file")),
    text(MASTER_KEY_PREVIOUS_FILE, None),
    text(ACTIVITY_DURABILITY, None),
    text(ACTIVITY_RETENTION_DAYS, None),
    text(ADDRESS_FAILURES, None),
    text(GRAPHQL_INTROSPECTION, None),
    Key {
        name: TRUSTED_PROXIES,
        flag: None,
        shape: Shape::List,
    },
    text(INTERNAL_LISTEN, None),
    text(TLS_CERT, None),
    text(TLS_KEY, None),
    text(TELEMETRY_OTLP_ENDPOINT, None),
    text(TELEMETRY_SAMPLING, None),
    text(LOG_FORMAT, Some("--log-format")),
    text(LOG_LEVEL, None),
];

const fn text(name: &'static str, flag: Option<&'static str>) -> Key {
    Key {
        name,
        flag,
        shape: Shape::Text,
    }
}

/// What begins every environment variable of ours.
pub(super) const PREFIX: &str = "CHANCERY_";

impl Key {
    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        variable(self.name)
    }

    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The known key that someone who wrote `name` most likely meant, if any is at all like it.
    pub(super) fn nearest(name: &str) -> Option<&'static Self> {
        KEYS.iter()
            .map(|key| (likeness(key.name, name), key))
            .filter(|(likeness, _)| *likeness >= 0.6)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, key)| key)
    }
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// From 0 to 1. Someone who left out the table, or wrote one `_` for two, is understood too.
fn likeness(key: &str, written: &str) -> f64 {
    let plain = |text: &str| {
        text.replace("__", "_")
            .replace(['.', '-'], "_")
            .to_lowercase()
    };
    let written = plain(written);
    let whole = strsim::normalized_damerau_levenshtein(&plain(key), &written);
    let last = key.rsplit('.').next().map_or(0.0, |last| {
        0.99 * strsim::normalized_damerau_levenshtein(last, &written)
    });
    whole.max(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_becomes_two_underscores() {
        assert_eq!(variable("data_dir"), "CHANCERY_DATA_DIR");
        assert_eq!(
            variable("limits.address_failures"),
            "CHANCERY_LIMITS__ADDRESS_FAILURES"
        );
    }

    #[test]
    fn a_slip_of_the_pen_is_understood() {
        let meant = |written| Key::nearest(written).map(|key| key.name);
        assert_eq!(meant("listn"), Some("listen"));
        assert_eq!(meant("publicurl"), Some("public_url"));
        assert_eq!(meant("public-url"), Some("public_url"));
        assert_eq!(meant("log_format"), Some("log.format"));
        assert_eq!(meant("format"), Some("log.format"));
        assert_eq!(meant("address_failures"), Some("limits.address_failures"));
        assert_eq!(meant("trusted_proxy"), Some("trusted_proxies"));
        assert_eq!(meant("smtp.relay"), None);
    }

    #[test]
    fn no_flag_takes_a_secret() {
        for key in KEYS {
            assert!(key.name != MASTER_KEY || key.flag.is_none());
        }
    }
}
