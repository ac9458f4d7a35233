//! Processes that are measured: started, waited for, looked at, and ended with the benchmark.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::error::Error;

/// How long a process may take until it answers.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ticks a second in `/proc/*/stat`: what Linux has told user space on every architecture for ages.
const TICKS: f64 = 100.0;

/// A process that is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a command and waits until it listens.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> Result<Self, Error> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(Error::io(format!("start {command:?}")))?;
        let mut process = Self { child, address };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait().map_err(Error::io("wait"))?;
            if ended.is_some() || begin.elapsed() > PATIENCE {
                return Err(Error::Wrong(format!("{command:?} did not start")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// The processor time that it has used.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        let stat = self.proc("stat")?;
        // Fields are counted after the name, which may hold spaces; 14 and 15 are ours.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks: f64 = after
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        Ok(Duration::from_secs_f64(ticks / TICKS))
    }

    /// Its resident memory in MiB.
    pub(crate) fn memory(&self) -> Result<f64, Error> {
        let status = self.proc("status")?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.unwrap_or_default() / 1_024.0)
    }

    fn proc(&self, file: &str) -> Result<String, Error> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).map_err(Error::io(format!("read {path}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr, Error> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(Error::io("find a free port"))
}
