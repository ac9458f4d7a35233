//! Who puts together what another has grown meanwhile takes nothing away.

use chancery_domain::Timestamp;
use chancery_event_store::{Backend, Tx, execute, fetch_all, fetch_one};
use chancery_testkit::{clock::TestClock, on_both_stores, stores::TestStore};
use sqlx::Row as _;

use super::*;
use crate::{
    activity::{Entry, Kind},
    counts::Times,
    log::{TokenLog, TokenLogConfig},
    segments::{
        body::{Batch, Written},
        due::Due,
        hour_of,
    },
};

fn tenant() -> TenantId {
    TenantId::from_bytes([1; 16])
}

async fn log_on(store: &TestStore) -> TokenLog {
    log_by(store, Arc::default()).await
}

async fn log_by(store: &TestStore, clock: Arc<TestClock>) -> TokenLog {
    let config = TokenLogConfig::beside(store.database().location());
    TokenLog::open(&config, &store.another().await, clock)
        .await
        .unwrap()
}

async fn issue(log: &TokenLog) {
    let entry = Entry::new(tenant(), log.clock().now(), Kind::TokenIssued);
    log.queue(entry).unwrap().done().await.unwrap();
    log.drain().await;
}

async fn run(log: &TokenLog, sql: &str) {
    let mut tx = log.database().begin().await.unwrap();
    execute!(&mut tx, sql).unwrap();
    tx.commit().await.unwrap();
}

/// How often a credential was used within this hour.
async fn uses(log: &TokenLog, credential: &str) -> i64 {
    let now = log.clock().now();
    let mut uses = log.uses(tenant()).await.unwrap();
    uses.since_the_hour(credential, now).await.unwrap()
}

async fn records(log: &TokenLog, table: &str) -> i64 {
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM {}.{table}",
        log.schema()
    );
    fetch_one!(log.database(), (i64,), &sql).unwrap().0
}

