//! Changes of many things at once.

use chancery_domain::{ClientId, Event, StreamId};
use chancery_projections::platform_rebuild;
use chancery_testkit::{on_both_stores, stores::TestStore};
use serde_json::json;

use crate::office::{api, change, client, differences, golden, open, rows, sides, tenant};

/// More than one statement takes on SQLite, and of each size some.
const CLIENTS: std::ops::Range<u8> = 50..211;

fn each<'a>(
    which: impl Iterator<Item = u8> + 'a,
    events: impl Fn(ClientId) -> Vec<(StreamId, Event)> + 'a,
) -> Vec<(StreamId, Event)> {
    which.flat_map(|number| events(client(number))).collect()
}

fn granted() -> Event {
    golden("ClientGranted", json!({"api": api(1).to_string()}))
}

on_both_stores! {
    async fn a_change_of_many_clients_saves_what_changes_of_one_would(store: TestStore) {
        open(&store, 1, "acme").await;
        let made = each(CLIENTS, |id| {
            let name = json!({"name": format!("made {id}")});
            let secret = json!({"issued": {
                "expires_at": "2026-11-24T20:26:40.000000Z", "hint": "wxyz", "issued_at": "2026-05-28T20:26:40.000000Z",
                "not_before": "2026-05-28T20:27:40.000000Z", "secret": id.to_string().replace("client_", "secret_")
            }});
            vec![
                (StreamId::Client(id), golden("ClientCreated", name)),
                (StreamId::Client(id), granted()),
                (StreamId::SecretRotation(id), golden("SecretIssued", secret)),
            ]
        });
        change(&store, tenant(1), &made).await;
        assert_eq!(differences(&store).await.0, [""; 0]);
        // Another name for some, in the same change as other things of the same and of others.
        let (renamed, other) = (CLIENTS.step_by(3), CLIENTS.skip(1).step_by(3));
        let mut changed = each(renamed, |id| {
            vec![
                (StreamId::Client(id), golden("ClientDescribed", json!({"name": format!("Again {id}")}))),
                (StreamId::Client(id), golden("ClientExpiryChanged", json!({"expires_at": "2027-08-26T20:26:40.000000Z"}))),
            ]
        });
        changed.extend(each(other.clone(), |id| {
            let revoked = golden("ClientGrantRevoked", json!({"api": api(1).to_string()}));
            vec![(StreamId::Client(id), revoked), (StreamId::Client(id), golden("ClientDisabled", json!({})))]
        }));
        changed.extend(each(other.step_by(2), |id| vec![(StreamId::Client(id), golden("ClientDeleted", json!({})))]));
        changed.push((StreamId::Client(client(5)), golden("ClientCreated", json!({"name": "late"}))));
        changed.push((StreamId::Api(api(1)), golden("ApiRetired", json!({}))));
        change(&store, tenant(1), &changed).await;
        assert_eq!(differences(&store).await.0, [""; 0]);

        let before = (rows(&store).await, sides(&store).await);
        assert!(before.1.iter().any(|row| row.contains("client.deleted 27")), "{:?}", before.1);
        let tables = ["clients", "client_secrets", "client_grants", "row_counts", "agenda"];
        for table in tables {
            crate::office::run(&store, &format!("DELETE FROM {table}")).await;
        }
        platform_rebuild(&store, &mut ()).await.unwrap();
        assert_eq!((rows(&store).await, sides(&store).await), before);
    }

    async fn nothing_is_left_on_the_agenda_of_a_tenant_that_closes_with_its_clients(store: TestStore) {
        open(&store, 1, "acme").await;
        let mut changed = each(CLIENTS, |id| vec![(StreamId::Client(id), golden("ClientCreated", json!({})))]);
        changed.insert(0, (StreamId::Tenant(tenant(1)), golden("TenantClosed", json!({}))));
        change(&store, tenant(1), &changed).await;
        assert_eq!(differences(&store).await.0, [""; 0]);
    }
}
