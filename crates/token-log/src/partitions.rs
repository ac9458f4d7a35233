//! On PostgreSQL activity is partitioned by day: a day that is too old goes at once.

use std::collections::BTreeSet;

use chancery_domain::Timestamp;
use chancery_event_store::{StoreError, Tx, fetch_all};
use sqlx::{Executor, raw_sql};

use crate::log::TokenLog;

/// One day in microseconds.
const DAY: i64 = 86_400_000_000;

/// How many days after this one have their partition.
const AHEAD: i64 = 7;

/// Beside the limits of every transaction: who waits for a lock on the log makes others wait for it,
/// tokens among them, so this gives up soon and is tried again later. The second line lets one node do
/// it at a time; the number is "activity" in ASCII.
const CAREFULLY: &str = "SET LOCAL lock_timeout = '2s';
    SELECT pg_advisory_xact_lock(7017580112338252921)";

/// A day, counted since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Day(i64);

impl Day {
    fn of(at: Timestamp) -> Self {
        Self(at.micros() / DAY)
    }

    fn start(self) -> i64 {
        self.0 * DAY
    }

    /// `activity_20261120`
    fn partition(self) -> String {
        let text = Timestamp::from_micros(self.start()).to_string();
        let digits = text.bytes().take(10).filter(u8::is_ascii_digit);
        digits.fold("activity_".to_owned(), |name, digit| {
            name + char::from(digit).encode_utf8(&mut [0; 4])
        })
    }

    /// The day of a partition's name.
    fn named(partition: &str) -> Option<Self> {
        let date = partition.strip_prefix("activity_")?;
        let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..8)?);
        let moment: Timestamp = format!("{year}-{month}-{day}T00:00:00Z").parse().ok()?;
        let found = Self::of(moment);
        (found.partition() == partition).then_some(found)
    }
}

impl TokenLog {
    /// Makes the partitions of today and the week after it, where they are missing.
    pub(crate) async fn make_partitions(&self, now: Timestamp) -> Result<(), StoreError> {
        let today = Day::of(now);
        let wanted: BTreeSet<_> = (today.0..=today.0 + AHEAD).map(Day).collect();
        if wanted.is_subset(&self.partitions().await?) {
            return Ok(());
        }
        let mut tx = self.database().begin().await?;
        run(&mut tx, CAREFULLY).await?;
        let found = days(&fetch_all!(&mut tx, (String,), &self.listing())?);
        for day in wanted.difference(&found) {
            run(&mut tx, &make(self.schema(), *day)).await?;
        }
        tx.commit().await
    }

    /// Drops the partitions of days that ended at this moment or before.
    pub(crate) async fn drop_partitions(&self, cutoff: Timestamp) -> Result<u64, StoreError> {
        let mut dropped = 0;
        for day in self.partitions().await? {
            if Day(day.0 + 1).start() > cutoff.micros() {
                break;
            }
            let mut tx = self.database().begin().await?;
            run(&mut tx, CAREFULLY).await?;
            let drop = format!("DROP TABLE IF EXISTS {}.{}", self.schema(), day.partition());
            run(&mut tx, &drop).await?;
            tx.commit().await?;
            dropped += 1;
        }
        Ok(dropped)
    }

    async fn partitions(&self) -> Result<BTreeSet<Day>, StoreError> {
        Ok(days(&fetch_all!(
            self.database(),
            (String,),
            &self.listing()
        )?))
    }

    fn listing(&self) -> String {
        format!(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
              WHERE i.inhparent = '{}.activity'::regclass",
            self.schema()
        )
    }
}

fn days(partitions: &[(String,)]) -> BTreeSet<Day> {
    partitions
        .iter()
        .filter_map(|(name,)| Day::named(name))
        .collect()
}

/// Rows of that day may be in the default partition, if nobody looked after the log for a week.
/// Made apart and then attached, so that who writes today's rows does not wait.
fn make(schema: &str, day: Day) -> String {
    let (partition, start, end) = (day.partition(), day.start(), Day(day.0 + 1).start());
    format!(
        "LOCK TABLE {schema}.activity_default IN ACCESS EXCLUSIVE MODE;
         CREATE TABLE {schema}.{partition} (LIKE {schema}.activity INCLUDING DEFAULTS);
         WITH late AS (
             DELETE FROM {schema}.activity_default WHERE at >= {start} AND at < {end} RETURNING *)
         INSERT INTO {schema}.{partition} SELECT * FROM late;
         ALTER TABLE {schema}.activity ATTACH PARTITION {schema}.{partition}
               FOR VALUES FROM ({start}) TO ({end})"
    )
}

async fn run(tx: &mut Tx, sql: &str) -> Result<(), StoreError> {
    match tx {
        Tx::Postgres(tx) => tx.execute(raw_sql(sql)).await.map(drop)?,
        Tx::Sqlite(_) => {
            return Err(StoreError::Misuse("SQLite has no partitions".to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_after_its_day() {
        let day = Day::of("2026-11-20T17:00:00Z".parse().unwrap());
        assert_eq!(day.partition(), "activity_20261120");
        assert_eq!(Day::named("activity_20261120"), Some(day));
        let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
        assert_eq!(day.start(), start.micros());
        for other in [
            "activity_default",
            "activity_2026112",
            "activity_20261120x",
            "activity_20261301",
            "x",
        ] {
            assert_eq!(Day::named(other), None, "{other}");
        }
    }
}
