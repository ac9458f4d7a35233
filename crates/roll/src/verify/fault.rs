use std::io;

use chancery_crypto::{NoteError, VerifierKey};
use chancery_domain::{StreamId, TenantId, Timestamp};

use crate::{export::OpenError, line::LineFault};

/// Why a file is not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is no export that this version reads.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system cannot read it any further.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is an export, and not what was sealed.
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// What is wrong with an export: the first thing that is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line that is not one of an export.
    #[error("entry {entry} was changed: {fault}")]
    Line {
        /// The entry that is due.
        entry: u64,
        /// What is wrong with its line.
        fault: LineFault,
    },
    /// The file ends within a line.
    #[error("the file is cut in the middle of entry {entry}; export it again")]
    Cut {
        /// The entry that is due.
        entry: u64,
    },
    /// A line that goes on and on.
    #[error("entry {entry} was changed: its line has no end")]
    Endless {
        /// The entry that is due.
        entry: u64,
    },
    /// The file ends before its last entry.
    #[error("entry {entry} is missing: the file ends after {}, and its header promises {to}", before(*.entry))]
    Truncated {
        /// The entry that is due.
        entry: u64,
        /// The last one that is promised.
        to: u64,
    },
    /// The file goes on after its last entry.
    #[error("a line was inserted after entry {to}, which is the last one by the header")]
    Extra {
        /// The last one that is promised.
        to: u64,
    },
    /// An entry is left out.
    #[error("entry {entry} is missing: the line after {} says {found}", before(*.entry))]
    Removed {
        /// The entry that is due.
        entry: u64,
        /// The number that the line has.
        found: i64,
    },
    /// Two entries stand the wrong way round.
    #[error("entry {entry} is not in its place: the line after {} says {found}, and entry {entry} follows it; the two were swapped", before(*.entry))]
    Swapped {
        /// The entry that is due.
        entry: u64,
        /// The one in its place.
        found: i64,
    },
    /// A line with a number that was there already.
    #[error("a line was inserted before entry {entry}: it says that it is entry {found}")]
    Inserted {
        /// The entry that is due.
        entry: u64,
        /// The number that the line has.
        found: i64,
    },
    /// An entry of another roll.
    #[error("entry {entry} is of another tenant's roll: it says {found}")]
    Tenant {
        /// The entry.
        entry: u64,
        /// Whose it is.
        found: TenantId,
    },
    /// An entry that was recorded before the one before it.
    #[error("entry {entry} was changed: it says it was recorded at {found}, which is before {}, at {earlier}", before(*.entry))]
    Time {
        /// The entry.
        entry: u64,
        /// When it says it was recorded.
        found: Timestamp,
        /// When the one before it was.
        earlier: Timestamp,
    },
    /// An entry that is not the next one of its aggregate.
    #[error(
        "entry {entry} was changed, or another one of {stream} before it: it says it is number {found} of them, and number {due} is due"
    )]
    Aggregate {
        /// The entry.
        entry: u64,
        /// Its aggregate.
        stream: StreamId,
        /// The number that it has there.
        found: i64,
        /// The number that is due.
        due: i64,
    },
    /// Parts of the header that do not belong together.
    #[error("the header was changed: {0}")]
    Header(&'static str),
    /// The checkpoint is not signed by the key in the header.
    #[error("the checkpoint in the header is not vouched for: {0}")]
    Checkpoint(NoteError),
    /// The file is signed with another key than the one that it must be signed with.
    #[error("{}", other_key(.found, .expected))]
    OtherKey {
        /// The key in the header.
        found: VerifierKey,
        /// The one that it must be.
        expected: VerifierKey,
    },
    /// The root is not the one that was signed. No entry says by itself that it is the one.
    #[error("{}", changed(*.first, *.last, .by.as_deref()))]
    Root {
        /// The first entry in doubt.
        first: u64,
        /// The last one.
        last: u64,
        /// The older checkpoint that they do not agree with; none: the one in the file.
        by: Option<String>,
    },
    /// An older checkpoint of another log.
    #[error("the checkpoint in {name} is one of {found}, and the file is an export of {expected}")]
    OtherLog {
        /// Where it was read.
        name: String,
        /// Its origin.
        found: String,
        /// The origin of the file.
        expected: String,
    },
    /// An older checkpoint that is signed by another key.
    #[error(
        "the checkpoint in {name} is not vouched for by the file's key: {fault}; one of the two was signed by somebody else"
    )]
    KeptKey {
        /// Where it was read.
        name: String,
        /// What is wrong with its signature.
        fault: NoteError,
    },
    /// Two older checkpoints of the same size that do not agree: each entry counts in one history only.
    #[error(
        "the checkpoints in {name} and {other} vouch for different entries 1 to {size}: somebody was shown another roll"
    )]
    Split {
        /// Where the one was read.
        name: String,
        /// Where the other was read.
        other: String,
        /// The size of both.
        size: u64,
    },
    /// An older checkpoint over more entries than there are.
    #[error("entry {} is missing: the checkpoint in {name} vouches for {size} entries, and the file ends with entry {to}", .to + 1)]
    Shorter {
        /// Where it was read.
        name: String,
        /// Its size.
        size: u64,
        /// The file's last entry.
        to: u64,
    },
    /// An older checkpoint that the file cannot be compared with.
    #[error(
        "the checkpoint in {name} is of size {size}, and a file that begins with entry {from} does not show whether it agrees; export the roll from entry 1"
    )]
    Incomparable {
        /// Where it was read.
        name: String,
        /// Its size.
        size: u64,
        /// The file's first entry.
        from: u64,
    },
}