on_both_stores! {
    async fn a_segment_that_grew_meanwhile_is_not_replaced_by_what_was_read_of_it(store: TestStore) {
        let log = log_on(&store).await;
        let (compactor, schema) = (log.compactor(), log.schema().to_owned());
        issue(&log).await;
        log.compact(tenant()).await.unwrap();
        issue(&log).await;
        let parts = compactor.parts(tenant(), true).await.unwrap().unwrap();
        assert_eq!((parts.fresh.len(), parts.segments.len()), (1, 1));
        // Another, which does not see that fresh row yet, lets the segment grow.
        let hide = format!("UPDATE {schema}.activity_fresh SET tenant_id = 'hidden'");
        run(&log, &hide).await;
        issue(&log).await;
        assert_eq!(log.compact(tenant()).await, Ok(1));
        run(&log, &format!("UPDATE {schema}.activity_fresh SET tenant_id = '{}'", tenant())).await;
        assert_eq!(compactor.put(tenant(), parts, Noting::Few).await.unwrap().map(|put| put.segments), None);
        assert_eq!((records(&log, "activity_segments").await, records(&log, "activity_fresh").await), (2, 1));
        assert_eq!(log.compact(tenant()).await, Ok(1));
        assert_eq!((records(&log, "activity_segments").await, records(&log, "activity_fresh").await), (3, 0));
    }

    async fn a_number_that_came_again_is_another_row(store: TestStore) {
        let log = log_on(&store).await;
        let (compactor, schema) = (log.compactor(), log.schema().to_owned());
        issue(&log).await;
        let parts = compactor.parts(tenant(), true).await.unwrap().unwrap();
        // The server lost the row, and another node was given its number.
        let again = format!("UPDATE {schema}.activity_fresh SET first_at = first_at + 1, last_at = last_at + 1");
        run(&log, &again).await;
        assert_eq!(compactor.put(tenant(), parts, Noting::Few).await.unwrap().map(|put| put.segments), None);
        assert_eq!((records(&log, "activity_segments").await, records(&log, "activity_fresh").await), (0, 1));
    }

    async fn what_failed_is_put_together_with_what_comes_next(store: TestStore) {
        let clock = Arc::new(TestClock::default());
        let log = log_by(&store, clock.clone()).await;
        let (compactor, mut memory) = (log.compactor(), Memory::default());
        let table = format!("{}.activity_segments", log.schema());
        let (refuse, allow) = match log.database().backend() {
            Backend::Postgres => (
                format!("ALTER TABLE {table} ADD CONSTRAINT refused CHECK (records < 0)"),
                format!("ALTER TABLE {table} DROP CONSTRAINT refused"),
            ),
            Backend::Sqlite => (
                "CREATE TRIGGER refused BEFORE INSERT ON activity_segments BEGIN SELECT RAISE(ABORT, 'refused'); END".to_owned(),
                "DROP TRIGGER refused".to_owned(),
            ),
        };
        run(&log, &refuse).await;
        let first = remembered(&log).await;
        compactor.answer(first, &mut memory).await;
        assert_eq!((records(&log, "activity_fresh").await, memory.behind.len()), (1, 1));
        run(&log, &allow).await;
        let second = remembered(&log).await;
        clock.advance(3_600);
        compactor.answer(second, &mut memory).await;
        assert_eq!((records(&log, "activity_fresh").await, memory.behind.len()), (0, 0));
        assert_eq!(records(&log, "activity_segments").await, 2);
        // And again from memory.
        let third = remembered(&log).await;
        compactor.answer(third, &mut memory).await;
        assert_eq!(records(&log, "activity_fresh").await, 0);
    }

    async fn uses_are_noted_and_counted_once_in_a_while_and_told_meanwhile(store: TestStore) {
        let clock = Arc::new(TestClock::default());
        let log = log_by(&store, clock.clone()).await;
        let (compactor, mut memory) = (log.compactor(), Memory::default());
        let mut notes = Vec::new();
        for used in 1..=66 {
            let asked = remembered(&log).await;
            compactor.answer(asked, &mut memory).await;
            let noted = records(&log, "activity_uses").await;
            assert_eq!(noted + counted(&log).await, used);
            assert_eq!(uses(&log, "secret").await, used);
            notes.push(noted);
        }
        // The first is counted with whatever is there, and then thirty-two together.
        let expected: Vec<_> = [0].into_iter().chain(1..=31).chain(0..=31).chain(0..=1).collect();
        assert_eq!(notes, expected);
        assert_eq!(log.keep_house().await, Ok(0));
        assert_eq!((records(&log, "activity_uses").await, counted(&log).await), (0, 66));
        // In another hour they are not added to those of before. What the log itself would put together then is not.
        let another = log_by(&store, clock.clone()).await;
        log.close().await;
        clock.advance(2 * 3_600);
        for noted in [0, 1] {
            let asked = remembered(&another).await;
            another.compactor().answer(asked, &mut memory).await;
            assert_eq!(records(&another, "activity_uses").await, noted);
        }
    }

    async fn of_what_is_used_very_much_not_all_records_are_read_and_that_is_said(store: TestStore) {
        let log = log_on(&store).await;
        let (compactor, mut memory) = (log.compactor(), Memory::default());
        for _ in 0..11 {
            let asked = written_of(&log, vec!["secret".to_owned(); 1_000]).await;
            compactor.answer(asked, &mut memory).await;
        }
        let begin = Timestamp::from_micros(hour_of(log.clock().now().micros()));
        let mut uses = log.uses(tenant()).await.unwrap();
        let least = Times { count: 10_000, at_least: true };
        assert_eq!(uses.since("secret", begin).await, Ok(least));
        assert_eq!(uses.since("secre", begin).await, Ok(Times::default()), "none is none");
        assert_eq!(uses.since_the_hour("secret", begin).await, Ok(11_000));
    }

    async fn what_is_used_now_and_then_among_others_is_looked_for_in_some_segments(store: TestStore) {
        let log = log_on(&store).await;
        let (compactor, mut memory) = (log.compactor(), Memory::default());
        let begin = Timestamp::from_micros(hour_of(log.clock().now().micros()));
        let since = async || log.uses(tenant()).await.unwrap().since("secret", begin).await;
        for number in 1..=67 {
            let mut of = vec!["other".to_owned(); 599];
            of.push(if (65..67).contains(&number) { "another" } else { "secret" }.to_owned());
            let asked = written_of(&log, of).await;
            compactor.answer(asked, &mut memory).await;
            if number == 66 {
                assert_eq!(since().await, Ok(Times { count: 64, at_least: false }), "there are no more");
            }
        }
        let segments = format!("SELECT COUNT(*) FROM {}.activity_segments", log.schema());
        assert_eq!(fetch_one!(log.database(), (i64,), &segments).unwrap().0, 67);
        assert_eq!(since().await, Ok(Times { count: 64, at_least: true }));
        assert_eq!(uses(&log, "secret").await, 65);
    }

    async fn what_ever_other_credentials_used_is_counted_at_once(store: TestStore) {
        let log = log_on(&store).await;
        let (compactor, mut memory) = (log.compactor(), Memory::default());
        // Of which credentials, and how many uses are noted then: once nearly all were others, they are counted at once.
        for (credentials, noted) in [
            (0..1, 0),
            (0..200, 200),
            (1_000..1_769, 969),
            (2_000..2_769, 0),
            (3_000..3_769, 0),
            (0..1, 1),
        ] {
            let asked = written_of(&log, secrets(credentials)).await;
            compactor.answer(asked, &mut memory).await;
            assert_eq!(records(&log, "activity_uses").await, noted);
        }
        assert_eq!(counted(&log).await, 1 + 200 + 3 * 769);
    }

    async fn what_many_credentials_used_again_and_again_is_noted_in_pieces_and_counted_by_them(store: TestStore) {
        let log = log_on(&store).await;
        let (compactor, mut memory) = (log.compactor(), Memory::default());
        for _ in 0..9 {
            let asked = written_of(&log, secrets(0..1_000)).await;
            compactor.answer(asked, &mut memory).await;
        }
        assert_eq!((records(&log, "activity_uses").await, counted(&log).await), (8_000, 1_000));
        let notes = compactor.notes(tenant()).await.unwrap().0;
        assert_eq!(notes.len(), 8 * 8);
        let made = Made::counted(tenant(), &notes).unwrap();
        assert!(made.len() == 8 && made.iter().all(|made| made.notes.len() == 8));
        // They are told meanwhile, and when a part of them is counted.
        assert_eq!(uses(&log, "secret0").await, 9);
        for made in made.into_iter().take(5) {
            assert_eq!(compactor.replace(made).await, Ok(true));
            assert_eq!(uses(&log, "secret0").await, 9);
        }
        let asked = written_of(&log, secrets(0..1_000)).await;
        compactor.answer(asked, &mut memory).await;
        assert_eq!((records(&log, "activity_uses").await, counted(&log).await), (0, 10_000));
        assert_eq!(uses(&log, "secret0").await, 10);
    }

    async fn many_credentials_of_small_notes_are_counted_a_part_at_a_time(store: TestStore) {
        let log = log_on(&store).await;
        let (compactor, mut memory) = (log.compactor(), Memory::default());
        for time in 0..12 {
            let asked = written_of(&log, secrets(time * 90..time * 90 + 128)).await;
            compactor.answer(asked, &mut memory).await;
        }
        let notes = compactor.notes(tenant()).await.unwrap().0;
        let made = Made::counted(tenant(), &notes).unwrap();
        assert_eq!(made.iter().map(|made| made.notes.len()).collect::<Vec<_>>(), [6, 5]);
        for made in made {
            assert_eq!(compactor.replace(made).await, Ok(true));
        }
        assert_eq!((records(&log, "activity_uses").await, counted(&log).await), (0, 12 * 128));
    }

    /// PostgreSQL says of a table that it was never cleaned up, or how many rows were there.
    async fn what_goes_is_cleaned_up_after(store: TestStore) {
        let log = log_on(&store).await;
        let (compactor, mut memory) = (log.compactor(), Memory::default());
        if log.database().backend() == Backend::Sqlite {
            assert_eq!(log.database().vacuum(&["activity_fresh"]).await, Ok(false));
            return;
        }
        let tables = ["activity_fresh", "activity_uses"].map(|name| format!("{}.{name}", log.schema()));
        for table in &tables {
            run(&log, &format!("ALTER TABLE {table} SET (autovacuum_enabled = off)")).await;
        }
        let cleaned = async || {
            let sql = "SELECT bool_or(reltuples >= 0) FROM pg_class WHERE oid IN (to_regclass($1), to_regclass($2))";
            fetch_one!(log.database(), (bool,), sql, &tables[0], &tables[1]).unwrap().0
        };
        for _ in 0..64 {
            assert!(memory.vacuum.under_way.is_empty() && !cleaned().await);
            let asked = remembered(&log).await;
            compactor.answer(asked, &mut memory).await;
        }
        let (outcome, _) = memory.vacuum.under_way.join_next().await.unwrap().unwrap();
        assert!(outcome == Ok(true) && cleaned().await);
        // What another owns is left to it.
        let none = format!("{}.none", log.schema());
        assert_eq!(log.database().vacuum(&[&none]).await, Ok(false));
    }

    async fn a_note_that_another_has_counted_is_not_counted_again(store: TestStore) {
        let log = log_on(&store).await;
        let (compactor, mut memory) = (log.compactor(), Memory::default());
        for _ in 0..3 {
            let asked = remembered(&log).await;
            compactor.answer(asked, &mut memory).await;
        }
        let notes = compactor.notes(tenant()).await.unwrap().0;
        assert_eq!(notes.len(), 2);
        let made = || Made::counted(tenant(), &notes).unwrap().remove(0);
        assert_eq!(compactor.replace(made()).await, Ok(true));
        assert_eq!(compactor.replace(made()).await, Ok(false));
        assert_eq!((records(&log, "activity_uses").await, counted(&log).await), (0, 3));
    }

    async fn whatever_nodes_do_each_use_is_counted_once(store: TestStore) {
        for seed in 0..4 {
            let store = &store;
            let clock = Arc::new(TestClock::default());
            let tenant = TenantId::from_bytes([10 + seed; 16]);
            // Half of it is before midnight.
            clock.advance(23 * 3_600);
            let nodes = [log_by(store, clock.clone()).await, log_by(store, clock.clone()).await];
            let mut memories = [Memory::default(), Memory::default()];
            let (mut chance, mut expected) = (u32::from(seed) + 1, 0);
            for _ in 0..60 {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let which = (chance >> 16) as usize % 2;
                let (log, memory) = (&nodes[which], &mut memories[which]);
                match (chance >> 20) % 10 {
                    0 => clock.advance(1_900),
                    1 => drop(log.keep_house().await.unwrap()),
                    2 => drop(log.compact(tenant).await.unwrap()),
                    many => {
                        let credentials = many * if seed % 2 == 0 { 4 } else { 20 };
                        let asked = remembered_by(log, tenant, secrets(0..credentials)).await;
                        let (compactor, beside) = (log.compactor(), nodes[1 - which].compactor());
                        // In some rounds the other node counts at the same time.
                        if many % 2 == 0 {
                            let ((), counted) = tokio::join!(compactor.answer(asked, memory), beside.compact(tenant, false));
                            counted.unwrap();
                        } else {
                            compactor.answer(asked, memory).await;
                        }
                        expected += i64::from(credentials);
                    }
                }
                let told = nodes[1 - which].issued_since(tenant, Timestamp::from_micros(0), 3_600).await.unwrap();
                assert_eq!(told.iter().map(|count| count.times).sum::<i64>(), expected);
            }
            nodes[0].compact(tenant).await.unwrap();
            let days = nodes[0].issued_since(tenant, Timestamp::from_micros(0), 86_400).await.unwrap();
            assert_eq!(days.iter().map(|count| count.times).sum::<i64>(), expected);
            counted(&nodes[0]).await;
        }
    }
}

