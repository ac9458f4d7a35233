//! Places for connections: there are never more than files for them, and where all are taken, whoever has been
//! idle longest makes room.
//!
//! A connection is idle while no request of it is under way: before its head is complete, and after its answer. So
//! strangers who connect and say nothing, or a head in drips, are the first to go; a client that asks at once is
//! not touched, and one whose idle connection is closed connects anew, as after any pause of fifteen seconds.
//! Turning newcomers away instead would leave the places to whoever took them first. Nobody goes who has just come
//! or has just been answered: else those who come fast enough would drive out clients before they have asked.
//!
//! Whoever is idle for too long goes even where there is room; and a server that stops tells everybody to finish. What
//! a connection is told it finds in its seat whenever it wakes: that costs a look, where a timer and a channel for each
//! request, or for each connection, would cost locks that all of them share.

mod seat;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chancery_telemetry::Counter;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use self::seat::Seat;

pub(crate) use self::seat::{Seated, UnderWay, Word};

/// How long to wait for somebody to end, where nobody is idle, before it is looked again.
const LOOK: Duration = Duration::from_millis(20);
/// How long a connection is idle at least before it makes room: enough to agree on keys and to say what is wanted.
const GRACE: Duration = Duration::from_millis(250);
/// Which part of all places is made free at once: looking through all of them for each newcomer would cost more
/// than the newcomer.
const PART: usize = 64;

/// The places of one address.
pub(crate) struct Places {
    bound: usize,
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
    next: AtomicU64,
    began: Instant,
    given_up: Counter,
}

/// Who is there.
#[derive(Default)]
struct Taken {
    seats: HashMap<u64, Arc<Seat>>,
    /// What everybody is told, and whoever comes.
    told: Word,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    number: u64,
    seat: Seated,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

/// The connection was idle for longest and has to make room.
#[derive(Debug, thiserror::Error)]
#[error("the connection made room for another")]
pub(crate) struct MadeRoom;

impl Places {
    /// So many places.
    pub(crate) fn new(bound: usize) -> Arc<Self> {
        let bound = bound.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            bound,
            free: Arc::new(Semaphore::new(bound)),
            taken: Mutex::default(),
            next: AtomicU64::new(0),
            began: Instant::now(),
            given_up: Counter::default(),
        })
    }

    /// A place, as soon as there is one. Where there is none, those that have been idle longest are closed; where
    /// nobody is idle, it is waited until somebody is, or ends.
    pub(crate) async fn take(self: &Arc<Self>) -> Place {
        let free = || self.free.clone();
        if let Ok(permit) = free().try_acquire_owned() {
            return self.seat(permit);
        }
        loop {
            self.make_room();
            if let Ok(Ok(permit)) = timeout(LOOK, free().acquire_owned()).await {
                return self.seat(permit);
            }
        }
    }

    fn seat(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let seat = Arc::new(Seat::idle_since(self.began.elapsed()));
        let mut taken = self.taken();
        seat.tell(taken.told);
        taken.seats.insert(number, seat.clone());
        drop(taken);
        Place {
            number,
            seat: Seated::new(seat, self.began),
            places: self.clone(),
            _permit: permit,
        }
    }

    fn make_room(&self) {
        let Some(before) = self.began.elapsed().checked_sub(GRACE) else {
            return;
        };
        let taken = self.taken();
        let idle = taken.seats.values();
        let idle = idle.filter_map(|seat| Some((seat.idle_before(before)?, seat)));
        let mut idle: Vec<_> = idle.collect();
        let wanted = (self.bound / PART).clamp(1, idle.len().max(1));
        if wanted < idle.len() {
            idle.select_nth_unstable_by_key(wanted, |(since, _)| *since);
        }
        for (since, seat) in idle.into_iter().take(wanted) {
            if seat.give_up(since) {
                self.given_up.one();
            }
        }
    }

    /// Whoever has been idle for so long goes. Where an answer waits to be read, it is not for this to say how long.
    pub(crate) fn sweep(&self, patience: Duration) {
        let Some(before) = self.began.elapsed().checked_sub(patience) else {
            return;
        };
        for seat in self.taken().seats.values().filter(|seat| !seat.is_unread()) {
            if let Some(since) = seat.idle_before(before) {
                seat.give_up(since);
            }
        }
    }

    /// Tells everybody, and whoever comes.
    pub(crate) fn tell(&self, word: Word) {
        let mut taken = self.taken();
        taken.told = taken.told.max(word);
        for seat in taken.seats.values() {
            seat.tell(word);
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.bound.saturating_sub(self.free.available_permits())
    }

    /// How many there may be.
    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// How many made room for others.
    pub(crate) fn given_up(&self) -> u64 {
        self.given_up.get()
    }
}

