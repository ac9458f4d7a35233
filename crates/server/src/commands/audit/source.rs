//! Where a roll is read from.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use chancery_roll::{
    export::OpenError,
    replay::{Moment, ReplayError, Snapshot, View, replay_file},
    verify::VerifyError,
};
use clap::Args;

use crate::{exit::Failure, progress::Progress};

/// How much of a file is read at once.
const AT_ONCE: usize = 256 << 10;

/// Where a roll is read from, to be replayed.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The file that `chancery audit export` wrote; `-` is standard input
    file: PathBuf,
}

impl Source {
    /// The tenant at these moments, which stand in the order of time.
    pub(super) fn views(&self, moments: &[Moment]) -> Result<Vec<View>, Failure> {
        let snapshots = read(&self.file, "replaying", |file, progress| {
            replay_file(file, moments.iter().copied(), progress)
        })?;
        let snapshots = snapshots.map_err(|error| match error {
            ReplayError::File(error) => unusable(&self.file, &error),
            error => Failure::input(error),
        })?;
        snapshots.iter().map(shown).collect()
    }
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
