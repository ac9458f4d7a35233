//! `bench roll`, its second part: the read models once more from the roll, on each store.

use std::{fmt::Write as _, path::Path, process::Command, time::Instant};

use chancery_event_store::{
    Provenance, Store, StoreConfig, StoreError, StoreLocation, Versions, entries_page, execute,
};
use chancery_roll::testing::Sample;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::Error,
    installation::master_key,
    numbers,
    process::{self, Ended},
};

/// How many entries are written in one transaction, and read at once.
const BATCH: usize = 1_000;

/// Everything that a rebuild makes.
const TABLES: [&str; 8] = [
    "tenants",
    "tenant_terms",
    "key_rings",
    "apis",
    "clients",
    "client_grants",
    "client_secrets",
    "row_counts",
];

/// One rebuild of one store.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Round {
    /// Reading the entries, and nothing else.
    read_per_second: f64,
    /// The rebuild of rows that are all missing, by the clock.
    events_per_second: f64,
    /// The same where every row was right.
    unchanged_per_second: f64,
    /// Which part of the time of the first the process itself was busy.
    busy: f64,
    rows: u64,
    peak_mib: f64,
}

/// All rebuilds of one store.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rebuilt {
    pub(crate) store: String,
    pub(crate) goal: f64,
    rounds: Vec<Round>,
}

impl Rebuilt {
    /// What all rows are written with, where all were missing: the median.
    pub(crate) fn per_second(&self) -> f64 {
        self.median(|round| round.events_per_second)
    }

    fn median(&self, of: fn(&Round) -> f64) -> f64 {
        numbers::median(self.rounds.iter().map(of))
    }
}

/// What is measured.
pub(crate) struct Plan<'a> {
    pub(crate) server: &'a Path,
    pub(crate) events: usize,
    pub(crate) clients: usize,
    pub(crate) rounds: usize,
    /// An empty PostgreSQL database.
    pub(crate) postgres: Option<&'a str>,
}

impl Plan<'_> {
    /// Both stores, one after the other.
    pub(crate) fn measure(&self) -> Result<Vec<Rebuilt>, Error> {
        let runtime = tokio::runtime::Runtime::new().map_err(Error::io("start a runtime"))?;
        let directory = tempfile::tempdir().map_err(Error::io("make a directory"))?;
        let file = directory.path().join("chancery.db");
        let address = format!("sqlite://{}", file.display());
        let sqlite = (
            "SQLite",
            30_000.0,
            StoreLocation::Sqlite(file),
            address.as_str(),
        );
        let postgres = self.postgres.map(|url| {
            let location = StoreLocation::Postgres(url.to_owned());
            ("PostgreSQL", 10_000.0, location, url)
        });
        let stores = [sqlite].into_iter().chain(postgres);
        stores
            .map(|(name, goal, location, address)| {
                eprintln!("{name}: writing {} entries", self.events);
                let store = runtime
                    .block_on(filled(location, (self.events, self.clients), 0))
                    .map_err(|error| wrong(&error))?;
                let mut rounds = Vec::new();
                for round in 1..=self.rounds {
                    let measured = self.round(&runtime, &store, address, directory.path())?;
                    let rate = measured.events_per_second;
                    eprintln!("rebuild on {name}, round {round}: {rate:.0} events/s");
                    rounds.push(measured);
                }
                runtime.block_on(store.close());
                Ok(Rebuilt {
                    store: name.to_owned(),
                    goal,
                    rounds,
                })
            })
            .collect()
    }

    fn round(
        &self,
        runtime: &tokio::runtime::Runtime,
        store: &Store,
        address: &str,
        directory: &Path,
    ) -> Result<Round, Error> {
        runtime
            .block_on(clear(store))
            .map_err(|error| wrong(&error))?;
        let begin = Instant::now();
        let read = runtime
            .block_on(read(store))
            .map_err(|error| wrong(&error))?;
        if read != self.events {
            return Err(Error::Wrong(format!("{read} entries were read")));
        }
        let reading = begin.elapsed().as_secs_f64();
        let missing = self.rebuild(address, directory)?;
        if missing.mended == 0 || missing.mended < missing.rows {
            return Err(Error::Wrong(format!(
                "{} of {} rows were put right",
                missing.mended, missing.rows
            )));
        }
        let right = self.rebuild(address, directory)?;
        if right.mended > 0 {
            return Err(Error::Wrong("a row was wrong after the rebuild".into()));
        }
        let per_second = |seconds: f64| number(self.events) / seconds.max(0.001);
        Ok(Round {
            read_per_second: per_second(reading),
            events_per_second: per_second(missing.seconds),
            unchanged_per_second: per_second(right.seconds),
            busy: missing.busy / missing.seconds.max(0.001),
            rows: missing.rows,
            peak_mib: missing.peak_mib,
        })
    }

    fn rebuild(&self, address: &str, directory: &Path) -> Result<Run, Error> {
        let mut command = Command::new(self.server);
        command
            .args([
                "projections",
                "rebuild",
                "--json",
                "--database-url",
                address,
            ])
            // It asks for one on PostgreSQL and opens nothing with it.
            .env("CHANCERY_MASTER_KEY", master_key())
            .current_dir(directory);
        let before = process::cpu_of_children()?;
        let Ended {
            output,
            took,
            peak_mib,
        } = process::run(&mut command)?;
        if !output.status.success() {
            return Err(Error::Wrong(format!(
                "{command:?} ended with {}",
                output.status
            )));
        }
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let count = |name: &str| report[name].as_u64().unwrap_or_default();
        if count("events") != self.events as u64 {
            return Err(Error::Wrong(format!("what was rebuilt: {report}")));
        }
        Ok(Run {
            seconds: took.as_secs_f64(),
            busy: process::cpu_of_children()?
                .saturating_sub(before)
                .as_secs_f64(),
            rows: count("rows"),
            mended: count("mended"),
            peak_mib,
        })
    }
}

