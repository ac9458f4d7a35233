//! The configuration file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::error::ConfigError;
use super::keys::{KEYS, Key};
use super::layer::Layer;
use super::origin::Origin;

/// Looked for in the working directory, and nowhere else.
const USUAL_NAME: &str = "chancery.toml";

/// Reads `given`, which must be there, or else the usual file, which need not.
pub(super) fn read(given: Option<&Path>, directory: &Path) -> Result<Option<Layer>, ConfigError> {
    let path = given.map_or_else(|| PathBuf::from(USUAL_NAME), Path::to_owned);
    match fs::read_to_string(directory.join(&path)) {
        Ok(text) => parse(&path, &text).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound && given.is_none() => Ok(None),
        Err(error) => Err(ConfigError::FileUnreadable { path, error }),
    }
}

fn parse(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    // The parser's own report quotes the line, which may hold a secret.
    let dict: Dict = Toml::from_str(text).map_err(|error| ConfigError::FileSyntax {
        path: path.to_owned(),
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        problem: error.message().replace('\n', ", "),
    })?;
    let mut values = Vec::new();
    collect(dict, "", path, &mut values)?;
    Ok(Layer::file(path, values))
}

/// Walks the tables; every leaf must be a known key.
fn collect(
    dict: Dict,
    table: &str,
    path: &Path,
    values: &mut Vec<(&'static str, Value)>,
) -> Result<(), ConfigError> {
    for (name, value) in dict {
        let full = if table.is_empty() {
            name.clone()
        } else {
            format!("{table}.{name}")
        };
        // A quoted key may hold a dot, and would pass for a key in a table.
        let known = Key::named(&full).filter(|_| !name.contains('.'));
        match (known, value) {
            (Some(key), value) => values.push((key.name, value)),
            (None, Value::Dict(_, inner)) if !inner.is_empty() || is_table(&full) => {
                collect(inner, &full, path, values)?;
            }
            (None, _) => {
                let origin = Origin::File {
                    path: path.to_owned(),
                };
                return Err(ConfigError::unknown_key(full, origin));
            }
        }
    }
    Ok(())
}

fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| {
        key.name
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The number of the line that holds the byte at `offset`, from 1.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}
