//! How many tenants are looked for that may not exist.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{Rejection, Unavailable};

/// A seat that is not given back is free again after this.
const TURN: Duration = Duration::from_secs(1);
/// Nobody waits for a seat for longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Seats(Arc<Semaphore>);

/// The right to look for one tenant.
#[derive(Debug)]
pub(super) struct Seat {
    permit: Option<OwnedSemaphorePermit>,
    taken_at: Instant,
}

impl Seats {
    pub(super) fn new(all: u32) -> Self {
        let all = usize::try_from(all).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))))
    }

    /// A seat: at once, or in turn.
    pub(super) async fn take(&self) -> Result<Seat, Rejection> {
        let permit = Arc::clone(&self.0).acquire_owned();
        match tokio::time::timeout(PATIENCE, permit).await {
            Ok(Ok(permit)) => Ok(Seat {
                permit: Some(permit),
                taken_at: Instant::now(),
            }),
            _ => Err(Rejection::Unavailable {
                cause: Unavailable::Busy,
                retry_after: TURN,
            }),
        }
    }
}

impl Seat {
    /// The tenant is there: the search for it was nobody's trick.
    pub(super) fn give_back(mut self) {
        self.permit = None;
    }
}

impl Drop for Seat {
    /// Whoever was looked for in vain, or hung up meanwhile, takes up the seat for its whole time.
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take()
            && let Ok(runtime) = Handle::try_current()
        {
            let until = self.taken_at + TURN;
            runtime.spawn(async move {
                tokio::time::sleep_until(until).await;
                drop(permit);
            });
        }
    }
}
