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
        (self.taken - self.left, end)
    }

    /// Whether the log has to be asked before one more can be counted. What is known to be used up
    /// stays so until the window ends.
    pub(crate) fn is_short(&mut self, now: Timestamp, quota: &Quota) -> bool {
        let (used, _) = self.at(now, quota);
        let used_up = quota.enforce && self.began.is_some() && used >= quota.requests;
        self.left == 0 && !used_up
    }

    pub(crate) fn count(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    pub(crate) fn give_back(&mut self) {
        self.left = self.left.saturating_add(1).min(self.taken);
    }

    fn take_in(&mut self, lease: Lease) {
        if self.began != Some(lease.began) {
            *self = Self {
                began: Some(lease.began),
                ..Self::default()
            };
        }
        self.taken = lease.taken;
        self.left += lease.granted;
    }
}

/// One quota on this node.
#[derive(Default)]
pub(crate) struct Account {
    held: Mutex<Held>,
    /// One request at a time asks for more; the others wait for what it gets.
    asking: tokio::sync::Mutex<()>,
}

impl Account {
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing that is done under the lock can leave it half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a part of what is left, unless somebody just has.
    pub(crate) async fn refill(
        &self,
        log: &TokenLog,
        quota: &Quota,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        let _asking = self.asking.lock().await;
        let wanted = {
            let mut held = self.held();
            if !held.is_short(now, quota) {
                return Ok(());
            }
            let left = quota.requests.saturating_sub(held.taken);
            (left / PART).clamp(1, MOST)
        };
        let lease = log.take_quota(quota, wanted).await?;
        self.held().take_in(lease);
        Ok(())
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

    pub(crate) fn known(&self, key: &K) -> Option<Arc<Account>> {
        self.0.get(key)
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::TenantId;

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
            held.count();
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
        held.give_back();
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
    fn what_is_not_enforced_is_counted_on_and_what_is_raised_is_asked_for() {
        let mut held = Held::default();
        held.take_in(lease(5, 0));
        assert!(held.is_short(NOW, &quota(5, false)));
        let quota = quota(6, true);
        assert!(held.is_short(NOW, &quota));
        held.take_in(lease(6, 1));
        held.count();
        assert_eq!(held.at(NOW, &quota).0, 6);
    }
}