/// What goes is found by its key, also by a plan that was made before there was anything, or by one of tables that were
/// looked at: it is kept until that is done again, and else reads whatever was deleted meanwhile.
#[tokio::test]
async fn a_plan_that_is_kept_finds_what_goes_by_its_key() {
    let store = TestStore::postgres().await;
    let log = log_on(&store).await;
    let schema = log.schema();
    for rows in [0, 3, 40] {
        let mut tx = log.database().begin_losable().await.unwrap();
        let Tx::Postgres(own) = &mut tx else {
            panic!("this is PostgreSQL")
        };
        let fill = format!(
            "INSERT INTO {schema}.activity_fresh (tenant_id, position, first_at, last_at, records, body)
             SELECT 'tenant', n, 1, 1, 1, '' FROM generate_series(1, {rows}) AS n;
             INSERT INTO {schema}.activity_uses (tenant_id, position, first_at, records, uses)
             SELECT 'tenant', n, 1, 1, '' FROM generate_series(1, {rows}) AS n;
             INSERT INTO {schema}.activity_segments (position, last_position, tenant_id, first_at, last_at, records,
                    expires_at, rare, summary, runs, body)
             SELECT n, n, 'tenant', 1, 1, 1, 1, 0, '', '', '' FROM generate_series(1, {rows}) AS n"
        );
        let tables = ["activity_fresh", "activity_segments", "activity_uses"];
        let analyze = tables
            .map(|table| format!("ANALYZE {schema}.{table}"))
            .join(";");
        let prepare = format!("PREPARE replacing_{rows} AS {}", replace::statement(schema));
        let generic = "SET LOCAL plan_cache_mode = force_generic_plan";
        let looked_at = if rows == 0 { "SELECT 1" } else { &analyze };
        for sql in [&fill, looked_at, generic, &prepare] {
            sqlx::raw_sql(sql).execute(&mut **own).await.unwrap();
        }
        let nothing = vec!["NULL"; 27].join(", ");
        let explain = format!("EXPLAIN (COSTS off) EXECUTE replacing_{rows} ({nothing})");
        let lines = sqlx::raw_sql(&explain).fetch_all(&mut **own).await.unwrap();
        let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
        for table in tables {
            // How the rows are found stands below the line that says where.
            let scans = format!(" on {table} known");
            let at = lines
                .iter()
                .position(|line| line.contains("Scan") && line.contains(&scans));
            let found = lines[at.unwrap()..].iter().take(4);
            let of = |line: &&String| line.contains("Index Cond: ");
            let condition = found.clone().find(of);
            assert!(
                condition.is_some_and(
                    |it| it.contains("position\" >= $") && it.contains("position\" <= $")
                ),
                "{table}, {rows}: {}",
                lines.join("\n")
            );
        }
        tx.rollback().await.unwrap();
    }
}