/// A store with a roll of so many entries and clients in it, and no rows. Its entries are recorded so many
/// days earlier than they say.
pub(crate) async fn filled(
    location: StoreLocation,
    (events, clients): (usize, usize),
    earlier: i64,
) -> Result<Store, StoreError> {
    let store = Store::connect(&StoreConfig::new(location)).await?;
    store.migrate().await?;
    let mut sample = Sample::new(1, clients).take(events);
    loop {
        let batch: Vec<_> = sample.by_ref().take(BATCH).collect();
        let Some(last) = batch.last() else {
            break;
        };
        let (tenant, now) = (last.tenant, last.recorded_at.plus_days(-earlier));
        let provenance = Provenance {
            actor: last.actor.clone(),
            command_id: last.command_id,
            trace_id: last.trace_id.clone(),
        };
        let mut read: Vec<_> = batch
            .iter()
            .map(|entry| (entry.stream, entry.sequence - 1))
            .collect();
        // Of a stream the first of this batch counts: the last one that is put in.
        read.reverse();
        let read: Versions = read.into_iter().collect();
        let ids: Vec<_> = batch.iter().map(|entry| entry.id).collect();
        let events = batch.into_iter().map(|entry| {
            let stream = entry.stream;
            let understood = entry.understood();
            understood.map(|recorded| (stream, recorded.event))
        });
        let events: Vec<_> = events
            .collect::<Result<_, _>>()
            .map_err(|error| StoreError::Misuse(error.to_string()))?;
        let mut tx = store.begin().await?;
        let numbers = tx.take_numbers(tenant, events.len(), now).await?;
        tx.append(numbers, &events, &read, &provenance, ids).await?;
        tx.commit().await?;
    }
    let mut tx = store.begin().await?;
    execute!(&mut tx, "ANALYZE")?;
    tx.commit().await?;
    Ok(store)
}

struct Run {
    seconds: f64,
    busy: f64,
    rows: u64,
    mended: u64,
    peak_mib: f64,
}

/// The control: the pages that a rebuild reads.
async fn read(store: &Store) -> Result<usize, StoreError> {
    let (tenant, mut count, mut last) = (Sample::tenant().id, 0, 0);
    let limit = u32::try_from(BATCH).unwrap_or(u32::MAX);
    loop {
        let page = entries_page(store, tenant, last, limit).await?;
        count += page.len();
        match page.last() {
            Some(entry) if page.len() == BATCH => last = entry.tenant_seq,
            _ => return Ok(count),
        }
    }
}

async fn clear(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.begin_long().await?;
    for table in TABLES {
        execute!(&mut tx, &format!("DELETE FROM {table}"))?;
    }
    tx.commit().await
}

fn wrong(error: &StoreError) -> Error {
    Error::Wrong(error.to_string())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of events is far below 2^52"
)]
fn number(count: usize) -> f64 {
    count as f64
}

/// The medians of each store.
pub(crate) fn table(rebuilt: &[Rebuilt]) -> String {
    let mut text = "`chancery projections rebuild` of the same roll in a database, by the clock. *All missing* writes \
         every row, *all right* compares and writes none; the control reads the pages of entries and does nothing \
         with them. *Busy* is the part of the time in which the process itself computed: near 1 it is its one \
         thread that limits, which understands and folds events, and what is missing to 1 is waiting for the store.\n\n\
         | | all missing, events/s | goal | all right | control | busy | rows | peak MiB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for rebuilt in rebuilt {
        let Some(rows) = rebuilt.rounds.first().map(|round| round.rows) else {
            continue;
        };
        let (_, peak) = numbers::range(rebuilt.rounds.iter().map(|round| round.peak_mib));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | **{:.0}** | {:.0} | {:.0} | {:.0} | {:.2} | {rows} | {peak:.0} |",
            rebuilt.store,
            rebuilt.per_second(),
            rebuilt.goal,
            rebuilt.median(|round| round.unchanged_per_second),
            rebuilt.median(|round| round.read_per_second),
            rebuilt.median(|round| round.busy),
        );
    }
    text
}
