//! What a result was measured on.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::Command,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use chancery_domain::Timestamp;
use chancery_event_store::sqlx::{self, Connection as _, PgConnection};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The machine, as far as a reader of the numbers needs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    #[serde(default)]
    disk: Option<Disk>,
    #[serde(default)]
    rustc: Option<String>,
    #[serde(default)]
    postgres: Option<Postgres>,
}

/// Where the databases lie, or at least SQLite's: what it costs to have something durable there.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Disk {
    filesystem: String,
    /// Of one page that was appended.
    fdatasync_p50_ms: f64,
    fdatasync_p99_ms: f64,
}

/// PostgreSQL, and what decides how much a commit costs and how long it lasts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Postgres {
    version: String,
    synchronous_commit: String,
    fsync: String,
    full_page_writes: String,
    shared_buffers: String,
}

/// How often a page is written to learn what that costs.
const SYNCS: usize = 200;

impl Machine {
    /// This one, with the PostgreSQL of this URL.
    pub(crate) fn this(postgres: Option<&str>) -> Result<Self, Error> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| {
                Some(
                    line.strip_prefix("model name")?
                        .split_once(':')?
                        .1
                        .trim()
                        .to_owned(),
                )
            })
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let kib = read("/proc/meminfo")
            .lines()
            .find_map(|line| {
                line.strip_prefix("MemTotal:")?
                    .split_whitespace()
                    .next()?
                    .parse::<f64>()
                    .ok()
            })
            .unwrap_or_default();
        Ok(Self {
            processor,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: (kib / 1_048_576.0 * 10.0).round() / 10.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            disk: Some(Disk::of_temporary_files().map_err(Error::io("write to the disk"))?),
            rustc: said("rustc", &["--version"]),
            postgres: postgres.map(Postgres::at).transpose()?,
        })
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
            disk,
            rustc,
            postgres,
        } = self;
        let mut line = format!("{processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}");
        // Writing to a string cannot fail.
        if let Some(disk) = disk {
            let _ = write!(
                line,
                "; {}, `fdatasync` of a page {:.2} ms (p99 {:.2})",
                disk.filesystem, disk.fdatasync_p50_ms, disk.fdatasync_p99_ms
            );
        }
        if let Some(postgres) = postgres {
            let _ = write!(
                line,
                "; PostgreSQL {} (`synchronous_commit` {}, `fsync` {}, `full_page_writes` {}, `shared_buffers` {})",
                postgres.version,
                postgres.synchronous_commit,
                postgres.fsync,
                postgres.full_page_writes,
                postgres.shared_buffers
            );
        }
        if let Some(rustc) = rustc {
            let _ = write!(line, "; {rustc}");
        }
        line
    }
}

impl Disk {
    fn of_temporary_files() -> std::io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut file = File::create(directory.path().join("pages"))?;
        let mut took = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            file.write_all(&[0x5a; 4_096])?;
            let begin = Instant::now();
            file.sync_data()?;
            took.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        took.sort_by(f64::total_cmp);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        Ok(Self {
            filesystem: filesystem(&mounts, &directory.path().canonicalize()?),
            fdatasync_p50_ms: took[SYNCS / 2],
            fdatasync_p99_ms: took[SYNCS * 99 / 100],
        })
    }
}

/// Of which kind the file system is that this is on: of all mounts the deepest above it, and of those the last.
fn filesystem(mounts: &str, path: &Path) -> String {
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?.to_owned(), words.next()?.to_owned());
        path.starts_with(&place).then_some((place.len(), kind))
    };
    let above = mounts.lines().filter_map(mount);
    above
        .max_by_key(|(depth, _)| *depth)
        .map_or_else(|| "a disk".to_owned(), |(_, kind)| kind)
}

impl Postgres {
    fn at(url: &str) -> Result<Self, Error> {
        let asked = async {
            let mut connection = PgConnection::connect(url).await?;
            let mut settings = Vec::new();
            for name in [
                "server_version",
                "synchronous_commit",
                "fsync",
                "full_page_writes",
                "shared_buffers",
            ] {
                let asked = sqlx::query_scalar::<_, String>("SELECT current_setting($1)");
                settings.push(asked.bind(name).fetch_one(&mut connection).await?);
            }
            connection.close().await?;
            Ok::<_, sqlx::Error>(settings)
        };
        let settings = crate::runtime()?.block_on(asked).map_err(Error::wrong)?;
        let setting = |place: usize| settings.get(place).cloned().unwrap_or_default();
        // What follows the number is who packaged it.
        let version = setting(0);
        Ok(Self {
            version: version.split(' ').next().unwrap_or_default().to_owned(),
            synchronous_commit: setting(1),
            fsync: setting(2),
            full_page_writes: setting(3),
            shared_buffers: setting(4),
        })
    }
}

/// What a program says, on one line; none where it is not there or has something to complain of.
pub(crate) fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

/// The present.
#[expect(clippy::disallowed_methods, reason = "a program of its own")]
pub(crate) fn now() -> Timestamp {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::filesystem;

    #[test]
    fn a_file_is_on_the_deepest_mount_above_it() {
        let mounts =
            "a / ext4 rw 0 0\nb /tmp tmpfs rw 0 0\nc /tmpfiles xfs rw 0 0\nd / overlay rw 0 0\n";
        assert_eq!(filesystem(mounts, Path::new("/tmp/x")), "tmpfs");
        assert_eq!(filesystem(mounts, Path::new("/home/x")), "overlay");
        assert_eq!(filesystem("", Path::new("/home/x")), "a disk");
    }
}
