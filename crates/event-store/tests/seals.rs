//! Looking after seals costs little, however many tenants there are.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use chancery_domain::TenantId;
use chancery_event_store::{Backend, execute};
use chancery_testkit::{on_both_stores, stores::TestStore};
use common::NOW;

const TENANTS: u32 = 10_000;
const PAGE: u32 = 500;

fn numbered(number: u32) -> TenantId {
    let mut random = [0; 10];
    random[..4].copy_from_slice(&number.to_be_bytes());
    TenantId::new(NOW, random)
}

/// So many tenants with keys of two kinds, and a seal each but for some.
async fn seed(store: &TestStore, gone: &[u32]) {
    let mut tx = store.begin().await.unwrap();
    for begin in (0..TENANTS).step_by(1_000) {
        let numbers = begin..begin + 1_000;
        let nothing = match store.backend() {
            Backend::Sqlite => "x''",
            Backend::Postgres => "''",
        };
        let keys = numbers.clone().flat_map(|number| {
            let key = |purpose| {
                format!(
                    "('{purpose}-{number}', '{}', '{purpose}', 'm', {nothing})",
                    numbered(number)
                )
            };
            [key("signing-key"), key("note-key")]
        });
        let keys = keys.collect::<Vec<_>>().join(", ");
        let insert =
            "INSERT INTO sealed_keys (key_id, tenant_id, purpose, master_key_id, sealed) VALUES";
        execute!(&mut tx, &format!("{insert} {keys}")).unwrap();
        let seals = numbers.filter(|number| !gone.contains(number));
        let seals = seals.map(|number| format!("('{}', 'o', 'k', 'v', 1, 'n')", numbered(number)));
        let seals = seals.collect::<Vec<_>>().join(", ");
        let rolls = (begin..begin + 1_000).map(|number| format!("('{}', 1, 1)", numbered(number)));
        let rolls = rolls.collect::<Vec<_>>().join(", ");
        let insert = "INSERT INTO tenant_log (tenant_id, head, recorded_at) VALUES";
        execute!(&mut tx, &format!("{insert} {rolls}")).unwrap();
        let insert =
            "INSERT INTO seals (tenant_id, origin, key_id, verifier_key, size, note) VALUES";
        execute!(&mut tx, &format!("{insert} {seals}")).unwrap();
    }
    execute!(&mut tx, "ANALYZE").unwrap();
    tx.commit().await.unwrap();
}

on_both_stores! {
    async fn whose_seal_is_gone_is_found_page_by_page_along_an_index(store: TestStore) {
        let gone = [0, 499, 500, 7_777, TENANTS - 1];
        seed(&store, &gone).await;
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = store.platform_seals_gone(after, PAGE).await.unwrap();
            found.extend(page.iter().filter(|(_, gone)| *gone).map(|(tenant, _)| *tenant));
            pages += 1;
            if page.len() < PAGE as usize {
                break;
            }
            after = page.last().map(|(tenant, _)| *tenant);
        }
        assert_eq!(found, gone.map(numbered));
        assert_eq!(pages, TENANTS / PAGE + 1);

        // Within the whole: neither what is before the page is read, nor what comes after it.
        let plan = store.explain_seals_gone(numbered(5_000), PAGE).await.unwrap();
        assert!(plan.contains("sealed_keys_tenant_idx"), "{plan}");
        for whole in ["Seq Scan", "SCAN sealed_keys", "SCAN s\n", "Sort", "TEMP B-TREE", "Hash"] {
            assert!(!plan.contains(whole), "{whole}: {plan}");
        }
        if store.backend() == Backend::Postgres {
            assert!(plan.contains("rows=500 loops=1") && plan.contains("rows=1 loops=500"), "{plan}");
        }
    }
}

on_both_stores! {
    async fn seals_are_read_page_by_page_along_an_index(store: TestStore) {
        let gone = [0, 4_999, TENANTS - 1];
        seed(&store, &gone).await;
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.platform_seals_after(after, PAGE).await.unwrap();
            assert!(page.iter().all(|seal| seal.head == Some(1) && seal.note == "n"));
            found.extend(page.iter().map(|seal| seal.tenant));
            if page.len() < PAGE as usize {
                break;
            }
            after = page.last().map(|seal| seal.tenant);
        }
        let all = (0..TENANTS).filter(|number| !gone.contains(number)).map(numbered);
        assert_eq!(found, all.collect::<Vec<_>>());

        let plan = store.explain_seals_after(numbered(5_000), PAGE).await.unwrap();
        for whole in ["Seq Scan", "SCAN s\n", "SCAN t", "Sort", "TEMP B-TREE", "Hash"] {
            assert!(!plan.contains(whole), "{whole}: {plan}");
        }
        match store.backend() {
            Backend::Postgres => {
                assert!(plan.contains("seals_pkey") && plan.contains("rows=500 loops=1"), "{plan}");
                assert!(plan.contains("tenant_log_pkey") && plan.contains("rows=1 loops=500"), "{plan}");
            }
            Backend::Sqlite => {
                assert!(plan.contains("SEARCH s USING INDEX") && plan.contains("SEARCH t USING"), "{plan}");
            }
        }
    }
}
