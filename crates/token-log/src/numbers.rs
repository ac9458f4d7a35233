//! The numbers of rows on SQLite, where the log is one file and its writer one task.

use chancery_event_store::{Kept, StoreError, fetch_one};

use crate::segments::NUMBERS;

/// For how many rows numbers are taken at a time. What is left of them when the process ends is nobody's.
const ROWS: i64 = 1_024;

const TAKE: &str = "UPDATE activity_number SET next = next + $1 RETURNING next";

/// Numbers that were taken from the file and are not used yet: so a batch need not write where it
/// stopped. They ascend in the order in which this process writes. What a batch that failed has used is used up:
/// it may be there after all.
#[derive(Default)]
pub(crate) struct Numbers {
    next: i64,
    end: i64,
}

impl Numbers {
    /// Makes sure that there are numbers for so many rows.
    pub(crate) async fn make_room(
        &mut self,
        kept: &mut Kept,
        rows: usize,
    ) -> Result<(), StoreError> {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX / NUMBERS);
        if (self.end - self.next) / NUMBERS >= rows {
            return Ok(());
        }
        let taken = rows.max(ROWS) * NUMBERS;
        let mut connection = kept.connection().await?;
        // They are this process's when the statement is committed, which is when it has come to its end.
        let (end,) = fetch_one!(&mut connection, (i64,), TAKE, taken)?;
        (self.next, self.end) = (end - taken, end);
        Ok(())
    }

    /// The first number of the next row, which takes [`NUMBERS`] of them. There must be room.
    pub(crate) fn take(&mut self) -> Result<i64, StoreError> {
        let first = self.next;
        if self.end - first < NUMBERS {
            return Err(StoreError::Misuse("there is no room for a row".to_owned()));
        }
        self.next = first + NUMBERS;
        Ok(first)
    }
}
