//! Which kinds of tokens a client has asked for.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::CacheKey;

/// So many are remembered, as many as the default cache has room for; then the half that was not asked for
/// the longest is forgotten.
const MOST: usize = 10_000;

/// A cache may be shared with other clients and does not tell whose a token is, so each client remembers where
/// its own are.
#[derive(Debug)]
pub(super) struct Kinds {
    default: CacheKey,
    others: Mutex<HashMap<CacheKey, Instant>>,
}

impl Kinds {
    pub(super) fn new(default: CacheKey) -> Self {
        Self {
            default,
            others: Mutex::default(),
        }
    }

    pub(super) fn add(&self, key: &CacheKey) {
        let mut others = self.lock();
        let now = Instant::now();
        if let Some(last) = others.get_mut(key) {
            *last = now;
            return;
        }
        if others.len() >= MOST {
            let mut times: Vec<_> = others.values().copied().collect();
            let (_, median, _) = times.select_nth_unstable(MOST / 2);
            let median = *median;
            others.retain(|_, last| *last > median);
        }
        others.insert(key.clone(), now);
    }

    pub(super) fn all(&self) -> Vec<CacheKey> {
        let mut all: Vec<_> = self.lock().keys().cloned().collect();
        all.push(self.default.clone());
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, Instant>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