fn before(entry: u64) -> String {
    match entry.saturating_sub(1) {
        0 => "the header".to_owned(),
        before => format!("entry {before}"),
    }
}

fn changed(first: u64, last: u64, by: Option<&str>) -> String {
    let which = match by {
        None => "the signed root is not that of the entries in the file".to_owned(),
        Some(name) => {
            format!("the entries are not those that the checkpoint in {name} vouches for")
        }
    };
    if first == last {
        return format!("entry {first} was changed: {which}");
    }
    format!(
        "one of the entries {first} to {last} was changed, or one removed and another inserted: {which}, and nothing else tells which of them"
    )
}

fn other_key(found: &VerifierKey, expected: &VerifierKey) -> String {
    if found.name() == expected.name() {
        return format!(
            "the file is signed with the key {found}, and not with {expected}: it was signed again by somebody else"
        );
    }
    let (file, key) = (found.name(), expected.name());
    format!(
        "the file is an export of {file}, and the key is that of {key}: one of the two is of another tenant"
    )
}

impl Fault {
    /// What happened to the file, in a word, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Line { .. }
            | Self::Endless { .. }
            | Self::Tenant { .. }
            | Self::Time { .. }
            | Self::Aggregate { .. }
            | Self::Root { .. }
            | Self::Header(_) => "changed",
            Self::Cut { .. } | Self::Truncated { .. } | Self::Shorter { .. } => "truncated",
            Self::Extra { .. } | Self::Inserted { .. } => "inserted",
            Self::Removed { .. } => "removed",
            Self::Swapped { .. } => "swapped",
            Self::Checkpoint(_) | Self::OtherKey { .. } | Self::KeptKey { .. } => {
                "signed_by_another"
            }
            Self::OtherLog { .. } => "another_log",
            Self::Split { .. } => "split",
            Self::Incomparable { .. } => "incomparable",
        }
    }

    /// The first entry that is not what it should be, and the last that may be it; none where no
    /// entry is.
    pub fn entries(&self) -> Option<(u64, u64)> {
        match self {
            Self::Line { entry, .. }
            | Self::Cut { entry }
            | Self::Endless { entry }
            | Self::Truncated { entry, .. }
            | Self::Removed { entry, .. }
            | Self::Swapped { entry, .. }
            | Self::Inserted { entry, .. }
            | Self::Tenant { entry, .. }
            | Self::Time { entry, .. }
            | Self::Aggregate { entry, .. } => Some((*entry, *entry)),
            Self::Extra { to } | Self::Shorter { to, .. } => Some((to + 1, to + 1)),
            Self::Root { first, last, .. } => Some((*first, *last)),
            Self::Header(_)
            | Self::Checkpoint(_)
            | Self::OtherKey { .. }
            | Self::OtherLog { .. }
            | Self::KeptKey { .. }
            | Self::Split { .. }
            | Self::Incomparable { .. } => None,
        }
    }
}
