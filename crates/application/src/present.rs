//! Whether this node's clock may be believed. One that was set back would bring back what has ended:
//! tokens, clients, sessions, revoked keys. So it is held against what is known to have been.
//!
//! - For the tenant concerned, its newest entry: behind that nobody of it is let in and nothing of it changes,
//!   whichever of the two is wrong.
//! - For everybody, a moment by which this node itself has gone, when its clock was believed.
//! - For everybody, where no database has a clock of its own, a moment that the rolls of two tenants have come to.
//!   One roll alone may have an entry from the future, and is then closed alone.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::Backend;

use crate::{Application, error::Error};

/// What is known to have been.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The latest moment by which this node has gone, in microseconds.
    gone_by: AtomicI64,
    rolls: Mutex<Furthest>,
}

/// The two rolls that have come furthest, of those that this node has seen: the furthest first.
#[derive(Debug, Default)]
struct Furthest([Option<(Timestamp, TenantId)>; 2]);

impl Furthest {
    fn see(&mut self, tenant: TenantId, recorded: Timestamp) {
        let [first, second] = self.0;
        let seen = Some((recorded, tenant));
        let is_first = first.is_some_and(|(_, known)| known == tenant);
        self.0 = match (first, second) {
            _ if is_first => [first.max(seen), second],
            _ if seen > first => [seen, first],
            _ => [first, second.max(seen)],
        };
    }

    /// What two of them have come to.
    fn of_two(&self) -> Option<Timestamp> {
        self.0[1].map(|(recorded, _)| recorded)
    }
}

/// The clock shows a moment long before what is known to have been.
#[derive(Debug, thiserror::Error)]
enum ClockBehind {
    #[error(
        "this node's clock shows {now}, and an entry of this tenant was recorded at {recorded}: set the clock right; if it is right, see \"Clocks\" in docs/operations.md"
    )]
    Roll { now: Timestamp, recorded: Timestamp },
    #[error("this node's clock shows {now}, and it has been {known} already: set the clock right")]
    Node { now: Timestamp, known: Timestamp },
}

impl Application {
    /// The present moment, if the clock is behind neither what was recorded of this tenant then nor what is
    /// known of all.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) fn now_after(
        &self,
        tenant: TenantId,
        recorded: Timestamp,
    ) -> Result<Timestamp, Error> {
        let of_two = {
            let rolls = &self.known.rolls;
            let mut rolls = rolls.lock().unwrap_or_else(PoisonError::into_inner);
            rolls.see(tenant, recorded);
            rolls.of_two()
        };
        let of_two = match self.parts.store.backend() {
            Backend::Sqlite => of_two,
            // Its clock is what this node's is held against, all the time.
            Backend::Postgres => None,
        };
        let gone_by = Timestamp::from_micros(self.known.gone_by.load(Ordering::Relaxed));
        let known = of_two.map_or(gone_by, |of_two| of_two.max(gone_by));
        let now = self.now();
        let behind = |fault: ClockBehind| Err(Error::Unavailable(Box::new(fault)));
        if now.is_behind(known) {
            return behind(ClockBehind::Node { now, known });
        }
        if now.is_behind(recorded) {
            return behind(ClockBehind::Roll { now, recorded });
        }
        if self.parts.clock.trusted().is_ok() {
            let now = now.micros();
            self.known.gone_by.fetch_max(now, Ordering::Relaxed);
        }
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(moments: &[(u8, i64)]) -> Option<i64> {
        let mut furthest = Furthest::default();
        for (tenant, at) in moments {
            let tenant = TenantId::from_bytes([*tenant; 16]);
            furthest.see(tenant, Timestamp::from_micros(*at));
        }
        furthest.of_two().map(Timestamp::micros)
    }

    #[test]
    fn it_takes_two_rolls_to_come_to_a_moment() {
        assert_eq!(seen(&[]), None);
        assert_eq!(seen(&[(1, 900), (1, 950), (1, 10)]), None);
        assert_eq!(seen(&[(1, 900), (2, 5), (3, 7), (2, 6)]), Some(7));
        assert_eq!(seen(&[(2, 5), (1, 900), (2, 8), (2, 7)]), Some(8));
        assert_eq!(seen(&[(2, 5), (3, 6), (1, 900)]), Some(6));
        assert_eq!(seen(&[(2, 5), (3, 6), (3, 900), (2, 901)]), Some(900));
        assert_eq!(seen(&[(2, 5), (3, 5), (2, 5)]), Some(5));
    }
}
