//! Whether records can be written, as those find it that are: what a database says of itself is less than what it
//! does with them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chancery_domain::Timestamp;
use chancery_event_store::{StoreError, Trial};

/// For how long nothing may be written while something waits. Whoever asked then has been refused by now.
const PATIENCE: i64 = 5;

/// For how many seconds what was written shows that more can be. The first record that cannot be shows the contrary.
const SHOWS: i64 = 30;

/// Why records cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritten {
    /// The store failed, and nothing was written since.
    #[error("the last records could not be written: {0}")]
    Failed(StoreError),
    /// The store does not fail either: somebody else holds a lock, or a disk stands still.
    #[error("records have waited for {0} s to be written, and none is")]
    Stands(i64),
}

/// What became of the last batches, and of trials where there were none.
#[derive(Default)]
pub(crate) struct Condition(Mutex<State>);

#[derive(Default)]
struct State {
    /// Since when a batch waits for the store.
    batch: Option<Timestamp>,
    /// Since when trials come to nothing, since somebody else writes.
    trial: Option<Timestamp>,
    /// When something was written last.
    written: Option<Timestamp>,
    /// When the store failed last, if nothing was written since.
    failed: Option<(Timestamp, StoreError)>,
}

impl Condition {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch is on its way.
    pub(crate) fn begins(&self, now: Timestamp) {
        self.state().batch = Some(now);
    }

    /// It is written.
    pub(crate) fn wrote(&self, now: Timestamp) {
        *self.state() = State {
            written: Some(now),
            ..State::default()
        };
    }

    /// It is not written, for the store's sake.
    pub(crate) fn failed(&self, now: Timestamp, error: &StoreError) {
        let mut state = self.state();
        state.batch = None;
        state.failed = Some((now, error.clone()));
    }

    /// It is not written, for its own sake.
    pub(crate) fn refused(&self) {
        self.state().batch = None;
    }

    /// Whether there is nothing to find out: something was written a moment ago, and nothing says that more cannot be.
    pub(crate) fn is_known(&self, now: Timestamp) -> bool {
        let state = self.state();
        let lately = |written: Timestamp| now < written.plus_seconds(SHOWS);
        state.written.is_some_and(lately)
            && state.failed.is_none()
            && state.trial.is_none()
            && state.verdict(now).is_ok()
    }

    /// Somebody tries, and may be gone before it is known what comes of it.
    pub(crate) fn tries(&self, now: Timestamp) {
        self.state().trial.get_or_insert(now);
    }

    /// A trial that began then came to its end now.
    pub(crate) fn tried(&self, began: Timestamp, now: Timestamp, found: Result<Trial, StoreError>) {
        let mut state = self.state();
        match found {
            Ok(Trial::Written) => {
                state.trial = None;
                // A trial is small and finds room where a batch did not. So it tells against batches only
                // when there are none any more.
                let over = |(at, _): &(Timestamp, StoreError)| now >= at.plus_seconds(PATIENCE);
                if state.failed.as_ref().is_none_or(over) {
                    state.failed = None;
                    state.written = Some(now);
                }
            }
            // It goes on with the next.
            Ok(Trial::Busy) => {}
            Err(error) => {
                state.trial = None;
                // What was written meanwhile is worth more.
                if state.written.is_none_or(|written| written < began) {
                    state.failed = Some((now, error));
                }
            }
        }
    }

    /// Whether records can be written, as far as was seen.
    pub(crate) fn verdict(&self, now: Timestamp) -> Result<(), Unwritten> {
        self.state().verdict(now)
    }
}

impl State {
    fn verdict(&self, now: Timestamp) -> Result<(), Unwritten> {
        if let Some((_, error)) = &self.failed {
            return Err(Unwritten::Failed(error.clone()));
        }
        let since = self.batch.into_iter().chain(self.trial).min();
        let waited = since.map_or(0, |since| now.seconds() - since.seconds());
        if waited >= PATIENCE {
            return Err(Unwritten::Stands(waited));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).plus_seconds(second)
    }

    fn full() -> StoreError {
        StoreError::Misuse("full".to_owned())
    }

    #[test]
    fn what_stands_still_is_told_when_it_lasts_and_until_something_is_written() {
        let condition = Condition::default();
        condition.begins(at(0));
        assert_eq!(condition.verdict(at(4)), Ok(()));
        assert_eq!(condition.verdict(at(7)), Err(Unwritten::Stands(7)));
        condition.wrote(at(8));
        assert_eq!(condition.verdict(at(100)), Ok(()));
    }

    #[test]
    fn a_failure_counts_at_once_and_until_the_first_success() {
        let condition = Condition::default();
        condition.wrote(at(0));
        assert!(condition.is_known(at(1)));
        condition.begins(at(1));
        condition.failed(at(1), &full());
        assert_eq!(condition.verdict(at(1)), Err(Unwritten::Failed(full())));
        assert!(!condition.is_known(at(1)), "somebody has to find out");
        condition.begins(at(2));
        assert_eq!(condition.verdict(at(2)), Err(Unwritten::Failed(full())));
        condition.wrote(at(2));
        assert_eq!(condition.verdict(at(2)), Ok(()));
    }

    #[test]
    fn a_record_that_is_refused_says_nothing_of_the_store() {
        let condition = Condition::default();
        condition.begins(at(0));
        condition.refused();
        assert_eq!(condition.verdict(at(1_000)), Ok(()));
    }

    #[test]
    fn a_trial_that_succeeds_counts_when_batches_fail_no_more() {
        let condition = Condition::default();
        condition.failed(at(0), &full());
        condition.tried(at(1), at(1), Ok(Trial::Written));
        assert!(condition.verdict(at(1)).is_err());
        condition.tried(at(5), at(5), Ok(Trial::Written));
        assert_eq!(condition.verdict(at(5)), Ok(()));
        assert!(condition.is_known(at(34)) && !condition.is_known(at(35)));
    }

    #[test]
    fn a_trial_that_fails_counts_unless_something_was_written_meanwhile() {
        let condition = Condition::default();
        condition.tried(at(0), at(2), Err(full()));
        assert_eq!(condition.verdict(at(2)), Err(Unwritten::Failed(full())));
        condition.wrote(at(4));
        condition.tried(at(3), at(5), Err(full()));
        assert_eq!(condition.verdict(at(5)), Ok(()));
    }

    #[test]
    fn others_may_write_for_a_while_and_not_for_long() {
        let condition = Condition::default();
        condition.tries(at(0));
        condition.tried(at(0), at(2), Ok(Trial::Busy));
        assert_eq!(condition.verdict(at(2)), Ok(()));
        assert!(!condition.is_known(at(2)));
        // Whoever asked this time has gone away.
        condition.tries(at(3));
        assert_eq!(condition.verdict(at(5)), Err(Unwritten::Stands(5)));
        condition.tried(at(6), at(6), Ok(Trial::Written));
        assert_eq!(condition.verdict(at(6)), Ok(()));
    }
}
