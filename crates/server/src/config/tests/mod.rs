//! The configuration as a whole.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use chancery_crypto::SeededEntropy;
use tempfile::TempDir;

use super::*;

mod keys_on_disk;
mod precedence;
mod report;
mod unknown;
mod values;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A working directory with what surrounds a process.
struct Scene {
    directory: TempDir,
    flags: ConfigFlags,
    environment: Vec<(OsString, OsString)>,
    terminal: bool,
}

fn scene() -> Scene {
    Scene {
        directory: tempfile::tempdir().unwrap(),
        flags: ConfigFlags::default(),
        environment: Vec::new(),
        terminal: false,
    }
}

impl Scene {
    fn file(self, text: &str) -> Self {
        fs::write(self.directory.path().join("chancery.toml"), text).unwrap();
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn flags(mut self, set: impl FnOnce(&mut ConfigFlags)) -> Self {
        set(&mut self.flags);
        self
    }

    fn read(&self) -> Result<Config, ConfigError> {
        Config::read(Inputs {
            flags: &self.flags,
            environment: self.environment.clone(),
            directory: self.directory.path().to_owned(),
            terminal: self.terminal,
        })
    }

    fn config(&self) -> Config {
        self.read().unwrap()
    }

    fn refusal(&self) -> String {
        let text = self.read().unwrap_err().to_string();
        assert!(!text.contains('\n'), "not one sentence: {text}");
        text
    }
}
