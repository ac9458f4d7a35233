//! A server of this benchmark's own.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{error::Error, process::Process};

/// A server with a directory and a database of its own.
pub(super) struct Installation<'a> {
    pub(super) server: &'a Path,
    pub(super) directory: &'a Path,
    pub(super) postgres: Option<&'a str>,
    pub(super) address: SocketAddr,
}

impl Installation<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.server);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.directory)
            .current_dir(self.directory)
            .env("CHANCERY_MASTER_KEY", STANDARD.encode([7; 32]))
            .env("CHANCERY_LOG__LEVEL", "warn");
        if let Some(url) = self.postgres {
            command.env("CHANCERY_DATABASE_URL", url);
        }
        command
    }

    /// Gives the server when it has made what it makes at its first start.
    pub(super) fn serve(&self) -> Result<Process, Error> {
        let address = self.address.to_string();
        let server = Process::start(
            &mut self.command(&["serve", "--listen", &address]),
            self.address,
        )?;
        let begin = Instant::now();
        // The operator's file is there before its tenant is.
        while !server.is_ready() {
            if begin.elapsed() > Duration::from_mins(1) {
                return Err(Error::Wrong("the server is not ready".into()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub(super) fn rebuild(&self) -> Result<(), Error> {
        let mut command = self.command(&["projections", "rebuild", "--json"]);
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("rebuild the read models"))?;
        // 1: rows were missing, as they had to be.
        if matches!(output.status.code(), Some(0 | 1)) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::Wrong(format!("{}: {said}", output.status)))
    }
}
