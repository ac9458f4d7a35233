//! Programs as a person starts them, which end with the test.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use chancery_examples::setup::Operator;
use tempfile::TempDir;

/// A program with the lines that it has not said yet.
pub(crate) struct Program {
    child: Child,
    lines: Box<dyn Iterator<Item = std::io::Result<String>>>,
}

impl Program {
    /// An example.
    pub(crate) fn example(path: &str, server: &Server) -> Self {
        let mut command = Command::new(path);
        command
            .arg(server.operator_file())
            .env("CALLER_LISTEN", "127.0.0.1:0")
            .env("SERVICE_LISTEN", "127.0.0.1:0");
        Self::start(command.stdout(Stdio::piped()).stderr(Stdio::inherit()))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; `cargo build` makes it"));
        let lines: Box<dyn Iterator<Item = _>> = match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), _) => Box::new(BufReader::new(stdout).lines()),
            (None, Some(stderr)) => Box::new(BufReader::new(stderr).lines()),
            (None, None) => Box::new(std::iter::empty()),
        };
        Self { child, lines }
    }

    /// What follows these words in the next line that has them.
    pub(crate) fn says(&mut self, words: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if let Some((_, rest)) = line.split_once(words) {
                return rest.to_owned();
            }
        }
        panic!("it ended without {words:?}")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `chancery serve` on a free port, in a directory of its own.
pub(crate) struct Server {
    /// Ended before its directory goes.
    program: Program,
    directory: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Beside the examples: another package's program, which Cargo does not name to us.
        let beside = Path::new(env!("CARGO_BIN_EXE_students"));
        let mut command = Command::new(beside.with_file_name("chancery"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .current_dir(directory.path())
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut program = Program::start(&mut command);
        program.says("\"public_url\"");
        Self { program, directory }
    }

    /// It takes connections, and answers nothing any more.
    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    /// It answers again.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.program.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success(), "{signal} {id}");
    }

    pub(crate) fn operator_file(&self) -> PathBuf {
        self.path("chancery-data/operator.json")
    }

    pub(crate) fn operator(&self) -> Operator {
        Operator::from_file(&self.operator_file()).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces a file in the server's directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}
