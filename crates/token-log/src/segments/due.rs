//! Of whom this node has written enough that it is worth putting together, and what that was.

use std::{collections::HashMap, sync::Arc};

use chancery_domain::{TenantId, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::segments::{
    body::Written,
    compact::{ENOUGH, ROWS},
    hour_of,
};

/// How many lines are remembered, of all tenants, until they are put together: some twenty MiB.
const REMEMBERED: usize = 32 * 1_024;

/// A fresh row of which this node has remembered what it wrote: who puts it together need not read it.
pub(crate) struct Remembered {
    pub(crate) position: i64,
    /// When its hour begins.
    pub(crate) hour: i64,
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
    compactor: mpsc::Sender<Asked>,
}

impl Due {
    pub(crate) fn new(compactor: mpsc::Sender<Asked>) -> Self {
        Self {
            written: HashMap::new(),
            room: Arc::new(Semaphore::new(REMEMBERED)),
            compactor,
        }
    }

    /// A batch had so many records of a tenant, in rows of which the numbers are not known here.
    pub(crate) fn wrote(&mut self, tenant: TenantId, records: i64, at: Timestamp) {
        self.add(tenant, records, hour_of(at.micros()), None);
    }

    /// A batch had these lines of a tenant in the row with this number.
    pub(crate) fn wrote_row(
        &mut self,
        tenant: TenantId,
        position: i64,
        at: Timestamp,
        lines: Vec<Written>,
    ) {
        let hour = hour_of(at.micros());
        let records = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        let remembered = self.room_for(lines.len()).map(|room| Remembered {
            position,
            hour,
            lines,
            _room: room,
        });
        self.add(tenant, records, hour, remembered);
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

    /// Room for so many lines more. Where there is none, what was remembered of all tenants is let go, and read again when
    /// its time comes: those who write much come first, and soon keep theirs again.
    fn room_for(&mut self, lines: usize) -> Option<OwnedSemaphorePermit> {
        let lines = u32::try_from(lines).ok()?;
        let room = || self.room.clone().try_acquire_many_owned(lines).ok();
        room().or_else(|| {
            self.written
                .values_mut()
                .for_each(|this| this.remembered = None);
            room()
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
        due.wrote_row(tenant(1), 1, at(0), lines(4_000));
        due.wrote_row(tenant(2), 2, at(0), lines(4_000));
        assert!(asked.is_empty());
        due.wrote_row(tenant(1), 3, at(0), lines(96));
        assert_eq!(next(&mut asked), (tenant(1), Some(vec![1, 3])));
        assert!(asked.is_empty());
        due.wrote_row(tenant(2), 4, at(0), lines(96));
        assert_eq!(next(&mut asked), (tenant(2), Some(vec![2, 4])));
    }

    #[test]
    fn what_is_not_all_kept_or_of_another_hour_is_read() {
        let (mut due, mut asked) = due();
        due.wrote_row(tenant(1), 1, at(0), lines(4_000));
        due.wrote(tenant(1), 96, at(0));
        assert_eq!(next(&mut asked), (tenant(1), None));
        due.wrote_row(tenant(1), 2, at(0), lines(4_000));
        due.wrote_row(tenant(1), 3, at(1), lines(96));
        assert_eq!(next(&mut asked), (tenant(1), None));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut due, mut asked) = due();
        let many = u8::try_from(REMEMBERED / 4_000).unwrap();
        for number in 0..many {
            due.wrote_row(tenant(number), 1, at(0), lines(4_000));
        }
        // There is no room for this one: that of the others is let go.
        due.wrote_row(tenant(many), 2, at(0), lines(4_000));
        assert_eq!(due.room.available_permits(), REMEMBERED - 4_000);
        due.wrote_row(tenant(many), 3, at(0), lines(96));
        due.wrote_row(tenant(0), 4, at(0), lines(96));
        let Asked {
            tenant: who,
            remembered,
        } = asked.try_recv().unwrap();
        assert_eq!(
            (who, remembered.as_ref().map(Vec::len)),
            (tenant(many), Some(2))
        );
        assert_eq!(next(&mut asked), (tenant(0), None));
        // It is in memory until it is put together.
        assert_eq!(due.room.available_permits(), REMEMBERED - 4_096);
        drop(remembered);
        assert_eq!(due.room.available_permits(), REMEMBERED);
    }

    #[test]
    fn hours_that_are_over_are_asked_for() {
        let (mut due, mut asked) = due();
        due.wrote_row(tenant(1), 1, at(0), lines(1));
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
            due.wrote_row(tenant(number), 1, at(0), lines(4_096));
        }
        for number in 0..4 {
            assert_eq!(next(&mut asked), (tenant(number), Some(vec![1])));
        }
        assert!(asked.is_empty());
        due.wrote_row(tenant(4), 2, at(0), lines(1));
        assert_eq!(next(&mut asked), (tenant(4), Some(vec![1, 2])));
    }
}