/// The same on SQLite, where the trigger looks for what goes before anything does.
#[tokio::test]
async fn the_trigger_looks_for_each_row_that_goes_once() {
    let store = TestStore::sqlite().await;
    let log = log_on(&store).await;
    let sql = "SELECT sql FROM sqlite_master WHERE name = 'activity_made_insert'";
    let (trigger,): (String,) = fetch_one!(log.database(), (String,), sql).unwrap();
    let counts: Vec<_> = trigger.split("(SELECT count(*)").skip(1).collect();
    assert_eq!(counts.len(), 3);
    for count in counts {
        let (count, _) = count.split_once("value->>2)").unwrap();
        let sql = format!("EXPLAIN QUERY PLAN SELECT count(*){count}value->>2")
            .replace("NEW.tenant_id", "'tenant'");
        let sql = ["fresh", "segments", "notes"]
            .iter()
            .fold(sql, |sql, array| {
                sql.replace(&format!("NEW.{array}"), "'[]'")
            });
        let steps = fetch_all!(log.database(), (i64, i64, i64, String), &sql).unwrap();
        let steps: Vec<_> = steps.iter().map(|step| step.3.as_str()).collect();
        assert!(steps[0].starts_with("SCAN part"), "{steps:?}");
        assert!(
            steps[1].starts_with("SEARCH known USING")
                && (steps[1].contains("position=?)") || steps[1].contains("rowid=?)")),
            "{steps:?}"
        );
    }
}