impl Place {
    /// For its connection and its requests.
    pub(crate) fn seat(&self) -> &Seated {
        &self.seat
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().seats.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{advance, sleep};

    use super::*;

    /// Ends when it has to leave.
    async fn left(place: &Place) {
        assert!(
            place
                .seat()
                .until_told_to_leave(pending::<()>())
                .await
                .is_none()
        );
    }

    /// Whether it has to leave now.
    async fn leaves(place: &Place) -> bool {
        timeout(Duration::ZERO, left(place)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_idle_longest_makes_room_for_who_comes() {
        let places = Places::new(3);
        let mut taken = Vec::new();
        for _ in 0..3 {
            advance(Duration::from_secs(1)).await;
            taken.push(places.take().await);
        }
        // The first two have asked; the second is idle again, for less long than the third.
        advance(Duration::from_secs(1)).await;
        let _under_way = taken[0].seat().begin().unwrap();
        drop(taken[1].seat().begin().unwrap());
        let newcomer = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        left(&taken[2]).await;
        assert!(taken[2].seat().begin().is_err());
        assert_eq!(
            (leaves(&taken[0]).await, leaves(&taken[1]).await),
            (false, false)
        );
        drop(taken.pop());
        let _newcomer = newcomer.await.unwrap();
        assert_eq!((places.open(), places.given_up()), (3, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_who_is_asking_makes_room() {
        let places = Places::new(2);
        let (one, two) = (places.take().await, places.take().await);
        let under_way = one.seat().begin().unwrap();
        let mut upgraded = two.seat().begin().unwrap();
        upgraded.goes_on();
        drop(upgraded);
        assert!(
            timeout(Duration::from_mins(1), places.take())
                .await
                .is_err()
        );
        assert_eq!(places.given_up(), 0);
        // Its answer is sent: now it is idle.
        drop(under_way);
        let leaving = async {
            left(&one).await;
            drop(one);
        };
        let (_newcomer, ()) = tokio::join!(places.take(), leaving);
        assert_eq!(places.given_up(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_makes_room_who_has_just_come() {
        let places = Places::new(1);
        let came = Instant::now();
        let place = places.take().await;
        let leaving = async {
            left(&place).await;
            drop(place);
        };
        let (_newcomer, ()) = tokio::join!(places.take(), leaving);
        assert!(came.elapsed() >= GRACE, "{:?}", came.elapsed());
        assert!(came.elapsed() < 2 * GRACE, "{:?}", came.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn places_come_back() {
        let places = Places::new(1);
        for _ in 0..3 {
            let place = places.take().await;
            assert_eq!(places.open(), 1);
            drop(place);
        }
        sleep(LOOK).await;
        assert_eq!((places.open(), places.given_up()), (0, 0));
        assert!(places.taken().seats.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_idle_for_too_long_goes_and_nobody_else() {
        let patience = Duration::from_secs(15);
        let places = Places::new(4);
        let (silent, asking) = (places.take().await, places.take().await);
        let (asked, reading) = (places.take().await, places.take().await);
        let _under_way = asking.seat().begin().unwrap();
        reading.seat().unread(true);
        advance(patience).await;
        drop(asked.seat().begin().unwrap());
        advance(Duration::from_millis(1)).await;
        places.sweep(patience);
        for (place, goes) in [
            (&silent, true),
            (&asking, false),
            (&asked, false),
            (&reading, false),
        ] {
            assert_eq!(leaves(place).await, goes);
        }
        assert!(silent.seat().begin().is_err());
        // What waited is read: from now on it is idle.
        reading.seat().unread(false);
        places.sweep(patience);
        assert!(!leaves(&reading).await);
        advance(patience).await;
        places.sweep(patience);
        assert!(leaves(&reading).await && leaves(&asked).await && !leaves(&asking).await);
        assert_eq!(places.given_up(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_is_told_and_whoever_comes_later() {
        let places = Places::new(2);
        let before = places.take().await;
        let waits = tokio::spawn({
            let seat = before.seat().clone();
            async move { seat.until_told_to_leave(pending::<()>()).await }
        });
        tokio::task::yield_now().await;
        places.tell(Word::Finish);
        let after = places.take().await;
        for place in [&before, &after] {
            assert_eq!(place.seat().told(), Word::Finish);
            assert!(!leaves(place).await);
        }
        places.tell(Word::Leave);
        places.tell(Word::Finish);
        assert_eq!(waits.await.unwrap(), None);
        assert!(leaves(&before).await && leaves(&after).await);
        drop((before, after));
        assert!(leaves(&places.take().await).await);
    }
}
