//! The environment.

use std::ffi::{OsStr, OsString};

use figment::value::Value;

use super::error::{ConfigError, Problem};
use super::keys::{KEYS, Key, PREFIX, Shape};
use super::layer::Layer;
use super::origin::Origin;

/// Variables of the test suites, which are none of the server's business.
const TESTS: &str = "TEST_";

/// Takes every variable with the prefix; one that names no key is refused.
pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Layer, ConfigError> {
    let mut values = Vec::new();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if rest.starts_with(TESTS) || is_service_link(rest, &value) {
            continue;
        }
        let origin = || Origin::Environment {
            name: name.clone().into_owned(),
        };
        let Some(key) = KEYS.iter().find(|key| key.variable() == name) else {
            return Err(ConfigError::unknown_key(written(rest), origin()));
        };
        let text = value.into_string().map_err(|_| ConfigError::Invalid {
            key: key.name,
            origin: origin(),
            problem: Problem::NotUnicode,
        })?;
        values.push((key.name, value_of(key, text)));
    }
    Ok(Layer::environment(values))
}

fn value_of(key: &Key, text: String) -> Value {
    match key.shape {
        Shape::Text => text.into(),
        Shape::List => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(Value::from)
            .collect::<Vec<_>>()
            .into(),
    }
}

/// The key that a variable would stand for.
fn written(rest: &str) -> String {
    rest.to_lowercase().replace("__", ".")
}

/// Whether an orchestrator made the variable. Kubernetes gives every container in a namespace the
/// addresses of its services; beside a service named `chancery` these begin as ours do, and no key
/// of ours will ever look like them.
fn is_service_link(rest: &str, value: &OsStr) -> bool {
    let ends = |suffix: &str| rest == suffix || rest.ends_with(&format!("_{suffix}"));
    let is_address = value.to_string_lossy().contains("://");
    ends("SERVICE_HOST")
        || ends("SERVICE_PORT")
        || rest.starts_with("SERVICE_PORT_")
        || rest.contains("_SERVICE_PORT_")
        || (ends("PORT") && is_address)
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
            rest.find(protocol).is_some_and(|at| {
                let (before, after) = (&rest[..at], &rest[at + protocol.len()..]);
                let port = before.rsplit('_').next().unwrap_or_default();
                port.bytes().all(|byte| byte.is_ascii_digit())
                    && !port.is_empty()
                    && matches!(after, "" | "_ADDR" | "_PORT" | "_PROTO")
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orchestrators_service_links_are_not_ours() {
        let link = |name: &str, value: &str| is_service_link(name, OsStr::new(value));
        assert!(link("SERVICE_HOST", "10.0.0.1"));
        assert!(link("SERVICE_PORT", "8080"));
        assert!(link("SERVICE_PORT_HTTP", "8080"));
        assert!(link("POSTGRES_SERVICE_HOST", "10.0.0.1"));
        assert!(link("PORT", "tcp://10.0.0.1:8080"));
        assert!(link("PORT_8080_TCP", "tcp://10.0.0.1:8080"));
        assert!(link("PORT_8080_TCP_ADDR", "10.0.0.1"));
        assert!(link("PORT_8080_TCP_PROTO", "tcp"));
        assert!(!link("PORT", "8080"));
        assert!(!link("LISTEN", "tcp://10.0.0.1:8080"));
        assert!(!link("PORT_TCP", "1"));
    }

    #[test]
    fn no_key_can_be_mistaken_for_a_service_link() {
        for key in KEYS {
            let variable = key.variable();
            assert!(!is_service_link(
                &variable[PREFIX.len()..],
                OsStr::new("tcp://10.0.0.1:1")
            ));
        }
    }
}
