//! Limits with long windows. What is used up of them is kept in the token log; a node takes a part of
//! what is left and uses that up in memory, so that few requests wait for it.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chancery_domain::Timestamp;
use chancery_token_log::{Lease, Quota, RecordError, TokenLog};
use quick_cache::sync::Cache;

/// Which part of what is left a node takes at a time, and how much at most. The less is left the
/// smaller are the parts, so that little is lost by nodes that do not use theirs.
const PART: u32 = 64;
const MOST: u32 = 1_000;

/// What this node knows of one quota.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    began: Option<Timestamp>,
    /// What all nodes have taken, as far as this one knows.
    taken: u32,
    /// What this node has taken and not used.
    left: u32,
}

impl Held {
    /// How much is used up, as far as this node knows, and when the window ends.
    pub(crate) fn at(&mut self, now: Timestamp, quota: &Quota) -> (u32, Timestamp) {
        let began = self.began.filter(|began| quota.runs(*began, now));
        let began = began.unwrap_or_else(|| {
            *self = Self::default();
            now
        });
        let end = began.plus_seconds(i64::from(quota.window_seconds));
        (self.taken.saturating_sub(self.left), end)
    }

    /// Whether the log has to be asked before one more can be counted. What is known to be used up
    /// stays so until the window ends: what is beyond a limit that is not enforced needs no count.
    pub(crate) fn is_short(&mut self, now: Timestamp, quota: &Quota) -> bool {
        let (used, _) = self.at(now, quota);
        let used_up = self.began.is_some() && used >= quota.requests;
        self.left == 0 && !used_up
    }

    /// One more, if there is one to be counted; and in which window it was.
    pub(crate) fn count(&mut self) -> Option<Timestamp> {
        self.left = self.left.checked_sub(1)?;
        self.began
    }

    /// One less of the window that began then, if it still runs.
    pub(crate) fn give_back(&mut self, began: Timestamp) {
        if self.began == Some(began) {
            self.left = self.left.saturating_add(1).min(self.taken);
        }
    }

    /// How much of the quota is to be asked for. Nobody is kept from a limit that is not enforced, so
    /// there the parts need not grow smaller.
    fn wanted(&self, quota: &Quota) -> u32 {
        let of = if quota.enforce {
            quota.requests.saturating_sub(self.taken)
        } else {
            quota.requests
        };
        (of / PART).clamp(1, MOST)
    }

    fn take_in(&mut self, lease: Lease) {
        if self.began != Some(lease.began) {
            *self = Self {
                began: Some(lease.began),
                ..Self::default()
            };
        }
        self.taken = lease.taken;
        self.left = self.left.saturating_add(lease.granted);
    }
}

/// One quota on this node.
#[derive(Default)]
pub(crate) struct Account {
    held: Mutex<Held>,
    /// One request at a time asks for more; the others wait for what it gets.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl Account {
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing that is done under the lock can leave it half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a part of what is left, unless somebody just has. A caller that hangs up meanwhile loses
    /// nothing of it: it is taken in by a task of its own.
    pub(crate) async fn refill(
        self: &Arc<Self>,
        log: &TokenLog,
        quota: &Quota,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        let asking = Arc::clone(&self.asking).lock_owned().await;
        let wanted = {
            let mut held = self.held();
            if !held.is_short(now, quota) {
                return Ok(());
            }
            held.wanted(quota)
        };
        let (account, log, quota) = (Arc::clone(self), log.clone(), *quota);
        let taking = tokio::spawn(async move {
            let lease = log.take_quota(&quota, wanted).await?;
            account.held().take_in(lease);
            drop(asking);
            Ok(())
        });
        // It ends early with the runtime alone.
        taking.await.unwrap_or(Err(RecordError::Closed))
    }
}

/// Accounts by key, no more than so many. What is forgotten is asked for again; the part that it held
/// is lost.
pub(crate) struct Accounts<K>(Cache<K, Arc<Account>>);

