//! Places for connections: there are never more than files for them, and where all are taken, whoever has been
//! idle longest makes room.
//!
//! A connection is idle while no request of it is under way: before its head is complete, and after its answer. So
//! strangers who connect and say nothing, or a head in drips, are the first to go; a client that asks at once is
//! not touched, and one whose idle connection is closed connects anew, as after any pause of fifteen seconds.
//! Turning newcomers away instead would leave the places to whoever took them first. Nobody goes who has just come
//! or has just been answered: else those who come fast enough would drive out clients before they have asked.

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
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// How long to wait for somebody to end, where nobody is idle, before it is looked again.
const LOOK: Duration = Duration::from_millis(20);
/// How long a connection is idle at least before it makes room: enough to agree on keys and to say what is wanted.
const GRACE: Duration = Duration::from_millis(250);
/// Which part of all places is made free at once: looking through all of them for each newcomer would cost more
/// than the newcomer.
const PART: usize = 64;

/// A request is under way, or the connection has become something else than HTTP.
const BUSY: u64 = 0;
/// It has to make room.
const GIVEN_UP: u64 = u64::MAX;

/// The places of one address.
pub(crate) struct Places {
    bound: usize,
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<Seat>>>,
    next: AtomicU64,
    began: Instant,
    given_up: Counter,
}

/// What is known of one connection.
struct Seat {
    /// [`BUSY`], [`GIVEN_UP`], or since when it is idle, in microseconds.
    state: AtomicU64,
    leave: Notify,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    number: u64,
    seat: Arc<Seat>,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

/// The part of a place that requests need.
#[derive(Clone)]
pub(crate) struct Sitting {
    seat: Arc<Seat>,
    began: Instant,
}

/// A request under way; when it is dropped the connection is idle.
pub(crate) struct UnderWay(Option<Sitting>);

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
        let seat = Arc::new(Seat {
            state: AtomicU64::new(idle_since(self.began.elapsed())),
            leave: Notify::new(),
        });
        self.taken().insert(number, seat.clone());
        Place {
            number,
            seat,
            places: self.clone(),
            _permit: permit,
        }
    }

    fn make_room(&self) {
        let Some(before) = self.began.elapsed().checked_sub(GRACE) else {
            return;
        };
        let (before, taken) = (idle_since(before), self.taken());
        let idle = taken.values().filter_map(|seat| {
            let state = seat.state.load(Ordering::Acquire);
            (state != BUSY && state <= before).then_some((state, seat))
        });
        let mut idle: Vec<_> = idle.collect();
        let wanted = (self.bound / PART).clamp(1, idle.len().max(1));
        if wanted < idle.len() {
            idle.select_nth_unstable_by_key(wanted, |(since, _)| *since);
        }
        for (since, seat) in idle.into_iter().take(wanted) {
            let left =
                seat.state
                    .compare_exchange(since, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire);
            // Else a request has come in meanwhile.
            if left.is_ok() {
                seat.leave.notify_one();
                self.given_up.one();
            }
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Arc<Seat>>> {
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
    /// For its requests.
    pub(crate) fn sitting(&self) -> Sitting {
        Sitting {
            seat: self.seat.clone(),
            began: self.places.began,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(&self.number);
    }
}

impl Sitting {
    /// Until it has to make room, which is never while a request is under way.
    pub(crate) async fn has_to_leave(&self) {
        self.seat.leave.notified().await;
    }

    /// A request is here.
    pub(crate) fn begin(&self) -> Result<UnderWay, MadeRoom> {
        let begun = self
            .seat
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (state != GIVEN_UP).then_some(BUSY)
            });
        match begun {
            Ok(_) => Ok(UnderWay(Some(self.clone()))),
            Err(_) => Err(MadeRoom),
        }
    }
}

impl UnderWay {
    /// The connection is something else from now on, and is never idle.
    pub(crate) fn goes_on(&mut self) {
        self.0 = None;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(Sitting { seat, began }) = &self.0 {
            // Nobody but this request changes what is busy.
            seat.state
                .store(idle_since(began.elapsed()), Ordering::Release);
        }
    }
}

/// A moment, by how long after the beginning it was, as a state: at least 1, since 0 is no time.
fn idle_since(moment: Duration) -> u64 {
    u64::try_from(moment.as_micros())
        .unwrap_or(GIVEN_UP - 1)
        .clamp(1, GIVEN_UP - 1)
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    /// Whether it has to leave now.
    async fn leaves(place: &Place) -> bool {
        timeout(Duration::ZERO, place.sitting().has_to_leave())
            .await
            .is_ok()
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
        let _under_way = taken[0].sitting().begin().unwrap();
        drop(taken[1].sitting().begin().unwrap());
        let newcomer = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        taken[2].sitting().has_to_leave().await;
        assert!(taken[2].sitting().begin().is_err());
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
        let under_way = one.sitting().begin().unwrap();
        let mut upgraded = two.sitting().begin().unwrap();
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
            one.sitting().has_to_leave().await;
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
            place.sitting().has_to_leave().await;
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
        assert!(places.taken().is_empty());
    }
}