/// How many uses are counted, by the hours of credentials and by the days of clients, which agree on each day.
async fn counted(log: &TokenLog) -> i64 {
    let by_day = async |table, day| {
        let schema = log.schema();
        let sql = format!(
            "SELECT CAST({day} AS BIGINT), CAST(SUM(uses) AS BIGINT) FROM {schema}.{table} GROUP BY 1 ORDER BY 1"
        );
        fetch_all!(log.database(), (i64, i64), &sql).unwrap()
    };
    let hours = by_day("credential_use", "hour / 24 * 86400000000").await;
    assert_eq!(hours, by_day("client_days", "begins_at").await);
    hours.iter().map(|(_, uses)| uses).sum()
}

fn secrets(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("secret{number}")).collect()
}

/// A record is issued; gives what is asked of whoever puts together, by its writer.
async fn remembered(log: &TokenLog) -> Asked {
    remembered_of(log, vec!["secret".to_owned()]).await
}

/// One with each of these credentials.
async fn remembered_of(log: &TokenLog, credentials: Vec<String>) -> Asked {
    remembered_by(log, tenant(), credentials).await
}

/// The same without the log's own writer, which would have as much put together itself.
async fn written_of(log: &TokenLog, credentials: Vec<String>) -> Asked {
    let (now, schema) = (log.clock().now(), log.schema());
    let (compactor, mut asked) = mpsc::channel(1);
    let mut due = Due::new(compactor);
    for credentials in credentials.chunks(500) {
        let mut body = Batch::of(credentials.len());
        let lines = credentials.iter().map(|credential| {
            let entry = Entry {
                client: Some(format!("client of {credential}").into()),
                credential: Some(credential.as_str().into()),
                ..Entry::new(tenant(), now, Kind::TokenIssued)
            };
            Written::of(&entry).unwrap()
        });
        let lines: Vec<_> = lines.collect();
        for line in &lines {
            body.push(line).unwrap();
        }
        let body = body.end().unwrap();
        // A row takes as many numbers, and those of before are in segments now.
        let last = format!(
            "SELECT CAST(COALESCE(MAX(last), 0) AS BIGINT) FROM (
                SELECT last_position AS last FROM {schema}.activity_segments
                 UNION ALL SELECT position FROM {schema}.activity_fresh) AS known"
        );
        let (last,) = fetch_one!(log.database(), (i64,), &last).unwrap();
        let (position, records) = (last / 1_024 * 1_024 + 1_024, lines.len());
        let insert = format!(
            "INSERT INTO {schema}.activity_fresh (position, tenant_id, first_at, last_at, records, body)
             VALUES ($1, $2, $3, $3, $4, $5)"
        );
        let mut tx = log.database().begin().await.unwrap();
        let (tenant, now) = (tenant().to_string(), now.micros());
        let records = i64::try_from(records).unwrap();
        execute!(&mut tx, &insert, position, tenant, now, records, body).unwrap();
        tx.commit().await.unwrap();
        due.wrote_row(self::tenant(), position, now, lines);
    }
    due.tick(now.plus_seconds(3_600));
    asked.try_recv().unwrap()
}

async fn remembered_by(log: &TokenLog, tenant: TenantId, credentials: Vec<String>) -> Asked {
    let now = log.clock().now();
    let mut lines = Vec::new();
    for credential in credentials {
        let entry = Entry {
            client: Some(format!("client of {credential}").into()),
            credential: Some(credential.into()),
            ..Entry::new(tenant, now, Kind::TokenIssued)
        };
        lines.push(Written::of(&entry).unwrap());
        log.queue(entry).unwrap().done().await.unwrap();
    }
    log.drain().await;
    // What is older was written before.
    let rows = format!(
        "SELECT position, first_at, records FROM {}.activity_fresh WHERE tenant_id = $1 ORDER BY position DESC",
        log.schema()
    );
    let rows = fetch_all!(log.database(), (i64, i64, i64), &rows, tenant.to_string()).unwrap();
    let (compactor, mut asked) = mpsc::channel(1);
    let mut due = Due::new(compactor);
    for (position, first_at, records) in rows {
        if let Some(before) = lines.len().checked_sub(usize::try_from(records).unwrap()) {
            due.wrote_row(tenant, position, first_at, lines.split_off(before));
        }
    }
    due.tick(now.plus_seconds(3_600));
    asked.try_recv().unwrap()
}
