//! What this node has signed or seen of each roll, kept outside the database.
//!
//! Whoever writes to the database can put a seal back to an earlier one. A node that remembers the last
//! checkpoint of each tenant, with its key, seals and serves nothing that contradicts it. It remembers in
//! its memory, and where it has a directory of its own in a file there, which holds one checkpoint for each
//! tenant: whoever has the database does not have that.

mod file;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included, Unbounded},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chancery_crypto::VerifierKey;
use chancery_domain::TenantId;
use chancery_event_store::StoredSeal;
use chancery_roll::checkpoint::{Checkpoint, SignedCheckpoint};

use super::SealedRoll;
use crate::error::Error;

pub use file::WitnessError;

/// The last checkpoint of a roll that a node has signed or seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The key that signed it.
    pub key: VerifierKey,
    /// The signed note.
    pub note: SignedCheckpoint,
}

impl Seen {
    /// What it says. Its signature was verified before it was remembered.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.note.claim()
    }

    /// Whether exactly this is stored, in a roll that reaches so far: then there is nothing that could contradict
    /// it, since it was verified before it was remembered.
    fn is(&self, stored: &StoredSeal) -> bool {
        let size = i64::try_from(self.checkpoint().size);
        stored.note == self.note.note()
            && stored.verifier_key == self.key.to_string()
            && stored.origin == self.key.name()
            && size == Ok(stored.size)
            && stored.head.is_some_and(|head| head >= stored.size)
    }
}

impl From<&SealedRoll> for Seen {
    fn from(sealed: &SealedRoll) -> Self {
        Self {
            key: sealed.key.clone(),
            note: sealed.note.clone(),
        }
    }
}

/// What one node remembers. Cheap to clone: clones are the same memory.
#[derive(Clone, Default)]
pub struct Witness(Arc<Inner>);

#[derive(Default)]
struct Inner {
    path: Option<PathBuf>,
    /// Whether it only compares with what others have remembered.
    compares: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: BTreeMap<TenantId, Seen>,
    /// What is contradicted now, and how.
    faults: BTreeMap<TenantId, String>,
    file: file::Position,
}

impl Witness {
    /// What is remembered in this file, and will be; one that is not there is made when there is
    /// something to remember. Processes may share it.
    ///
    /// # Errors
    /// [`WitnessError`]: a memory that cannot be read must not be taken for none.
    pub fn open(path: PathBuf) -> Result<Self, WitnessError> {
        Self::of(path, false)
    }

    /// What a server remembers in this file, for a command beside it: the command compares with that, and what
    /// it sees itself teaches nobody. It may have been given a copy of the database, and the server's directory.
    /// Only what somebody [accepts](crate::Application::accept_seals) is written.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn compare(path: PathBuf) -> Result<Self, WitnessError> {
        Self::of(path, true)
    }

    fn of(path: PathBuf, compares: bool) -> Result<Self, WitnessError> {
        let mut state = State::default();
        file::refresh(&path, &mut state)?;
        Ok(Self(Arc::new(Inner {
            path: Some(path),
            compares,
            state: Mutex::new(state),
        })))
    }

    /// Whether nothing is remembered: what a new installation must find.
    pub fn is_empty(&self) -> bool {
        self.0.state().seen.is_empty()
    }

    /// What was seen last of a tenant's roll.
    pub(super) async fn recall(&self, tenant: TenantId) -> Result<Option<Seen>, Error> {
        self.with(move |path, state| {
            if let Some(path) = path {
                file::refresh(path, state)?;
            }
            Ok(state.seen.get(&tenant).cloned())
        })
        .await
    }

    /// Remembers a checkpoint that was found to follow from the one before. What is further stays.
    pub(super) async fn keep(&self, tenant: TenantId, seen: Seen) -> Result<(), Error> {
        if self.0.compares {
            return Ok(());
        }
        let known = self.0.state().seen.get(&tenant).cloned();
        if known.is_some_and(|known| !file::is_further(&seen, &known)) {
            return Ok(());
        }
        self.with(move |path, state| file::remember(path, state, tenant, Some(seen), false))
            .await
    }

    /// Remembers this from now on, whatever was seen before; nothing, where there is nothing.
    pub(super) async fn accept(&self, tenant: TenantId, now: Option<Seen>) -> Result<(), Error> {
        self.with(move |path, state| {
            file::remember(path, state, tenant, now, true)?;
            state.faults.remove(&tenant);
            Ok(())
        })
        .await
    }

    /// So many tenants past this one of which something was seen.
    pub(crate) fn after(&self, after: Option<TenantId>, limit: usize) -> Vec<TenantId> {
        let state = self.0.state();
        let past = state.seen.keys();
        past.filter(|tenant| after.is_none_or(|after| **tenant > after))
            .take(limit)
            .copied()
            .collect()
    }

    /// Those tenants past the first place and up to the last one of which something else is stored than this
    /// node has seen, in the order of their ids: another seal, none any more, one that it has not seen yet; and
    /// those of which it has found before that they contradict it.
    pub(super) async fn other(
        &self,
        stored: Vec<StoredSeal>,
        (after, end): (Option<TenantId>, Option<TenantId>),
    ) -> Result<Vec<TenantId>, Error> {
        let range = (
            after.map_or(Unbounded, Excluded),
            end.map_or(Unbounded, Included),
        );
        self.with(move |path, state| {
            if let Some(path) = path {
                file::refresh(path, state)?;
            }
            let as_seen = |seal: &&StoredSeal| {
                let seen = state.seen.get(&seal.tenant);
                seen.is_some_and(|seen| seen.is(seal)) && !state.faults.contains_key(&seal.tenant)
            };
            let same = stored.iter().filter(as_seen).map(|seal| seal.tenant);
            let same: BTreeSet<_> = same.collect();
            let stored = stored.iter().map(|seal| seal.tenant);
            let seen = state.seen.range(range).map(|(tenant, _)| *tenant);
            let all: BTreeSet<_> = stored.chain(seen).collect();
            Ok(all.difference(&same).copied().collect())
        })
        .await
    }

    /// What contradicts what was seen, by tenant.
    pub(super) fn faults(&self) -> BTreeMap<TenantId, String> {
        self.0.state().faults.clone()
    }

    /// Something contradicts what was seen, or nothing does any more. Gives whether that is new.
    pub(super) fn found(&self, tenant: TenantId, fault: Option<&str>) -> bool {
        let mut state = self.0.state();
        match fault {
            Some(fault) => {
                let before = state.faults.insert(tenant, fault.to_owned());
                before.as_deref() != Some(fault)
            }
            None => state.faults.remove(&tenant).is_some(),
        }
    }

    /// Files are read and synced where that keeps nobody waiting.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(Option<&std::path::Path>, &mut State) -> Result<T, WitnessError>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let failed = |error| Error::Internal(Box::new(error));
        if self.0.path.is_none() {
            return work(None, &mut self.0.state()).map_err(failed);
        }
        let inner = self.0.clone();
        let done =
            tokio::task::spawn_blocking(move || work(inner.path.as_deref(), &mut inner.state()));
        done.await?.map_err(failed)
    }
}

impl Inner {
    /// Every change of the state is whole before the lock is let go, so a panic elsewhere spoils nothing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
