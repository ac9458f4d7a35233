//! Who puts together what another has grown meanwhile takes nothing away.

use chancery_event_store::{Backend, execute, fetch_one};
use chancery_testkit::{clock::TestClock, on_both_stores, stores::TestStore};

use super::*;
use crate::{
    activity::{Entry, Kind},
    log::{TokenLog, TokenLogConfig},
    segments::{body::Written, due::Due},
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
    log.queue(entry).unwrap();
    log.drain().await;
}

async fn run(log: &TokenLog, sql: &str) {
    let mut tx = log.database().begin().await.unwrap();
    execute!(&mut tx, sql).unwrap();
    tx.commit().await.unwrap();
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
        assert_eq!(compactor.put(tenant(), parts).await, Ok(0));
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
        assert_eq!(compactor.put(tenant(), parts).await, Ok(0));
        assert_eq!((records(&log, "activity_segments").await, records(&log, "activity_fresh").await), (0, 1));
    }

    async fn what_failed_is_put_together_with_what_comes_next(store: TestStore) {
        let clock = Arc::new(TestClock::default());
        let log = log_by(&store, clock.clone()).await;
        let (compactor, mut behind) = (log.compactor(), HashSet::new());
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
        compactor.answer(first, &mut behind).await;
        assert_eq!((records(&log, "activity_fresh").await, behind.len()), (1, 1));
        run(&log, &allow).await;
        let second = remembered(&log).await;
        clock.advance(3_600);
        compactor.answer(second, &mut behind).await;
        assert_eq!((records(&log, "activity_fresh").await, behind.len()), (0, 0));
        assert_eq!(records(&log, "activity_segments").await, 2);
        // And again from memory.
        let third = remembered(&log).await;
        compactor.answer(third, &mut behind).await;
        assert_eq!(records(&log, "activity_fresh").await, 0);
    }
}

/// A record is issued; gives what is asked of whoever puts together, by its writer.
async fn remembered(log: &TokenLog) -> Asked {
    let entry = Entry::new(tenant(), log.clock().now(), Kind::TokenIssued);
    let lines = vec![Written::of(&entry).unwrap()];
    log.queue(entry).unwrap();
    log.drain().await;
    let newest = format!(
        "SELECT position, first_at FROM {}.activity_fresh ORDER BY position DESC LIMIT 1",
        log.schema()
    );
    let (position, first_at) = fetch_one!(log.database(), (i64, i64), &newest).unwrap();
    let (compactor, mut asked) = mpsc::channel(1);
    let mut due = Due::new(compactor);
    due.wrote_row(tenant(), position, first_at, lines);
    due.tick(log.clock().now().plus_seconds(3_600));
    asked.try_recv().unwrap()
}
