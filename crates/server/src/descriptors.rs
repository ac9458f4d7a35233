//! How many files this process may have open: each connection is one, and so is whatever the store needs.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// What is kept back beside the store's connections: standard streams, listeners, the runtime's own, files
/// that are read and exchanged, and connections to a collector.
const FILES: usize = 32;
/// What one connection to a store may have open: SQLite has the database, its log and what is beside it.
const FOR_EACH: usize = 3;
/// What of the connections is for operators, probes and Prometheus where they have an address of their own, so
/// that nobody at the other one can shut them out.
const INTERNAL: usize = 64;
/// More connections than anybody has: where the system sets no limit, this is it.
const MOST: usize = 1 << 20;

/// Raises the number of files that may be open to the most that this user is given, and says what it is. What the
/// system starts a process with (often 1,024) is meant for programs that wait with `select`.
pub(crate) fn raise() -> usize {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, soft, hard, "the number of files that may be open could not be raised");
    }
    limit()
}

/// How many files may be open.
pub(crate) fn limit() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| counted(soft))
}

fn counted(limit: rlim_t) -> usize {
    usize::try_from(limit).map_or(MOST, |limit| limit.min(MOST))
}

/// How the files that may be open are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// How many connections there may be from outside.
    pub(crate) connections: usize,
    /// Whether what the stores need is kept back for them, whatever comes from outside.
    pub(crate) is_enough: bool,
}

impl Shares {
    /// Of so many files, beside so many connections to stores. Where there are too few for both, a quarter of
    /// them is for whoever asks: a server that lets nobody in is of no use.
    pub(crate) fn of(limit: usize, stores: usize) -> Self {
        let left = limit.saturating_sub(FILES + FOR_EACH * stores);
        let least = limit / 4;
        Self {
            connections: left.max(least).max(1),
            is_enough: left >= least,
        }
    }

    /// What of the connections is for the internal address, where there is one.
    pub(crate) fn internal(self, is_apart: bool) -> usize {
        if is_apart {
            (self.connections / 4).min(INTERNAL)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stores_need_is_kept_back() {
        let shares = Shares::of(1_024, 22);
        assert_eq!(shares.connections, 1_024 - 32 - 66);
        assert!(shares.is_enough);
    }

    #[test]
    fn too_few_are_shared_and_it_is_told() {
        let shares = Shares::of(64, 22);
        assert_eq!((shares.connections, shares.is_enough), (16, false));
        assert_eq!(Shares::of(0, 22).connections, 1);
    }

    #[test]
    fn operators_have_a_share_of_their_own_where_they_have_an_address() {
        let internal = |limit, apart| Shares::of(limit, 22).internal(apart);
        assert_eq!((internal(65_536, true), internal(64, true)), (64, 4));
        assert_eq!((internal(65_536, false), internal(0, true)), (0, 0));
    }

    #[test]
    fn no_limit_is_a_million() {
        assert_eq!(counted(nix::sys::resource::RLIM_INFINITY), 1 << 20);
    }
}
