//! The throwaway PostgreSQL goes away, however `xtask` ends.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running `xtask postgres`, and a connection to its server.
struct Running {
    xtask: Child,
    /// What `xtask` says. The watcher inherits it, so it ends when all that was started has ended.
    said: BufReader<ChildStderr>,
    directory: PathBuf,
    connection: TcpStream,
}

impl Running {
    /// `None` where PostgreSQL is not installed; `cargo xtask test` sees to it that it is.
    fn start() -> Option<Self> {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("postgres")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(xtask.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        let mut said = BufReader::new(xtask.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        if url.is_empty() {
            assert_eq!(xtask.wait().unwrap().code(), Some(2), "{line}");
            return None;
        }
        let address = url
            .strip_prefix("postgres://chancery@")
            .unwrap()
            .split('/')
            .next()
            .unwrap();
        let directory = line
            .split_once(" in ")
            .unwrap()
            .1
            .split(',')
            .next()
            .unwrap();
        let connection = TcpStream::connect(address).unwrap();
        Some(Self {
            xtask,
            said,
            directory: directory.into(),
            connection,
        })
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.xtask), signal).unwrap();
    }

    /// Returns once nothing runs any more; gives the exit status and the signal that ended `xtask`.
    fn ended(mut self) -> (Option<i32>, Option<i32>) {
        self.said.read_to_string(&mut String::new()).unwrap();
        // The end of the stream or a reset: either way the server is gone.
        let _ = self.connection.read_to_end(&mut Vec::new());
        assert!(
            !self.directory.exists(),
            "{} is still there",
            self.directory.display()
        );
        let status = self.xtask.wait().unwrap();
        (status.code(), status.signal())
    }
}

#[test]
fn a_killed_xtask_leaves_nothing_behind() {
    let Some(running) = Running::start() else {
        return;
    };
    running.send(Signal::KILL);
    assert_eq!(running.ended(), (None, Some(9)));
}

#[test]
fn a_terminated_xtask_cleans_up_and_says_by_what() {
    let Some(running) = Running::start() else {
        return;
    };
    running.send(Signal::TERM);
    assert_eq!(running.ended(), (Some(128 + 15), None));
}

#[test]
fn ctrl_c_is_how_a_developer_ends_it() {
    let Some(running) = Running::start() else {
        return;
    };
    running.send(Signal::INT);
    assert_eq!(running.ended(), (Some(0), None));
}
