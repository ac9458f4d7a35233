//! One request on its way for each key, however many wait for it.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{AccessToken, CacheKey, Error, fetch::LONGEST};

type Outcome = Result<AccessToken, Error>;

/// A refusal is repeated from memory for so long, so that a caller in a loop does not hammer the server.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// After a failure, nobody who holds a token that is still good asks again for so long.
const LEFT_ALONE: Duration = Duration::from_secs(5);
/// From so many keys on, failures of the past are forgotten.
const MANY: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    of: HashMap<CacheKey, Slot>,
    /// How many were left when the past was forgotten last.
    left: usize,
}

#[derive(Debug, Default)]
struct Slot {
    under_way: Option<(Instant, watch::Receiver<Option<Outcome>>)>,
    failed: Option<(Instant, Error)>,
    /// Until when no token is replaced before its time.
    renewed_until: Option<Instant>,
}

/// A seat on a flight.
#[derive(Debug)]
pub(super) struct Seat(watch::Receiver<Option<Outcome>>);

impl Seat {
    /// Waits for the flight to end.
    pub(super) async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(Error::Interrupted)),
            Err(_) => Err(Error::Interrupted),
        }
    }
}

impl Flights {
    /// A seat on the flight for this key. Where there is none, one begins: a task of its own, which a
    /// caller that goes away does not end.
    pub(super) fn join<F>(
        self: &Arc<Self>,
        key: &CacheKey,
        begin: impl FnOnce() -> F,
    ) -> Result<Seat, Error>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut slots = self.lock();
        slots.forget_the_past();
        let slot = slots.of.entry(key.clone()).or_default();
        if let Some((_, under_way)) = &slot.under_way {
            return Ok(Seat(under_way.clone()));
        }
        if let Some((at, error)) = &slot.failed
            && !error.is_retryable()
            && at.elapsed() < REFUSED_FOR
        {
            return Err(error.clone());
        }
        let (sender, receiver) = watch::channel(None);
        slot.under_way = Some((Instant::now(), receiver.clone()));
        drop(slots);

        let landing = Landing {
            flights: Arc::clone(self),
            key: key.clone(),
            failed: None,
        };
        let flight = begin();
        tokio::spawn(async move {
            let mut landing = landing;
            let outcome = flight.await;
            landing.failed = outcome.as_ref().err().cloned();
            // Whoever asks from here on finds the token in the cache.
            drop(landing);
            sender.send_replace(Some(outcome));
        });
        Ok(Seat(receiver))
    }

    /// How asking for this key failed a moment ago, if it did.
    pub(super) fn failed_lately(&self, key: &CacheKey) -> Option<Error> {
        let slots = self.lock();
        let (at, error) = slots.of.get(key)?.failed.as_ref()?;
        (at.elapsed() < LEFT_ALONE).then(|| error.clone())
    }

    /// For how long one who holds a token that is still good waits for another: all together for no longer than
    /// this, and not at all once it is known that the server is in trouble.
    pub(super) fn patience(&self, key: &CacheKey, longest: Duration) -> Duration {
        let slots = self.lock();
        let Some(slot) = slots.of.get(key) else {
            return longest;
        };
        if matches!(&slot.failed, Some((_, error)) if error.is_trouble()) {
            return Duration::ZERO;
        }
        let begun = slot.under_way.as_ref().map(|(begun, _)| *begun);
        longest.saturating_sub(begun.map_or(Duration::ZERO, |begun| begun.elapsed()))
    }

    /// Whether a token may be replaced before its time: no more often than once in `interval`.
    pub(super) fn may_renew(&self, key: &CacheKey, interval: Duration) -> bool {
        let mut slots = self.lock();
        slots.forget_the_past();
        let slot = slots.of.entry(key.clone()).or_default();
        let now = Instant::now();
        let may = slot.renewed_until.is_none_or(|until| until <= now);
        if may {
            slot.renewed_until = Some(now + interval.min(LONGEST));
        }
        may
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// Forgets what is of no use any more, once there are many; and not again before there are twice as many, so
    /// that it costs each flight the same.
    fn forget_the_past(&mut self) {
        self.left = self.left.min(self.of.len());
        if self.of.len() > MANY.max(self.left.saturating_mul(2)) {
            self.of.retain(|_, slot| slot.is_of_use());
            self.left = self.of.len();
        }
    }
}

impl Slot {
    fn is_of_use(&self) -> bool {
        let lately = |(at, _): &(Instant, Error)| at.elapsed() < LEFT_ALONE;
        self.under_way.is_some()
            || self.failed.as_ref().is_some_and(lately)
            || self
                .renewed_until
                .is_some_and(|until| until > Instant::now())
    }
}

/// Ends a flight, also one that panics or is dropped with its runtime.
struct Landing {
    flights: Arc<Flights>,
    key: CacheKey,
    failed: Option<Error>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut slots = self.flights.lock();
        if let Some(slot) = slots.of.get_mut(&self.key) {
            slot.under_way = None;
            slot.failed = self.failed.take().map(|error| (Instant::now(), error));
            if !slot.is_of_use() {
                slots.of.remove(&self.key);
            }
        }
    }
}
