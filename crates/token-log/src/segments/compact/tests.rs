//! Who puts together what another has grown meanwhile takes nothing away.

use chancery_event_store::{execute, fetch_one};
use chancery_testkit::{clock::TestClock, on_both_stores, stores::TestStore};

use super::*;
use crate::{
    activity::{Entry, Kind},
    log::{TokenLog, TokenLogConfig},
};

fn tenant() -> TenantId {
    TenantId::from_bytes([1; 16])
}

async fn log_on(store: &TestStore) -> TokenLog {
    let config = TokenLogConfig::beside(store.database().location());
    let clock = Arc::new(TestClock::default());
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
}
