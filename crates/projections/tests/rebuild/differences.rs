use chancery_event_store::Backend;
use chancery_projections::platform_rebuild;
use chancery_testkit::{on_both_stores, stores::TestStore};

use crate::office::{
    TABLES, api, change, client, differences, golden, open, rows, run, sides, tenant,
};

on_both_stores! {
    async fn rows_that_changes_have_saved_are_what_their_events_add_up_to(store: TestStore) {
        open(&store, 1, "acme").await;
        open(&store, 2, "bolt").await;
        let (found, checked) = differences(&store).await;
        assert_eq!(found, [""; 0]);
        assert_eq!((checked.events, checked.rows), (18, 10));
        let before = rows(&store).await;
        let rebuilt = platform_rebuild(&store, &mut ()).await.unwrap();
        assert_eq!((rebuilt.events, rebuilt.rows, rebuilt.mended), (18, 10, 0));
        assert_eq!(rows(&store).await, before);
    }

    async fn every_column_that_differs_is_named_and_mended(store: TestStore) {
        open(&store, 1, "acme").await;
        open(&store, 2, "bolt").await;
        let before = rows(&store).await;
        let own: [&[&str]; 5] = [
            &["slug", "display_name", "state"],
            &[],
            &["identifier", "name", "state"],
            &["name", "search_name", "state", "auth_method"],
            &[],
        ];
        for ((table, id), own) in TABLES.into_iter().zip(own) {
            for column in own.iter().chain(&["version", "created_at", "changed_at"]) {
                let value = if own.contains(column) { "'another'" } else { "4711" };
                let sql = format!(
                    "UPDATE {table} SET {column} = {value} WHERE tenant_id = '{}'",
                    tenant(2)
                );
                run(&store, &sql).await;
                let (found, _) = differences(&store).await;
                assert_eq!(found.len(), 1, "{table}.{column}: {found:?}");
                assert!(
                    found[0].starts_with(&format!("{table} ")) && found[0].contains(&format!(": `{column}` is ")),
                    "{id}: {found:?}"
                );
                assert_eq!(platform_rebuild(&store, &mut ()).await.unwrap().mended, 1);
                assert_eq!(differences(&store).await.0, [""; 0]);
            }
            run(&store, &format!("UPDATE {table} SET body = '{{}}' WHERE tenant_id = '{}'", tenant(1))).await;
            let (found, _) = differences(&store).await;
            assert!(found[0].contains(": `body/"), "{found:?}");
            platform_rebuild(&store, &mut ()).await.unwrap();
        }
        run(&store, "UPDATE clients SET expires_at = 1").await;
        assert_eq!(differences(&store).await.0.len(), 2);
        platform_rebuild(&store, &mut ()).await.unwrap();
        assert_eq!(rows(&store).await, before);
    }

    async fn what_is_missing_and_what_has_no_events_is_named_and_mended(store: TestStore) {
        open(&store, 1, "acme").await;
        open(&store, 2, "bolt").await;
        let before = rows(&store).await;
        for (table, _) in TABLES {
            run(&store, &format!("DELETE FROM {table} WHERE tenant_id = '{}'", tenant(1))).await;
        }
        let (found, _) = differences(&store).await;
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found.iter().all(|line| line.ends_with("there are events and no row")), "{found:?}");
        platform_rebuild(&store, &mut ()).await.unwrap();
        assert_eq!(rows(&store).await, before);

        // A client that nobody made, one in a tenant that nobody made, one in another tenant's hands.
        let made = |id: &str, tenant: &str| format!(
            "INSERT INTO clients (client_id, tenant_id, state, auth_method, notes, version, created_at, changed_at, body)
             VALUES ('{id}', '{tenant}', 'enabled', 'client_secret', 0, 1, 1, 1, '{{}}')"
        );
        run(&store, &made(&client(9).to_string(), &tenant(1).to_string())).await;
        run(&store, &made("no id at all", &tenant(1).to_string())).await;
        run(&store, &made(&client(8).to_string(), &tenant(8).to_string())).await;
        run(&store, &format!("UPDATE apis SET tenant_id = '{}', identifier = 'x' WHERE api_id = '{}'", tenant(1), api(2))).await;
        let (mut found, _) = differences(&store).await;
        found.sort();
        let mut expected = vec![
            format!("apis {}: there are events and no row", api(2)),
            format!("apis {}: there is a row and no events for it", api(2)),
            format!("clients {}: there is a row and no events for it", client(9)),
            format!("clients {}: there is a row and no events for it", client(8)),
            "clients no id at all: there is a row and no events for it".to_owned(),
        ];
        expected.sort();
        assert_eq!(found, expected);
        platform_rebuild(&store, &mut ()).await.unwrap();
        assert_eq!(rows(&store).await, before);
    }

    async fn what_stands_beside_the_rows_is_compared_and_mended_with_them(store: TestStore) {
        for (number, slug) in [(1, "acme"), (2, "bolt")] {
            let id = open(&store, number, slug).await;
            let granted = golden("ClientGranted", serde_json::json!({"api": api(number)}));
            change(&store, id, &[(chancery_domain::StreamId::Client(client(number)), granted)]).await;
        }
        assert_eq!(differences(&store).await.0, [""; 0]);
        let before = sides(&store).await;
        assert_eq!(before.len(), 4 + 2 + 4 + 6, "{before:?}");
        let (one, nobody) = (tenant(1), tenant(8));
        for (sql, count) in [
            ("DELETE FROM tenant_terms".to_owned(), 4),
            ("DELETE FROM client_grants".to_owned(), 2),
            ("DELETE FROM row_counts".to_owned(), 4),
            ("DELETE FROM agenda".to_owned(), 6),
            ("UPDATE agenda SET at = at + 1".to_owned(), 6),
            ("UPDATE agenda SET name = name || 'x', number = number + 1".to_owned(), 12),
            (format!("UPDATE tenant_terms SET term = term || 'x' WHERE tenant_id = '{one}'"), 4),
            ("UPDATE client_grants SET search_name = 'x', created_at = 1".to_owned(), 4),
            ("UPDATE row_counts SET count = count + 1".to_owned(), 4),
            (format!("INSERT INTO row_counts (tenant_id, kind, count) VALUES ('{nobody}', 'api.active', 1)"), 1),
            (format!("INSERT INTO tenant_terms (tenant_id, term) VALUES ('{one}', 'nobody')"), 1),
        ] {
            run(&store, &sql).await;
            let (found, _) = differences(&store).await;
            assert_eq!(found.len(), count, "{sql}: {found:?}");
            assert!(platform_rebuild(&store, &mut ()).await.unwrap().mended > 0, "{sql}");
            assert_eq!(differences(&store).await.0, [""; 0], "{sql}");
            assert_eq!(sides(&store).await, before, "{sql}");
        }
    }

    async fn a_unique_value_in_the_wrong_row_comes_back_to_its_own(store: TestStore) {
        open(&store, 1, "acme").await;
        open(&store, 2, "bolt").await;
        let before = rows(&store).await;
        // The first tenant's turn comes while the second still holds its slug.
        run(&store, "UPDATE tenants SET slug = 'other' WHERE slug = 'acme'").await;
        run(&store, "UPDATE tenants SET slug = 'acme' WHERE slug = 'bolt'").await;
        platform_rebuild(&store, &mut ()).await.unwrap();
        assert_eq!(differences(&store).await.0, [""; 0]);
        assert_eq!(rows(&store).await, before);
    }

    async fn more_rows_than_fit_into_one_statement(store: TestStore) {
        use chancery_domain::{ClientId, StreamId};
        use crate::office::NOW;
        let id = open(&store, 1, "acme").await;
        let created = golden("ClientCreated", serde_json::json!({}));
        let clients: Vec<_> = (0..2_100_u64)
            .map(|number| {
                let mut random = [0; 10];
                random[2..].copy_from_slice(&number.to_be_bytes());
                (StreamId::Client(ClientId::new(NOW, random)), created.clone())
            })
            .collect();
        for some in clients.chunks(100) {
            change(&store, id, some).await;
        }
        let before = rows(&store).await;
        run(&store, "UPDATE clients SET body = '{}'").await;
        run(&store, "DELETE FROM clients WHERE version = 2").await;
        let rebuilt = platform_rebuild(&store, &mut ()).await.unwrap();
        assert_eq!(rebuilt.mended, 2_101);
        assert_eq!(rows(&store).await, before);
    }
}

#[tokio::test]
async fn both_stores_hold_the_same_rows() {
    let sqlite = TestStore::sqlite().await;
    let postgres = TestStore::postgres().await;
    assert_eq!(sqlite.backend(), Backend::Sqlite);
    for store in [&sqlite, &postgres] {
        open(store, 1, "acme").await;
        run(store, "DELETE FROM clients").await;
        platform_rebuild(store, &mut ()).await.unwrap();
    }
    assert_eq!(rows(&sqlite).await, rows(&postgres).await);
}
