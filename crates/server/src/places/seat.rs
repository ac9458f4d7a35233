//! What is known of one connection, and what it is told.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::MadeRoom;

/// A request is under way, or the connection has become something else than HTTP.
const BUSY: u64 = 0;
/// It has to make room.
const GIVEN_UP: u64 = u64::MAX;

/// What a connection is told. What comes later outweighs what comes before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Word {
    /// To go on.
    #[default]
    GoOn,
    /// To finish what is under way, and begin nothing.
    Finish,
    /// To leave now.
    Leave,
}

impl Word {
    fn of(told: u8) -> Self {
        match told {
            0 => Self::GoOn,
            1 => Self::Finish,
            _ => Self::Leave,
        }
    }
}

pub(super) struct Seat {
    /// [`BUSY`], [`GIVEN_UP`], or since when it is idle, in microseconds.
    state: AtomicU64,
    /// An answer waits until its peer has read some of it.
    unread: AtomicBool,
    /// A [`Word`].
    told: AtomicU8,
    /// Who listens.
    listener: Mutex<Option<Waker>>,
}

impl Seat {
    pub(super) fn idle_since(moment: Duration) -> Self {
        Self {
            state: AtomicU64::new(idle_since(moment)),
            unread: AtomicBool::new(false),
            told: AtomicU8::new(Word::GoOn as u8),
            listener: Mutex::new(None),
        }
    }

    /// Since when it is idle, where that is so long.
    pub(super) fn idle_before(&self, moment: Duration) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        (state != BUSY && state <= idle_since(moment)).then_some(state)
    }

    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Acquire)
    }

    /// It leaves, where it is still idle since then. Else a request has come in meanwhile.
    pub(super) fn give_up(&self, since: u64) -> bool {
        let is_idle =
            self.state
                .compare_exchange(since, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire);
        if is_idle.is_ok() {
            self.tell(Word::Leave);
        }
        is_idle.is_ok()
    }

    pub(super) fn tell(&self, word: Word) {
        let before = self.told.fetch_max(word as u8, Ordering::AcqRel);
        if before < word as u8 {
            let listener = self.listener.lock();
            if let Some(listener) = &*listener.unwrap_or_else(PoisonError::into_inner) {
                listener.wake_by_ref();
            }
        }
    }

    /// Whoever listens from here on is woken by every word that was not said before.
    fn listen(&self, listener: &Waker) {
        let mut place = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(listener.clone());
    }

    /// Nobody listens any more: the place may stay for longer, with what the connection has become.
    fn unlisten(&self) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The part of a place that its connection and its requests need.
#[derive(Clone)]
pub(crate) struct Seated {
    seat: Arc<Seat>,
    /// When the places began, from which moments are counted.
    began: Instant,
}

impl Seated {
    pub(super) fn new(seat: Arc<Seat>, began: Instant) -> Self {
        Self { seat, began }
    }

    /// What it is told.
    pub(crate) fn told(&self) -> Word {
        Word::of(self.seat.told.load(Ordering::Acquire))
    }

    /// Goes on with this until it ends. `None`: it was told to leave before. One task listens at a time, and what
    /// is within is woken by every other word too.
    pub(crate) async fn until_told_to_leave<F: Future>(&self, within: F) -> Option<F::Output> {
        let mut within = pin!(within);
        let mut listens: Option<Waker> = None;
        std::future::poll_fn(|cx| {
            // A task has the same waker all the time, so this happens once.
            if !listens
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                self.seat.listen(cx.waker());
                listens = Some(cx.waker().clone());
            }
            if self.told() == Word::Leave {
                return Poll::Ready(None);
            }
            within.as_mut().poll(cx).map(Some)
        })
        .await
        .inspect(|_| self.seat.unlisten())
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

    /// Whether an answer waits to be read. When it does not any more, the connection rests.
    pub(crate) fn unread(&self, unread: bool) {
        if !unread {
            self.rests();
        }
        self.seat.unread.store(unread, Ordering::Release);
    }

    /// The connection is idle from now on, unless a request is under way.
    pub(crate) fn rests(&self) {
        let now = idle_since(self.began.elapsed());
        // It fails where there is nothing to do.
        let _ = self
            .seat
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (state != BUSY && state != GIVEN_UP).then_some(now)
            });
    }
}

/// A request under way; when it is dropped the connection is idle.
pub(crate) struct UnderWay(Option<Seated>);

impl UnderWay {
    /// The connection is something else from now on, and is never idle.
    pub(crate) fn goes_on(&mut self) {
        self.0 = None;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(Seated { seat, began }) = &self.0 {
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
