//! Many rows at once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod common;

use chancery_domain::{SecretId, VaultRow};
use chancery_event_store::{Cell, Insert, StoreError, UniqueRule, fetch_all};
use chancery_testkit::{on_both_stores, stores::TestStore};
use common::{NOW, client, tenant};

fn verifiers(count: u8) -> Vec<VaultRow> {
    let verifier = |n| VaultRow::Verifier {
        secret: SecretId::new(NOW, [n; 10]),
        client: client(1),
        phc: format!("$argon2id$v=19${n}"),
    };
    (1..=count).map(verifier).collect()
}

const COUNTS: Insert<'_> = Insert {
    table: "row_counts",
    columns: &["tenant_id", "kind", "count"],
    values: "tenant_id, kind, count * 10 + (SELECT COUNT(*) FROM read_models)",
    conflict: "ON CONFLICT (tenant_id, kind) DO UPDATE SET count = row_counts.count + excluded.count",
};

fn count(kind: &str, count: i64) -> Vec<Cell> {
    vec![
        Cell::text(tenant(1).to_string()),
        Cell::text(kind),
        Cell::Integer(Some(count)),
    ]
}

on_both_stores! {
    async fn however_many_rows_there_are_each_is_written_as_it_is(store: TestStore) {
        // One of each size that a statement has on SQLite, and some more.
        for (owner, rows) in [(1, 1), (2, 8), (3, 150)] {
            let mut rows = verifiers(rows);
            for row in &mut rows {
                if let VaultRow::Verifier { secret, client: of, .. } = row {
                    *of = client(owner);
                    *secret = SecretId::new(NOW.plus_days(i64::from(owner)), *secret.to_bytes().last_chunk().unwrap());
                }
            }
            let mut tx = store.begin().await.unwrap();
            tx.keep(tenant(1), &rows).await.unwrap();
            tx.commit().await.unwrap();
            let kept = store.verifiers(tenant(1), client(owner)).await.unwrap();
            let mut kept: Vec<_> = kept.into_iter().map(|kept| (kept.secret, kept.client, kept.phc)).collect();
            let given = rows.into_iter().map(|row| match row {
                VaultRow::Verifier { secret, client, phc } => (secret, client, phc),
                _ => unreachable!(),
            });
            let mut given: Vec<_> = given.collect();
            given.sort_unstable();
            kept.sort_unstable();
            assert!(kept == given, "{} of {}", kept.len(), given.len());
        }
    }

    async fn one_row_that_may_not_be_refuses_all_of_them(store: TestStore) {
        let mut tx = store.begin().await.unwrap();
        tx.keep(tenant(1), &verifiers(1)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let mut rows = verifiers(100);
        rows.reverse();
        assert_eq!(tx.keep(tenant(1), &rows).await, Err(StoreError::Unique { rule: UniqueRule::Vault }));
        tx.rollback().await.unwrap();
        assert_eq!(store.verifiers(tenant(1), client(1)).await.unwrap().len(), 1);
    }

    async fn a_row_that_is_there_is_what_the_conflict_makes_of_it(store: TestStore) {
        let mut tx = store.begin().await.unwrap();
        tx.insert(&COUNTS, Vec::new()).await.unwrap();
        tx.insert(&COUNTS, vec![count("a", 1), count("b", 2)]).await.unwrap();
        tx.insert(&COUNTS, vec![count("b", 3)]).await.unwrap();
        tx.commit().await.unwrap();
        let sql = "SELECT kind, count FROM row_counts ORDER BY kind";
        let rows = fetch_all!(&*store, (String, i64), sql).unwrap();
        assert_eq!(rows, [("a".to_owned(), 11), ("b".to_owned(), 52)]);
    }

    async fn cells_that_do_not_fit_the_columns_are_refused(store: TestStore) {
        let mut tx = store.begin().await.unwrap();
        let short = vec![count("a", 1), vec![Cell::text("b")]];
        assert!(matches!(tx.insert(&COUNTS, short).await, Err(StoreError::Misuse(_))));
        let mut other = count("b", 1);
        other[2] = Cell::text("many");
        let as_they_are = Insert::into(COUNTS.table, COUNTS.columns);
        let refused = tx.insert(&as_they_are, vec![count("a", 1), other]).await;
        assert!(refused.is_err(), "text went where numbers are");
    }
}
