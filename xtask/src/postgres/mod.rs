//! A PostgreSQL cluster that lives as long as this process.

mod binaries;
mod owner;
mod watcher;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use self::binaries::Binaries;
use self::owner::Owner;
use self::watcher::Watcher;
use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::run::{POLL, run};

/// Where the tests find PostgreSQL: the address of a server on which they may create databases.
pub(crate) const ENVIRONMENT: &str = "CHANCERY_TEST_POSTGRES";

/// A slow machine needs a few seconds; one that needs this long will not come up.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// Another process can take the port between our look and PostgreSQL's.
const PORTS_TO_TRY: u32 = 5;

/// `full_page_writes` and `fsync` guard against loss of power, which the cluster of the tests need not
/// survive. Nothing that decides what a commit means may be changed here.
const WITHOUT_FLUSHING: &[&str] = &["fsync=off", "full_page_writes=off"];

/// What every throwaway cluster is told.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "max_connections=400",
    "shared_buffers=128MB",
];

/// `cargo xtask postgres`: starts a cluster and keeps it until a signal.
pub(crate) fn serve(interrupts: &Interrupts) -> Result<(), Error> {
    let mut cluster = Cluster::start(interrupts)?;
    eprintln!("{cluster}; Ctrl-C ends and deletes it");
    println!("{}", cluster.url());
    while interrupts.signal().is_none() {
        if let Some(status) = cluster.ended()? {
            return Err(Error::Failed(format!(
                "PostgreSQL ended by itself: {status}"
            )));
        }
        thread::sleep(POLL);
    }
    // Ctrl-C is the ordinary end of this task; any other signal is somebody else's wish.
    match interrupts.signal() {
        Some(2) => Ok(()),
        _ => interrupts.check(),
    }
}

/// A running cluster. Dropping it ends it and deletes its files.
pub(crate) struct Cluster {
    version: String,
    port: u16,
    // Dropped in this order: the watcher ends the server, and then its status is collected.
    watcher: Watcher,
    server: Server,
}

/// The server process. Dropping it ends it and waits for its end.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown. For one that has ended, this only collects its status.
        let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
        let _ = self.0.wait();
    }
}

impl Cluster {
    /// Creates a cluster in a temporary directory and waits until it accepts connections.
    pub(crate) fn start(interrupts: &Interrupts) -> Result<Self, Error> {
        Self::start_with(WITHOUT_FLUSHING, interrupts)
    }

    /// Starts a cluster that flushes what it commits: a benchmark without that would flatter.
    pub(crate) fn start_durable(interrupts: &Interrupts) -> Result<Self, Error> {
        Self::start_with(&[], interrupts)
    }

    fn start_with(settings: &[&str], interrupts: &Interrupts) -> Result<Self, Error> {
        let binaries = Binaries::find_or_install(interrupts)?;
        let owner = Owner::of_cluster()?;
        let watcher = Watcher::over(owner.temporary_directory()?)?;
        fs::create_dir(watcher.directory().join("tmp")).map_err(Error::io("create a directory"))?;
        initialise(&binaries, &owner, &watcher)?;
        for _ in 0..PORTS_TO_TRY {
            let port = free_port().map_err(Error::io("find a free port"))?;
            let mut server = launch(&binaries, &owner, &watcher, port, settings)?;
            if accepts_connections(&mut server, &watcher, interrupts)? {
                let version = binaries.version().to_owned();
                return Ok(Self {
                    version,
                    port,
                    watcher,
                    server,
                });
            }
        }
        Err(Error::Unusable(format!(
            "PostgreSQL does not start:\n{}",
            log(&watcher)
        )))
    }

    /// The address for [`ENVIRONMENT`]: a superuser without a password.
    pub(crate) fn url(&self) -> String {
        format!("postgres://chancery@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs tests against the cluster. Their temporary files go with it.
    pub(crate) fn run(
        &mut self,
        tests: &mut Command,
        interrupts: &Interrupts,
    ) -> Result<ExitStatus, Error> {
        tests
            .env(ENVIRONMENT, self.url())
            .env("TMPDIR", self.watcher.directory().join("tmp"));
        let mut noted = Ok(());
        let status = run(tests, interrupts, |process| {
            noted = self.watcher.note_user(Some(process));
        });
        noted
            .and_then(|()| self.watcher.note_user(None))
            .map_err(Error::io("reach the watcher"))?;
        status
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.server
            .0
            .try_wait()
            .map_err(Error::io("look after PostgreSQL"))
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = self.watcher.directory().display();
        write!(
            f,
            "PostgreSQL {} on port {} in {directory}, for now",
            self.version, self.port
        )
    }
}

fn initialise(binaries: &Binaries, owner: &Owner, watcher: &Watcher) -> Result<(), Error> {
    let initdb = |collation: &[&str]| {
        let mut command = Command::new(binaries.path("initdb"));
        owner.applied_to(&mut command);
        command
            .args([
                "--pgdata=data",
                "--username=chancery",
                "--auth=trust",
                "--encoding=UTF8",
            ])
            .args(["--locale=C", "--no-sync", "--no-instructions"])
            .args(collation)
            .current_dir(watcher.directory())
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("run initdb"))
    };
    if binaries.major() >= 15
        && initdb(&["--locale-provider=icu", "--icu-locale=en-US"])?
            .status
            .success()
    {
        return Ok(());
    }
    let output = initdb(&[])?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Unusable(format!(
        "initdb could not create a cluster:\n{}",
        said.trim_end()
    )))
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn launch(
    binaries: &Binaries,
    owner: &Owner,
    watcher: &Watcher,
    port: u16,
    settings: &[&str],
) -> Result<Server, Error> {
    let directory = watcher.directory();
    let log = File::create(directory.join("log")).map_err(Error::io("create a log file"))?;
    let errors = log.try_clone().map_err(Error::io("create a log file"))?;
    let mut command = Command::new(binaries.path("postgres"));
    owner.applied_to(&mut command);
    command
        .args(["-D", "data", "-p", &port.to_string(), "-k"])
        .arg(directory);
    for setting in SETTINGS.iter().chain(settings) {
        command.args(["-c", setting]);
    }
    command
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map(Server)
        .map_err(Error::io("start PostgreSQL"))
}

/// False when the server ended instead. The last line of its pid file says `ready` when it is.
fn accepts_connections(
    server: &mut Server,
    watcher: &Watcher,
    interrupts: &Interrupts,
) -> Result<bool, Error> {
    let pid_file = watcher.directory().join("data/postmaster.pid");
    let started = Instant::now();
    while started.elapsed() < READY_WITHIN {
        interrupts.check()?;
        if server
            .0
            .try_wait()
            .map_err(Error::io("look after PostgreSQL"))?
            .is_some()
        {
            return Ok(false);
        }
        let status = fs::read_to_string(&pid_file).unwrap_or_default();
        if status
            .lines()
            .nth(7)
            .is_some_and(|status| status.trim() == "ready")
        {
            return Ok(true);
        }
        thread::sleep(POLL);
    }
    Err(Error::Unusable(format!(
        "PostgreSQL is not ready after a minute:\n{}",
        log(watcher)
    )))
}

fn log(watcher: &Watcher) -> String {
    fs::read_to_string(watcher.directory().join("log"))
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}
