//! Where a roll is read from.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use chancery_domain::value::Slug;
use chancery_event_store::{Store, complete, dense, entries_page};
use chancery_projections::tenants;
use chancery_roll::{
    export::OpenError,
    replay::{Moment, Replay, ReplayError, Snapshot, View, replay_file},
    verify::VerifyError,
};
use clap::Args;

use crate::{config::Config, exit::Failure, progress::Progress, start};

/// How much of a file is read at once.
const AT_ONCE: usize = 256 << 10;

/// How many entries are read from the database at once.
const PAGE: u32 = 1_000;

/// Where a roll is read from, to be replayed.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Source {
    /// The file that `chancery audit export` wrote; `-` is standard input
    file: Option<PathBuf>,
    /// The slug of a tenant, whose roll is read from the database
    #[arg(long, value_name = "SLUG")]
    tenant: Option<String>,
}

impl Source {
    /// The tenant of a file at these moments, which stand in the order of time; none: it is to be read
    /// from the database.
    pub(super) fn of_file(&self, moments: &[Moment]) -> Option<Result<Vec<View>, Failure>> {
        let file = self.file.as_deref()?;
        let snapshots = read(file, "replaying", |file, progress| {
            replay_file(file, moments.iter().copied(), progress)
        });
        Some(snapshots.and_then(|snapshots| match snapshots {
            Ok(snapshots) => snapshots.iter().map(shown).collect(),
            Err(ReplayError::File(error)) => Err(unusable(file, &error)),
            Err(error) => Err(Failure::input(error)),
        }))
    }

    /// The same of a tenant in the database, beside a running server or without one.
    pub(super) async fn of_database(
        &self,
        config: &Config,
        moments: &[Moment],
    ) -> Result<Vec<View>, Failure> {
        let slug = Slug::parse(self.tenant.as_deref().unwrap_or_default())
            .map_err(|invalid| Failure::input(format!("--tenant {invalid}")))?;
        let store = start::existing(config).await?;
        let snapshots = replay(&store, &slug, moments).await;
        store.close().await;
        snapshots?.iter().map(shown).collect()
    }
}

/// Folds a tenant's roll page by page, as far as the last of the moments.
async fn replay(store: &Store, slug: &Slug, moments: &[Moment]) -> Result<Vec<Snapshot>, Failure> {
    let found = tenants::by_slug(store, slug)
        .await
        .map_err(|error| Failure::store(&error))?;
    let (tenant, _) =
        found.ok_or_else(|| Failure::input("there is no such tenant; name it by its slug"))?;
    let head = store.head(tenant).await;
    let head = head.map_err(|error| Failure::store(&error))?;
    let head = head.unwrap_or_default();
    let progress = Progress::new("replaying", head.unsigned_abs());
    let mut replay = Replay::new(moments.iter().copied());
    let mut last = 0;
    loop {
        let page = entries_page(store, tenant, last, PAGE)
            .await
            .map_err(|error| Failure::store(&error))?;
        let numbers = page.iter().map(|entry| entry.tenant_seq);
        dense(tenant, last, numbers).map_err(Failure::refused)?;
        let Some(end) = page.last() else {
            complete(tenant, last, head).map_err(Failure::refused)?;
            break;
        };
        last = end.tenant_seq;
        for entry in page {
            let number = entry.tenant_seq;
            if !replay
                .reach(number, entry.recorded_at)
                .map_err(Failure::input)?
            {
                return replay.finish().map_err(Failure::input);
            }
            let entry = entry.understood().map_err(|cause| {
                Failure::input(ReplayError::Poison {
                    entry: number,
                    cause,
                })
            })?;
            replay.take(&entry).map_err(Failure::input)?;
        }
        progress.reached(last.unsigned_abs());
    }
    replay.finish().map_err(Failure::input)
}

fn shown(snapshot: &Snapshot) -> Result<View, Failure> {
    View::of(snapshot).ok_or_else(|| {
        Failure::input(format!(
            "the first {} entries do not begin with a tenant; this is no roll of one",
            snapshot.entry
        ))
    })
}

/// What a file cannot be read for, whatever is done with it.
pub(super) fn unusable(file: &Path, error: &VerifyError) -> Failure {
    match error {
        VerifyError::Io(_) => Failure::system(format!("{}: {error}", file.display())),
        VerifyError::Open(OpenError::Io(error)) => cannot_read(file, error),
        error => Failure::input(format!("{}: {error}", file.display())),
    }
}

/// What a file cannot be opened for.
pub(super) fn cannot_read(file: &Path, error: &io::Error) -> Failure {
    Failure::input(format!("{} cannot be read: {error}", file.display()))
}

/// Opens a file and shows how far it has been read.
pub(super) fn read<T>(
    file: &Path,
    what: &'static str,
    with: impl FnOnce(&mut dyn BufRead, &mut dyn FnMut(u64)) -> T,
) -> Result<T, Failure> {
    if file == Path::new("-") {
        return Ok(with(&mut io::stdin().lock(), &mut |_| ()));
    }
    let cannot = |error| cannot_read(file, &error);
    let opened = File::open(file).map_err(cannot)?;
    let size = opened.metadata().map_err(cannot)?.len();
    let progress = Progress::bytes(what, size);
    let mut reader = BufReader::with_capacity(AT_ONCE, opened);
    Ok(with(&mut reader, &mut |bytes| progress.reached(bytes)))
}
