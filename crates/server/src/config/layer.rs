//! One source of settings, as the layers of the configuration see it.

use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::keys::{self, Key};
use super::origin::Origin;

const DEFAULT: &str = "default";
const FILE: &str = "file";
const ENVIRONMENT: &str = "environment";
const FLAG: &str = "flag";

/// Known keys with their values, and the kind of source that they came from.
pub(super) struct Layer {
    metadata: Metadata,
    values: Vec<(&'static str, Value)>,
}

impl Layer {
    pub(super) fn defaults(values: Vec<(&'static str, Value)>) -> Self {
        Self {
            metadata: Metadata::named(DEFAULT),
            values,
        }
    }

    pub(super) fn file(path: &Path, values: Vec<(&'static str, Value)>) -> Self {
        Self {
            metadata: Metadata::from(FILE, path),
            values,
        }
    }

    pub(super) fn environment(values: Vec<(&'static str, Value)>) -> Self {
        Self {
            metadata: Metadata::named(ENVIRONMENT),
            values,
        }
    }

    /// The keys that it has values for.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.values.iter().map(|(key, _)| *key)
    }

    pub(super) fn flags<'a>(set: impl Iterator<Item = (&'static str, &'a str)>) -> Self {
        let values = set.map(|(key, value)| (key, Value::from(value))).collect();
        Self {
            metadata: Metadata::named(FLAG),
            values,
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut data = Dict::new();
        for (key, value) in &self.values {
            insert(&mut data, key, value.clone());
        }
        Ok(Profile::Default.collect(data))
    }
}

/// Puts a value where its dotted key says.
fn insert(dict: &mut Dict, key: &str, value: Value) {
    let Some((table, rest)) = key.split_once('.') else {
        dict.insert(key.to_owned(), value);
        return;
    };
    let inner = dict
        .entry(table.to_owned())
        .or_insert_with(|| Dict::new().into());
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}

/// Where the value of `key` came from, by what its layer said of itself.
pub(super) fn origin(metadata: Option<&Metadata>, key: &str) -> Origin {
    let Some(metadata) = metadata else {
        return Origin::Default;
    };
    match &*metadata.name {
        FILE => Origin::File {
            path: metadata
                .source
                .as_ref()
                .and_then(|source| source.file_path())
                .unwrap_or(Path::new(""))
                .to_owned(),
        },
        ENVIRONMENT => Origin::Environment {
            name: keys::variable(key),
        },
        FLAG => Origin::Flag {
            name: Key::named(key)
                .and_then(|key| key.flag)
                .unwrap_or_default()
                .to_owned(),
        },
        _ => Origin::Default,
    }
}
