//! A PostgreSQL of one test's own, which can be stopped: the one of all tests cannot.

use std::{
    fs::{self, File, Permissions},
    hash::{BuildHasher, RandomState},
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use chancery_event_store::{Backend, StoreLocation};
use chancery_testkit::stores::TestDatabase;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::server::PATIENCE;

/// The system gives away others by itself, so nobody takes one of these while its server is stopped.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Running, or stopped. It ends with this, and its files go.
pub(crate) struct Cluster {
    server: Child,
    port: u16,
    files: Files,
}

impl Cluster {
    /// A new one, which flushes what it commits, by the programs of the PostgreSQL that the tests have.
    pub(crate) async fn start() -> Self {
        let files = Files::made(programs().await);
        let port = free_port();
        let mut cluster = Self {
            server: files.launch(port),
            port,
            files,
        };
        let since = Instant::now();
        while PgConnection::connect(&cluster.url("postgres"))
            .await
            .is_err()
        {
            let ended = cluster.server.try_wait().unwrap();
            let waits = ended.is_none() && since.elapsed() < PATIENCE;
            assert!(waits, "{ended:?}: {}", cluster.files.log());
        }
        cluster
    }

    /// A new database, by its address.
    pub(crate) async fn create(&self, database: &str) -> String {
        let mut server = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let create = format!("CREATE DATABASE {database}");
        sqlx::raw_sql(&create).execute(&mut server).await.unwrap();
        self.url(database)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://chancery@127.0.0.1:{}/{database}", self.port)
    }

    /// As `pg_ctl stop -m immediate` does it: whoever is connected is cut, nothing is written any more, and
    /// the next start recovers.
    pub(crate) fn stop(&mut self) {
        let id = self.server.id().to_string();
        let told = Command::new("kill").args(["-QUIT", &id]).status().unwrap();
        assert!(told.success());
        self.server.wait().unwrap();
    }

    /// Starts it again, and does not wait until it has recovered.
    pub(crate) fn start_again(&mut self) {
        self.server = self.files.launch(self.port);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if matches!(self.server.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// The programs, and where the files are that they work on.
struct Files {
    programs: PathBuf,
    directory: TempDir,
    /// As whom they run where the tests run as root, which PostgreSQL refuses.
    owner: Option<(u32, u32)>,
}

impl Files {
    fn made(programs: PathBuf) -> Self {
        let owner = owner();
        // Root's own directory may lie where no other user can go.
        let parent = owner.map_or_else(std::env::temp_dir, |_| "/tmp".into());
        let directory = tempfile::Builder::new()
            .prefix("chancery-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .unwrap();
        if let Some((user, group)) = owner {
            chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let files = Self {
            programs,
            directory,
            owner,
        };
        let mut initdb = files.command("initdb");
        initdb.args(["--pgdata=data", "--username=chancery", "--auth=trust"]);
        initdb.args(["--encoding=UTF8", "--locale=C", "--no-sync"]);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "{made:?}");
        files
    }

    fn launch(&self, port: u16) -> Child {
        let mut log = File::options();
        let log = log
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))
            .unwrap();
        let mut command = self.command("postgres");
        command.args(["-D", "data", "-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "shared_buffers=32MB",
        ] {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// Where the programs are of the server that the tests have. One that does not say so has them on the search path.
async fn programs() -> PathBuf {
    let database = TestDatabase::empty(Backend::Postgres).await;
    let StoreLocation::Postgres(url) = database.location() else {
        panic!("{:?}", database.location())
    };
    let mut server = PgConnection::connect(url).await.unwrap();
    let said = sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'");
    let said: Option<String> = said.fetch_one(&mut server).await.ok();
    let said = said.map(PathBuf::from);
    said.filter(|programs| programs.join("initdb").exists())
        .unwrap_or_default()
}

/// The users `postgres` or `nobody` for root, and for everybody else themselves.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let found = ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)));
    assert!(found.is_some(), "there is nobody else to run PostgreSQL as");
    found
}

fn free_port() -> u16 {
    let begin = RandomState::new().hash_one(std::process::id());
    let width = u64::from(PORTS.end - PORTS.start);
    PORTS
        .cycle()
        .skip(usize::try_from(begin % width).unwrap())
        .take(PORTS.len())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
