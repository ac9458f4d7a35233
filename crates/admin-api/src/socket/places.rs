use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chancery_domain::Actor;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// How many connections a node holds.
const PER_NODE: usize = 1_024;
/// How many of them one client has.
const PER_CALLER: usize = 16;
/// How long the last words of every connection may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// The open subscriptions' connections of a node: how many there are, and how they all end. Cheap to
/// clone; every clone is the same.
#[derive(Clone)]
pub struct Sockets {
    places: Arc<Semaphore>,
    callers: Arc<Mutex<HashMap<String, usize>>>,
    open: TaskTracker,
    stop: CancellationToken,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PER_NODE)),
            callers: Arc::default(),
            open: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }
}

/// The place of one connection, given back when it is dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _open: TaskTrackerToken,
    sockets: Sockets,
}

/// One of the connections that a caller may have, given back when it is dropped.
pub(super) struct OfCaller {
    callers: Arc<Mutex<HashMap<String, usize>>>,
    caller: String,
}

impl Sockets {
    /// Tells every client that the server is going away, and waits a little until they know. A
    /// connection that is made afterwards is told at once.
    pub async fn close(&self) {
        self.stop.cancel();
        self.open.close();
        if tokio::time::timeout(FAREWELL, self.open.wait())
            .await
            .is_err()
        {
            tracing::warn!("some WebSockets did not end in time and are cut");
        }
    }

    pub(super) fn place(&self) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some(Place {
            _permit: permit,
            _open: self.open.token(),
            sockets: self.clone(),
        })
    }
}

impl Place {
    /// Ends when the server stops.
    pub(super) async fn stopped(&self) {
        self.sockets.stop.cancelled().await;
    }

    /// A place among those of the caller; `None`: it has as many as it may.
    pub(super) fn of_caller(&self, actor: &Actor) -> Option<OfCaller> {
        let caller = actor.to_string();
        let callers = self.sockets.callers.clone();
        let mut counts = callers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(caller.clone()).or_default();
        if *count >= PER_CALLER {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(OfCaller { callers, caller })
    }
}

impl Drop for OfCaller {
    fn drop(&mut self) {
        let mut counts = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::ClientId;

    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let sockets = Sockets::default();
        let [one, other] = [1, 2].map(|byte| Actor::Client(ClientId::from_bytes([byte; 16])));
        let place = sockets.place().unwrap();
        let held: Vec<_> = (0..PER_CALLER)
            .map(|_| place.of_caller(&one).unwrap())
            .collect();
        assert!(place.of_caller(&one).is_none());
        assert!(place.of_caller(&other).is_some());
        drop(held);
        assert!(place.of_caller(&one).is_some());
        let rest: Vec<_> = (1..PER_NODE).map(|_| sockets.place().unwrap()).collect();
        assert!(sockets.place().is_none());
        drop(rest);
        assert!(sockets.place().is_some());
        assert!(
            sockets.callers.lock().unwrap().is_empty(),
            "nothing is kept of who is gone"
        );
    }
}
