//! Of whom this node has written enough that it is worth putting together, and what that was.

use std::{collections::HashMap, sync::Arc};

use chancery_domain::{TenantId, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::segments::{
    body::Written,
    compact::{ENOUGH, ROWS},
    hour_of,
};

/// How many bytes of lines are remembered, of all tenants, until they are put together.
const REMEMBERED: usize = 16 * 1_024 * 1_024;

/// No row takes more of it than this part: what is so large is read again.
const LARGE: usize = REMEMBERED / 16;

/// A fresh row of which this node has remembered what it wrote: who puts it together need not read it.
pub(crate) struct Remembered {
    pub(crate) position: i64,
    pub(crate) first_at: i64,
    pub(crate) lines: Vec<Written>,
    _room: OwnedSemaphorePermit,
}

/// What is to be put together.
pub(crate) struct Asked {
    pub(crate) tenant: TenantId,
    /// All that was written since the last time. None: it is read.
    pub(crate) remembered: Option<Vec<Remembered>>,
}

/// What was written of a tenant since it was put together.
struct Since {
    hour: i64,
    records: i64,
    batches: usize,
    /// None: not all of it was remembered.
    remembered: Option<Vec<Remembered>>,
}

/// Asks for what is due. What is left when this ends is found by the next
/// [`keep_house`](crate::TokenLog::keep_house).
pub(crate) struct Due {
    written: HashMap<TenantId, Since>,
    room: Arc<Semaphore>,
    /// Whether anything may be remembered here: what is asked for has room of its own.
    any: bool,
    compactor: mpsc::Sender<Asked>,
}

impl Due {
    pub(crate) fn new(compactor: mpsc::Sender<Asked>) -> Self {
        Self {
            written: HashMap::new(),
            room: Arc::new(Semaphore::new(REMEMBERED)),
            any: false,
            compactor,
        }
    }

    /// A batch had so many records of a tenant, in rows of which the numbers are not known here.
    pub(crate) fn wrote(&mut self, tenant: TenantId, records: i64, at: Timestamp) {
        self.add(tenant, records, hour_of(at.micros()), None);
    }

    /// A batch had these lines of a tenant in the row with this number, the first of this moment.
    pub(crate) fn wrote_row(
        &mut self,
        tenant: TenantId,
        position: i64,
        first_at: i64,
        lines: Vec<Written>,
    ) {
        let records = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        let remembered = self.room_for(size(&lines)).map(|room| Remembered {
            position,
            first_at,
            lines,
            _room: room,
        });
        self.any |= remembered.is_some();
        self.add(tenant, records, hour_of(first_at), remembered);
    }

    /// Remembers nothing any more of what was written.
    pub(crate) fn forget(&mut self) {
        if std::mem::take(&mut self.any) {
            self.written
                .values_mut()
                .for_each(|this| this.remembered = None);
        }
    }

    fn add(&mut self, tenant: TenantId, records: i64, hour: i64, row: Option<Remembered>) {
        let this = self.written.entry(tenant).or_insert_with(|| Since {
            hour,
            records: 0,
            batches: 0,
            remembered: Some(Vec::new()),
        });
        this.records += records;
        this.batches += 1;
        match (&mut this.remembered, row) {
            // No segment reaches from one hour into the next.
            (Some(remembered), Some(row)) if this.hour == hour => remembered.push(row),
            (remembered, _) => *remembered = None,
        }
        if this.records >= ENOUGH || this.batches >= ROWS {
            self.ask(tenant);
        }
    }

    /// Room for so many bytes more. Where there is none, what was remembered of all tenants is let go, and read again
    /// when its time comes: those who write much come first, and soon have theirs remembered again.
    fn room_for(&mut self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok().filter(|_| bytes <= LARGE)?;
        let room = |all: &Arc<Semaphore>| all.clone().try_acquire_many_owned(bytes).ok();
        room(&self.room).or_else(|| {
            self.forget();
            room(&self.room)
        })
    }

    /// Asks for those whose hour is over.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        let hour = hour_of(now.micros());
        let over = self
            .written
            .iter()
            .filter(|(_, written)| written.hour < hour);
        let over: Vec<_> = over.map(|(tenant, _)| *tenant).collect();
        for tenant in over {
            self.ask(tenant);
        }
    }

    /// Where too much is asked for already, this one comes with its next batch.
    fn ask(&mut self, tenant: TenantId) {
        if let Ok(place) = self.compactor.try_reserve()
            && let Some(Since { remembered, .. }) = self.written.remove(&tenant)
        {
            place.send(Asked { tenant, remembered });
        }
    }
}

/// How many bytes these take.
fn size(lines: &[Written]) -> usize {
    lines.iter().map(Written::size).sum()
}

#[cfg(test)]
mod tests {
    use chancery_domain::Timestamp;

    use super::*;
    use crate::activity::{Entry, Kind};

    fn tenant(number: u8) -> TenantId {
        TenantId::from_bytes([number; 16])
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_micros(0).plus_seconds(hours * 3_600)
    }

