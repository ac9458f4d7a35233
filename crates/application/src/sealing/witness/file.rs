//! The file: a line of JSON for each checkpoint that was seen, the last one of a tenant counts. It is written
//! anew when most of its lines are old, so it is bounded by the number of tenants.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use chancery_crypto::VerifierKey;
use chancery_domain::TenantId;
use chancery_event_store::files::{self, Owner};
use chancery_roll::checkpoint::SignedCheckpoint;
use serde::{Deserialize, Serialize};

use super::{Seen, State};

/// How many lines may be old before the file is written anew, beside one for each tenant.
const OLD_LINES: usize = 1_000;

/// What is remembered cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The file or its directory fails.
    #[error(
        "what this node remembers of the seals cannot be read or kept in {}: {error}; nothing is sealed without it. Run this as the user who runs the server and owns the directory, or make room",
        path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What this user writes, the user who owns the file could not read any more.
    #[error(
        "{} belongs to the user {uid}, who could not read it any more if this user wrote it ({error}); nothing was changed. Run this as that user, or as root",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Why it cannot be given to its owner.
        error: io::Error,
    },
    /// A line is none of ours.
    #[error(
        "line {line} of {} is not readable, so this node does not know any more which seals it has seen. Look at why; to go on without that memory, move the file away and keep it",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1 on, of those read at once.
        line: usize,
    },
}

/// How far a file was read, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    which: Which,
    /// In bytes.
    read: u64,
    lines: usize,
}

/// Which file it is: a number that may be given again, and when it was made.
type Which = (u64, Option<SystemTime>);

fn which(file: &Metadata) -> Which {
    (file.ino(), file.created().ok())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    tenant: TenantId,
    /// Somebody has said that this is right, whatever was seen before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    accepted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Whether one checkpoint says more than the other.
pub(super) fn is_further(new: &Seen, old: &Seen) -> bool {
    new.key != old.key || new.checkpoint().size > old.checkpoint().size
}

impl State {
    fn take(&mut self, tenant: TenantId, seen: Option<Seen>, accepted: bool) {
        match seen {
            None => drop(self.seen.remove(&tenant)),
            Some(seen) => {
                let known = self.seen.get(&tenant);
                if accepted || known.is_none_or(|known| is_further(&seen, known)) {
                    self.seen.insert(tenant, seen);
                }
            }
        }
    }
}

/// Reads what others have added to the file since it was last read.
pub(super) fn refresh(path: &Path, state: &mut State) -> Result<(), WitnessError> {
    let failed = |error| failed(path, error);
    let is = match fs::metadata(path) {
        Ok(is) => is,
        // Nothing was remembered yet; or somebody took it away, and what this process knows stays.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if (which(&is), is.len()) == (state.file.which, state.file.read) {
        return Ok(());
    }
    let mut file = File::open(path).map_err(failed)?;
    let which = which(&file.metadata().map_err(failed)?);
    if which != state.file.which {
        // Written anew, with everything in it that counts.
        state.file = Position {
            which,
            ..Position::default()
        };
        state.seen.clear();
    }
    let begin = state.file.read;
    file.seek(SeekFrom::Start(begin)).map_err(failed)?;
    let mut reader = BufReader::new(file);
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = (&mut reader)
            .take(1 << 20)
            .read_until(b'\n', &mut text)
            .map_err(failed)?;
        // A last line without its end was never finished, and so never counted.
        if text.last() != Some(&b'\n') {
            return Ok(());
        }
        let (tenant, accepted, seen) = parse(&text).ok_or_else(|| WitnessError::Line {
            path: path.to_owned(),
            line: state.file.lines + 1,
        })?;
        state.take(tenant, seen, accepted);
        state.file.read += read as u64;
        state.file.lines += 1;
    }
}

