//! What issuers said about tokens, and the questions that are on their way.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;
use tokio::{sync::watch, time::Instant};

use crate::Error;

/// So many answers are remembered.
const ANSWERS: usize = 10_000;

/// Whether the token is active, or why nobody knows.
type Asked = Result<bool, Error>;

/// A token, as it is remembered: nobody can read it out of there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }
}

/// An answer, and when it was asked for: by the time of day, which may be a test's, and by the time that passes,
/// which nobody sets back.
#[derive(Clone, Copy)]
struct Answer {
    active: bool,
    at: (SystemTime, Instant),
}

impl Answer {
    fn is_older_than(&self, age: Duration, now: SystemTime) -> bool {
        let by_the_clock = now.duration_since(self.at.0);
        self.at.1.elapsed() >= age || by_the_clock.is_ok_and(|passed| passed >= age)
    }
}

pub(super) struct Answers {
    known: Cache<Key, Answer>,
    under_way: Mutex<HashMap<Key, watch::Receiver<Option<Asked>>>>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            known: Cache::new(ANSWERS),
            under_way: Mutex::default(),
        }
    }
}

impl Answers {
    /// The answer about this token, if it is younger than that.
    pub(super) fn known(&self, key: &Key, age: Duration, now: SystemTime) -> Option<bool> {
        let answer = self.known.get(key)?;
        (!answer.is_older_than(age, now)).then_some(answer.active)
    }

    /// What was said of this token last, however long ago, and whether that is less than `age`.
    pub(super) fn last(&self, key: &Key, age: Duration, now: SystemTime) -> Option<(bool, bool)> {
        let answer = self.known.get(key)?;
        Some((answer.active, !answer.is_older_than(age, now)))
    }

    /// Asks, or waits for the question that is on its way: however many requests bring the same token, there is
    /// one. It is a task of its own, so the answer is remembered although everybody has gone away.
    pub(super) async fn ask(
        self: &Arc<Self>,
        key: Key,
        age: Duration,
        now: SystemTime,
        ask: impl Future<Output = Asked> + Send + 'static,
    ) -> Asked {
        let mut seat = {
            let mut under_way = self.lock();
            if let Some(seat) = under_way.get(&key) {
                seat.clone()
            } else if let Some(active) = self.known(&key, age, now) {
                // It came between the look at what is known and this one.
                return Ok(active);
            } else {
                let (sender, seat) = watch::channel(None);
                under_way.insert(key, seat.clone());
                self.begin(key, (now, Instant::now()), ask, sender);
                seat
            }
        };
        match seat.wait_for(Option::is_some).await {
            Ok(asked) => asked.clone().unwrap_or(Err(Error::Interrupted)),
            Err(_) => Err(Error::Interrupted),
        }
    }

    fn begin(
        self: &Arc<Self>,
        key: Key,
        at: (SystemTime, Instant),
        ask: impl Future<Output = Asked> + Send + 'static,
        sender: watch::Sender<Option<Asked>>,
    ) {
        let landing = Landing {
            answers: Arc::clone(self),
            key,
        };
        tokio::spawn(async move {
            let landing = landing;
            let asked = ask.await;
            if let Ok(active) = asked {
                landing.answers.known.insert(key, Answer { active, at });
            }
            // Whoever asks from here on finds the answer.
            drop(landing);
            sender.send_replace(Some(asked));
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Option<Asked>>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

/// Ends a question, also one that panics or is dropped with its runtime.
struct Landing {
    answers: Arc<Answers>,
    key: Key,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.answers.lock().remove(&self.key);
    }
}
