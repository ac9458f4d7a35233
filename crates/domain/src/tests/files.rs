//! The files under `schema/events`, and leave to write them.

use std::{collections::BTreeSet, fs, io, path::PathBuf};

/// A file under `schema/events`.
pub(super) fn path(name: &str) -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/events");
    PathBuf::from(root).join(name)
}

/// Its text; `None` when it is not there.
pub(super) fn read(name: &str) -> Option<String> {
    match fs::read_to_string(path(name)) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{name}: {error}"),
    }
}

/// Writes it and its directories.
pub(super) fn write(name: &str, text: &str) {
    let path = path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The names of the JSON files directly in this directory under `schema/events`.
pub(super) fn names(directory: &str) -> BTreeSet<String> {
    fs::read_dir(path(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains('.'))
        .collect()
}

/// Whether generated files may be written: `cargo xtask bless`.
pub(super) fn may_write() -> bool {
    std::env::var_os("CHANCERY_BLESS").is_some_and(|value| value == "1")
}