fn parse(text: &[u8]) -> Option<(TenantId, bool, Option<Seen>)> {
    let line: Line = serde_json::from_slice(text).ok()?;
    let seen = match (line.key, line.note) {
        (Some(key), Some(note)) => {
            let key = key.parse::<VerifierKey>().ok()?;
            let note = SignedCheckpoint::parse(&note).ok()?;
            // Whoever can write a line here must not make it look as if the database had been set back.
            note.verify(&key).ok()?;
            Some(Seen { key, note })
        }
        // Only somebody's word takes away what was seen.
        (None, None) if line.accepted => None,
        _ => return None,
    };
    Some((line.tenant, line.accepted, seen))
}

fn line(tenant: TenantId, seen: Option<&Seen>, accepted: bool) -> Result<Vec<u8>, io::Error> {
    let line = Line {
        tenant,
        accepted,
        key: seen.map(|seen| seen.key.to_string()),
        note: seen.map(|seen| seen.note.note().to_owned()),
    };
    let mut text = serde_json::to_vec(&line)?;
    text.push(b'\n');
    Ok(text)
}

/// Remembers it: in the file first, synced, and then here.
pub(super) fn remember(
    path: Option<&Path>,
    state: &mut State,
    tenant: TenantId,
    seen: Option<Seen>,
    accepted: bool,
) -> Result<(), WitnessError> {
    if let Some(path) = path {
        let io = |error| failed(path, error);
        let owner = Owner::of(path).map_err(io)?;
        let foreign = |error| WitnessError::Foreign {
            path: path.to_owned(),
            uid: owner.uid(),
            error,
        };
        let alone = lock(path).map_err(io)?;
        owner.give(&alone).map_err(foreign)?;
        refresh(path, state)?;
        let text = line(tenant, seen.as_ref(), accepted).map_err(io)?;
        // Where somebody took the file away, or cut it, what this process knows goes into the next one.
        let whole = std::fs::metadata(path).is_ok_and(|is| is.len() >= state.file.read);
        if !whole || state.file.lines > 2 * state.seen.len() + OLD_LINES {
            let new = path.with_extension("new");
            let file = options().truncate(true).open(&new).map_err(io)?;
            owner.give(&file).map_err(foreign)?;
            owner.keep_mode(&file).map_err(io)?;
            state.file = write_anew((&new, &file), path, &state.seen, &text).map_err(io)?;
        } else {
            append(path, &mut state.file, &text).map_err(io)?;
        }
    }
    state.take(tenant, seen, accepted);
    Ok(())
}

/// One process writes at a time.
fn lock(path: &Path) -> io::Result<File> {
    let file = options().open(path.with_extension("lock"))?;
    file.lock()?;
    Ok(file)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
}

fn append(path: &Path, position: &mut Position, text: &[u8]) -> io::Result<()> {
    let mut file = options().open(path)?;
    // What somebody did not finish is overwritten.
    file.set_len(position.read)?;
    file.seek(SeekFrom::Start(position.read))?;
    file.write_all(text)?;
    file.sync_data()?;
    position.read += text.len() as u64;
    position.lines += 1;
    Ok(())
}

fn write_anew(
    (new, file): (&Path, &File),
    path: &Path,
    seen: &BTreeMap<TenantId, Seen>,
    last: &[u8],
) -> io::Result<Position> {
    let mut position = Position::default();
    let mut out = io::BufWriter::new(file);
    let mut write = |text: &[u8]| {
        position.read += text.len() as u64;
        position.lines += 1;
        out.write_all(text)
    };
    for (tenant, seen) in seen {
        write(&line(*tenant, Some(seen), false)?)?;
    }
    write(last)?;
    out.flush()?;
    drop(out);
    file.sync_all()?;
    position.which = which(&file.metadata()?);
    fs::rename(new, path)?;
    sync_directory(path)?;
    Ok(position)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(files::directory(path))?.sync_all()
}

fn failed(path: &Path, error: io::Error) -> WitnessError {
    WitnessError::Io {
        path: path.to_owned(),
        error,
    }
}