impl<K: Clone + Eq + Hash> Accounts<K> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    pub(crate) fn of(&self, key: &K) -> Arc<Account> {
        match self
            .0
            .get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Arc::default()))
        {
            Ok(account) => account,
        }
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::{Clock as _, TenantId};
    use chancery_testkit::{clock::TestClock, stores::TestStore};
    use chancery_token_log::TokenLogConfig;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

    fn quota(requests: u32, enforce: bool) -> Quota {
        Quota {
            tenant: TenantId::from_bytes([1; 16]),
            client: None,
            requests,
            window_seconds: 3_600,
            enforce,
        }
    }

    fn lease(taken: u32, granted: u32) -> Lease {
        Lease {
            began: NOW,
            taken,
            granted,
        }
    }

    #[test]
    fn what_was_taken_is_used_up_before_more_is_asked_for() {
        let mut held = Held::default();
        let quota = quota(5, true);
        assert!(held.is_short(NOW, &quota));
        held.take_in(lease(2, 2));
        for used in 0..2 {
            assert_eq!(held.at(NOW, &quota), (used, NOW.plus_seconds(3_600)));
            assert!(!held.is_short(NOW, &quota));
            assert_eq!(held.count(), Some(NOW));
        }
        assert!(held.is_short(NOW, &quota));
        // Another node has taken the rest but one.
        held.take_in(lease(5, 1));
        assert_eq!(held.at(NOW, &quota).0, 4);
        held.count();
        assert!(
            !held.is_short(NOW, &quota),
            "nothing is left, and nobody need be asked"
        );
        assert_eq!(held.at(NOW, &quota).0, 5);
        held.give_back(NOW.plus_seconds(1));
        assert_eq!(held.at(NOW, &quota).0, 5, "it was of another window");
        held.give_back(NOW);
        assert_eq!(held.at(NOW, &quota).0, 4);
    }

    #[test]
    fn a_window_that_ended_and_a_clock_that_was_set_back_are_asked_about_again() {
        let quota = quota(5, true);
        for moment in [NOW.plus_seconds(3_600), NOW.plus_seconds(-61)] {
            let mut held = Held::default();
            held.take_in(lease(5, 0));
            // The window may have begun by a clock that is a little ahead.
            for runs in [NOW, NOW.plus_seconds(3_599), NOW.plus_seconds(-60)] {
                assert!(!held.is_short(runs, &quota));
            }
            assert!(held.is_short(moment, &quota));
            assert_eq!(held.at(moment, &quota).0, 0);
        }
    }

    #[test]
    fn what_is_raised_is_asked_for() {
        let mut held = Held::default();
        held.take_in(lease(5, 0));
        let quota = quota(6, true);
        assert!(held.is_short(NOW, &quota));
        held.take_in(lease(6, 1));
        held.count();
        assert_eq!(held.at(NOW, &quota).0, 6);
    }

    /// Each time it is short is a transaction, and they come one after the other.
    #[test]
    fn a_limit_that_is_not_enforced_is_seldom_asked_for_and_never_beyond_it() {
        let quota = quota(640, false);
        let (mut held, mut asked, mut taken) = (Held::default(), 0, 0);
        for request in 0..10_000 {
            if held.is_short(NOW, &quota) {
                asked += 1;
                let wanted = held.wanted(&quota);
                taken += wanted;
                held.take_in(lease(taken, wanted));
            }
            let (used, _) = held.at(NOW, &quota);
            assert_eq!(used, request.min(640));
            assert_eq!(held.count().is_some(), request < 640);
        }
        assert_eq!(asked, 64);
    }

    #[tokio::test]
    async fn a_caller_that_hangs_up_loses_nothing_of_what_it_asked_for() {
        let store = TestStore::sqlite().await;
        let clock = Arc::new(TestClock::default());
        let now = clock.now();
        let config = TokenLogConfig::beside(store.location());
        let log = TokenLog::open(&config, &store, clock).await.unwrap();
        let (account, quota) = (Arc::<Account>::default(), quota(640, true));
        tokio::select! {
            biased;
            _ = account.refill(&log, &quota, now) => panic!("it waits for the log"),
            () = std::future::ready(()) => {}
        }
        // The next one waits for what the first has asked for.
        account.refill(&log, &quota, now).await.unwrap();
        {
            let held = account.held();
            assert_eq!((held.taken, held.left), (10, 10));
        }
        log.close().await;
    }
}