    fn lines(many: usize) -> Vec<Written> {
        let entry = Entry::new(tenant(1), at(0), Kind::TokenIssued);
        vec![Written::of(&entry).unwrap(); many]
    }

    fn due() -> (Due, mpsc::Receiver<Asked>) {
        let (compactor, asked) = mpsc::channel(4);
        (Due::new(compactor), asked)
    }

    /// The numbers of the rows that were remembered, of whoever is asked for next.
    fn next(asked: &mut mpsc::Receiver<Asked>) -> (TenantId, Option<Vec<i64>>) {
        let Asked { tenant, remembered } = asked.try_recv().unwrap();
        let positions =
            remembered.map(|remembered| remembered.iter().map(|row| row.position).collect());
        (tenant, positions)
    }

    #[test]
    fn what_is_enough_is_asked_for_with_what_was_written() {
        let (mut due, mut asked) = due();
        due.wrote_row(tenant(1), 1, at(0).micros(), lines(1_000));
        due.wrote_row(tenant(2), 2, at(0).micros(), lines(1_000));
        assert!(asked.is_empty());
        due.wrote_row(tenant(1), 3, at(0).micros(), lines(24));
        assert_eq!(next(&mut asked), (tenant(1), Some(vec![1, 3])));
        assert!(asked.is_empty());
        due.wrote_row(tenant(2), 4, at(0).micros(), lines(24));
        assert_eq!(next(&mut asked), (tenant(2), Some(vec![2, 4])));
    }

    #[test]
    fn what_is_not_all_kept_or_of_another_hour_is_read() {
        let (mut due, mut asked) = due();
        due.wrote_row(tenant(1), 1, at(0).micros(), lines(1_000));
        due.wrote(tenant(1), 96, at(0));
        assert_eq!(next(&mut asked), (tenant(1), None));
        due.wrote_row(tenant(1), 2, at(0).micros(), lines(1_000));
        due.wrote_row(tenant(1), 3, at(1).micros(), lines(24));
        assert_eq!(next(&mut asked), (tenant(1), None));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut due, mut asked) = due();
        let each = size(&lines(1_000));
        let many = u8::try_from(REMEMBERED / each).unwrap();
        for number in 0..many {
            due.wrote_row(tenant(number), 1, at(0).micros(), lines(1_000));
        }
        // There is no room for this one: that of the others is let go.
        due.wrote_row(tenant(many), 2, at(0).micros(), lines(1_000));
        assert_eq!(due.room.available_permits(), REMEMBERED - each);
        due.wrote_row(tenant(many), 3, at(0).micros(), lines(24));
        due.wrote_row(tenant(0), 4, at(0).micros(), lines(24));
        let Asked {
            tenant: who,
            remembered,
        } = asked.try_recv().unwrap();
        let rows = remembered.as_ref().map(Vec::len);
        assert_eq!((who, rows), (tenant(many), Some(2)));
        assert_eq!(next(&mut asked), (tenant(0), None));
        // It is in memory until it is put together.
        assert!(due.room.available_permits() < REMEMBERED);
        drop(remembered);
        assert_eq!(due.room.available_permits(), REMEMBERED);
        // What is too large is not remembered, however much room there is.
        due.wrote_row(
            tenant(1),
            5,
            at(0).micros(),
            lines(LARGE / size(&lines(1)) + 1),
        );
        assert_eq!(due.room.available_permits(), REMEMBERED);
        assert_eq!(next(&mut asked), (tenant(1), None));
    }

    #[test]
    fn what_was_written_before_a_store_went_away_is_read() {
        let (mut due, mut asked) = due();
        due.wrote_row(tenant(1), 1, at(0).micros(), lines(1_000));
        due.forget();
        assert_eq!(due.room.available_permits(), REMEMBERED);
        due.wrote_row(tenant(1), 2, at(0).micros(), lines(24));
        assert_eq!(next(&mut asked), (tenant(1), None));
    }

    #[test]
    fn hours_that_are_over_are_asked_for() {
        let (mut due, mut asked) = due();
        due.wrote_row(tenant(1), 1, at(0).micros(), lines(1));
        due.tick(at(0));
        assert!(asked.is_empty());
        due.tick(at(1));
        assert_eq!(next(&mut asked), (tenant(1), Some(vec![1])));
        due.tick(at(2));
        assert!(asked.is_empty());
    }

    #[test]
    fn nothing_is_forgotten_where_too_much_is_asked_for() {
        let (mut due, mut asked) = due();
        for number in 0..5 {
            due.wrote_row(tenant(number), 1, at(0).micros(), lines(1_024));
        }
        for number in 0..4 {
            assert_eq!(next(&mut asked), (tenant(number), Some(vec![1])));
        }
        assert!(asked.is_empty());
        due.wrote_row(tenant(4), 2, at(0).micros(), lines(1));
        assert_eq!(next(&mut asked), (tenant(4), Some(vec![1, 2])));
    }
}
