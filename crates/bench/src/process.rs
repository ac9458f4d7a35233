//! Processes that are measured: started, waited for, looked at, and ended with the benchmark.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::error::Error;

/// How long a process may take until it answers.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

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

    /// Whether it says that it can do its work.
    pub(crate) fn is_ready(&self) -> bool {
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            write!(
                stream,
                "GET /readyz HTTP/1.0\r\nhost: {}\r\n\r\n",
                self.address
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        asked().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        let id = self.child.id().to_string();
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .map_err(Error::io("stop a process"))?;
        let status = self.child.wait().map_err(Error::io("wait"))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::Wrong(format!("a process ended with {status}")))
        }
    }

    /// The processor time that it has used.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        // The fields 14 and 15.
        Ok(ticks(&self.proc("stat")?, 11))
    }

    /// Its resident memory in MiB.
    pub(crate) fn memory(&self) -> Result<f64, Error> {
        Ok(mib(&self.proc("status")?, "VmRSS:"))
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

/// A command that has ended.
pub(crate) struct Ended {
    pub(crate) output: Output,
    pub(crate) took: Duration,
    /// The most resident memory that it had.
    pub(crate) peak_mib: f64,
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<Ended, Error> {
    let begin = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Error::io(format!("start {command:?}")))?;
    let id = child.id();
    let ended = std::thread::spawn(move || child.wait_with_output());
    let mut peak_mib: f64 = 0.0;
    while !ended.is_finished() {
        peak_mib = peak_mib.max(peak_memory(id).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = begin.elapsed();
    let output = ended
        .join()
        .map_err(|_| Error::Wrong("the wait for a command was broken off".into()))?
        .map_err(Error::io("wait"))?;
    Ok(Ended {
        output,
        took,
        peak_mib,
    })
}

/// The sum of two fields of `/proc/*/stat`, counted after the name, which may hold spaces.
fn ticks(stat: &str, first: usize) -> Duration {
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let fields = after.split_whitespace().skip(first).take(2);
    let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
    Duration::from_secs_f64(ticks / TICKS)
}

/// A size in `/proc/*/status`, in MiB.
fn mib(status: &str, name: &str) -> f64 {
    let mut lines = status.lines();
    let kib = lines
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1_024.0
}

/// The processor time of all processes that were started here and have ended.
pub(crate) fn cpu_of_children() -> Result<Duration, Error> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(Error::io("read /proc/self/stat"))?;
    // The fields 16 and 17.
    Ok(ticks(&stat, 13))
}

/// The processor time that this process has used, and its resident memory in MiB.
pub(crate) fn this() -> Result<(Duration, f64), Error> {
    let read = |path| fs::read_to_string(path).map_err(Error::io(format!("read {path}")));
    let cpu = ticks(&read("/proc/self/stat")?, 11);
    Ok((cpu, mib(&read("/proc/self/status")?, "VmRSS:")))
}

/// The most resident memory that a process has had, in MiB; none when it has ended.
pub(crate) fn peak_memory(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(mib(&status, "VmHWM:"))
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr, Error> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(Error::io("find a free port"))
}
