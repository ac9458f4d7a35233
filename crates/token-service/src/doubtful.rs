//! Assertions that may be made up, of which few are looked up at a time.

use std::time::Duration;

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// The places for assertions from addresses beyond their limit: anybody can make one up, and to know it for
/// that may take the store.
pub(crate) struct Doubtful {
    places: Semaphore,
    patience: Duration,
}

/// One of them, for as long as the proof takes. It is given back when this is dropped.
#[must_use = "the place is given back when this is dropped"]
pub(crate) struct Place<'a>(#[expect(dead_code, reason = "kept for its Drop")] SemaphorePermit<'a>);

impl Doubtful {
    /// So many places, for each of which anybody waits for so long at most.
    pub(crate) fn new(places: usize, patience: Duration) -> Self {
        Self {
            places: Semaphore::new(places),
            patience,
        }
    }

    /// A place, in the order in which they are asked for; `None`: none became free in time.
    pub(crate) async fn place(&self) -> Option<Place<'_>> {
        let place = timeout(self.patience, self.places.acquire()).await;
        place.ok()?.ok().map(Place)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{
        task::{JoinHandle, yield_now},
        time::{Instant, advance},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);
    const SECOND: Duration = Duration::from_secs(1);

    fn two_places() -> Arc<Doubtful> {
        Arc::new(Doubtful::new(2, PATIENCE))
    }

    /// Somebody who waits for a place, and tells whether there was one and after how long.
    fn waiting(doubtful: &Arc<Doubtful>) -> JoinHandle<(bool, Duration)> {
        let (doubtful, since) = (doubtful.clone(), Instant::now());
        tokio::spawn(async move {
            let place = doubtful.place().await;
            (place.is_some(), since.elapsed())
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_given_at_once_while_one_is_free() {
        let (doubtful, since) = (two_places(), Instant::now());
        let (one, other) = (doubtful.place().await, doubtful.place().await);
        assert!(one.is_some() && other.is_some());
        assert_eq!(since.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_none_is_told_so_after_the_patience() {
        let doubtful = two_places();
        let _taken = (doubtful.place().await, doubtful.place().await);
        assert_eq!(waiting(&doubtful).await.unwrap(), (false, PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_given_back_goes_to_who_waits_longest() {
        let doubtful = two_places();
        let (one, _other) = (doubtful.place().await, doubtful.place().await);
        let first = waiting(&doubtful);
        yield_now().await;
        let second = waiting(&doubtful);
        yield_now().await;
        advance(SECOND).await;
        drop(one);
        assert_eq!(first.await.unwrap(), (true, SECOND));
        // The first has given it back in turn.
        assert_eq!(second.await.unwrap(), (true, SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_hangs_up_has_no_place_any_more() {
        let doubtful = two_places();
        let _taken = doubtful.place().await;
        let holder = doubtful.clone();
        let proving = tokio::spawn(async move {
            let _place = holder.place().await;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        let gone = waiting(&doubtful);
        yield_now().await;
        let next = waiting(&doubtful);
        yield_now().await;
        // One hangs up while it waits, the other while it is proved.
        gone.abort();
        proving.abort();
        assert_eq!(next.await.unwrap(), (true, Duration::ZERO));
    }
}
