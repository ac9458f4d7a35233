//! A tenant as it was, from its events alone.

mod diff;
mod print;
mod state;
mod view;

use std::{collections::VecDeque, io::BufRead};

use chancery_domain::{AggregateType, DecodeError, Recorded, Timestamp};

pub use diff::{Change, Difference, FieldChange, Kind, What};
pub use state::TenantState;
pub use view::{AsOf, Item, View};

use crate::{
    line::LineFault,
    verify::{VerifyError, Walk},
};

/// A moment in a tenant's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After the last entry that was recorded at or before this time.
    At(Timestamp),
    /// After this entry.
    Entry(i64),
    /// After the last entry that is known.
    Last,
}

/// A tenant at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// What it was.
    pub state: TenantState,
    /// The moment: what lives by the clock is as it was then.
    pub at: Timestamp,
    /// The last entry that counts.
    pub entry: i64,
    /// When that one was recorded.
    pub recorded_at: Timestamp,
    /// Whether no later entry was seen: what happened after it, this roll does not tell.
    pub is_last: bool,
}

/// Why there is no such snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file is not one that can be replayed.
    #[error(transparent)]
    File(#[from] VerifyError),
    /// The file does not begin at the beginning.
    #[error(
        "the file begins with entry {0}, and a tenant adds up from entry 1; export it without --from"
    )]
    Begins(u64),
    /// An event that cannot be understood. Nothing is passed over.
    #[error("entry {entry} cannot be replayed: {cause}")]
    Poison {
        /// The entry.
        entry: i64,
        /// Why.
        cause: DecodeError,
    },
    /// An entry whose envelope cannot be understood.
    #[error("entry {entry} cannot be replayed: {cause}")]
    Envelope {
        /// The entry.
        entry: i64,
        /// Why.
        cause: LineFault,
    },
    /// An event of an aggregate of another kind.
    #[error("entry {entry} cannot be replayed: a {event_type} does not happen to a {stream}")]
    Misplaced {
        /// The entry.
        entry: i64,
        /// Its event.
        event_type: &'static str,
        /// The kind of aggregate that it stands with.
        stream: AggregateType,
    },
    /// There was nothing yet.
    #[error(
        "at {at} there was no such tenant yet: its roll begins at {first}; give that time or a later one"
    )]
    BeforeFirst {
        /// The moment that was asked for.
        at: Timestamp,
        /// When the first entry was recorded.
        first: Timestamp,
    },
    /// There is no such entry.
    #[error("there is no entry {entry}: the roll has the entries 1 to {last}")]
    NoEntry {
        /// The one that was asked for.
        entry: i64,
        /// The last one that there is.
        last: i64,
    },
    /// There can be no such entry.
    #[error("there is no entry {entry}: a roll begins with entry 1")]
    EntriesBeginAt1 {
        /// The one that was asked for.
        entry: i64,
    },
    /// There is nothing at all.
    #[error("the roll has no entries")]
    Empty,
}

/// Folds entries, given in their order, and keeps the state at one moment or more. What has ended before
/// the first moment is forgotten on the way; what ends between two of them is kept, so that it can be
/// told how.
pub struct Replay {
    state: TenantState,
    head: Option<(i64, Timestamp)>,
    moments: VecDeque<Moment>,
    snapshots: Vec<Snapshot>,
}

impl Replay {
    /// Will give a snapshot for each of these moments, which stand in the order of time.
    pub fn new(moments: impl IntoIterator<Item = Moment>) -> Self {
        Self {
            state: TenantState::default(),
            head: None,
            moments: moments.into_iter().collect(),
            snapshots: Vec::new(),
        }
    }

    /// Says which entry comes next, before it is understood. False: it lies after the last moment, and
    /// neither it nor another need be given.
    ///
    /// # Errors
    /// [`ReplayError::BeforeFirst`], [`ReplayError::EntriesBeginAt1`].
    pub fn reach(&mut self, entry: i64, recorded_at: Timestamp) -> Result<bool, ReplayError> {
        while let Some(moment) = self.moments.front() {
            let is_later = match moment {
                Moment::At(at) => recorded_at > *at,
                Moment::Entry(number) => entry > *number,
                Moment::Last => false,
            };
            if !is_later {
                break;
            }
            self.close(Some((entry, recorded_at)))?;
        }
        Ok(!self.moments.is_empty())
    }

    /// Takes the next entry. False: it lies after the last moment, and no other need be given.
    ///
    /// # Errors
    /// Those of [`Replay::reach`], [`ReplayError::Misplaced`].
    pub fn take(&mut self, entry: &Recorded) -> Result<bool, ReplayError> {
        if !self.reach(entry.tenant_seq, entry.recorded_at)? {
            return Ok(false);
        }
        let (stream, event) = (entry.stream.aggregate_type(), &entry.event);
        if event.aggregate_type() != stream {
            return Err(ReplayError::Misplaced {
                entry: entry.tenant_seq,
                event_type: event.kind().0,
                stream,
            });
        }
        self.state.fold(entry);
        if self.snapshots.is_empty() {
            self.state.forget_ended(entry);
        }
        self.head = Some((entry.tenant_seq, entry.recorded_at));
        Ok(true)
    }

    /// The snapshots, after the last entry that there is.
    ///
    /// # Errors
    /// [`ReplayError::NoEntry`], [`ReplayError::Empty`].
    pub fn finish(mut self) -> Result<Vec<Snapshot>, ReplayError> {
        while !self.moments.is_empty() {
            self.close(None)?;
        }
        Ok(self.snapshots)
    }

    /// Keeps the state for the first of the moments.
    fn close(&mut self, next: Option<(i64, Timestamp)>) -> Result<(), ReplayError> {
        let Some(moment) = self.moments.pop_front() else {
            return Ok(());
        };
        let (entry, recorded_at) = match (self.head, moment, next) {
            (Some((last, _)), Moment::Entry(entry), None) if entry > last => {
                return Err(ReplayError::NoEntry { entry, last });
            }
            (Some(head), ..) => head,
            (None, Moment::At(at), Some((_, first))) => {
                return Err(ReplayError::BeforeFirst { at, first });
            }
            (None, Moment::Entry(entry), Some(_)) => {
                return Err(ReplayError::EntriesBeginAt1 { entry });
            }
            (None, ..) => return Err(ReplayError::Empty),
        };
        // The last snapshot need not be a copy.
        let state = if self.moments.is_empty() {
            std::mem::take(&mut self.state)
        } else {
            self.state.clone()
        };
        self.snapshots.push(Snapshot {
            state,
            at: match moment {
                Moment::At(at) => at,
                Moment::Entry(_) | Moment::Last => recorded_at,
            },
            entry,
            recorded_at,
            is_last: next.is_none(),
        });
        Ok(())
    }
}

/// Replays a file. It is read only as far as the last of the moments, and held to what can be seen
/// without a hash on the way; whether it is what was sealed, [`crate::verify::verify`] tells.
///
/// # Errors
/// [`ReplayError`].
pub fn replay_file(
    file: impl BufRead,
    moments: impl IntoIterator<Item = Moment>,
    mut progress: impl FnMut(u64),
) -> Result<Vec<Snapshot>, ReplayError> {
    let mut walk = Walk::open(file).map_err(VerifyError::Open)?;
    if walk.header().from != 1 {
        return Err(ReplayError::Begins(walk.header().from));
    }
    let mut replay = Replay::new(moments);
    let mut buffer = Vec::new();
    while let Some(line) = walk.next(&mut buffer)? {
        let entry = line.tenant_seq;
        if !replay.reach(entry, line.recorded_at)? {
            break;
        }
        let read = line.entry();
        let read = read.map_err(|cause| ReplayError::Envelope { entry, cause })?;
        let event = read.understood();
        replay.take(&event.map_err(|cause| ReplayError::Poison { entry, cause })?)?;
        if entry % 4_096 == 0 {
            progress(walk.bytes());
        }
    }
    progress(walk.bytes());
    replay.finish()
}
