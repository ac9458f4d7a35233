//! A tenant with a row in every read model, made of golden events; and changes to it, written as the
//! change path does.

use std::sync::atomic::{AtomicU64, Ordering};

use chancery_domain::{
    Actor, ApiId, ClientId, Event, EventId, StreamId, TenantId, Timestamp, event::decode,
};
use chancery_event_store::{Provenance, Store, Tx, execute, fetch_all};
use chancery_projections::{Checked, Difference, Watch, platform_check};
use serde_json::{Value, json};

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

/// The tables, each with its key.
pub(crate) const TABLES: [(&str, &str); 5] = [
    ("tenants", "tenant_id"),
    ("key_rings", "tenant_id"),
    ("apis", "api_id"),
    ("clients", "client_id"),
    ("client_secrets", "client_id"),
];

pub(crate) fn tenant(number: u8) -> TenantId {
    TenantId::new(NOW, [number; 10])
}

pub(crate) fn api(number: u8) -> ApiId {
    ApiId::new(NOW, [number; 10])
}

pub(crate) fn client(number: u8) -> ClientId {
    ClientId::new(NOW, [number; 10])
}

/// An event as its golden file has it, with these members instead.
pub(crate) fn golden(event_type: &str, members: Value) -> Event {
    let path = format!(
        "{}/../../schema/events/golden/{event_type}.v1.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut payload: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    if let Value::Object(members) = members {
        payload.as_object_mut().unwrap().extend(members);
    }
    decode(event_type, 1, payload).unwrap()
}

/// Ids that never repeat within a test process.
fn ids() -> impl Iterator<Item = EventId> + Send {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    std::iter::repeat_with(|| {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        EventId::new(NOW, random)
    })
}

/// Appends and saves the rows.
pub(crate) async fn change(store: &Store, tenant: TenantId, events: &[(StreamId, Event)]) {
    let mut tx = store.begin().await.unwrap();
    let numbers = tx.take_numbers(tenant, events.len(), NOW).await.unwrap();
    let streams: Vec<_> = events.iter().map(|(stream, _)| *stream).collect();
    let versions = tx.versions(tenant, &streams).await.unwrap();
    let by = Provenance {
        actor: Actor::Steward,
        command_id: None,
        trace_id: None,
    };
    let recorded = tx
        .append(numbers, events, &versions, &by, ids())
        .await
        .unwrap();
    chancery_projections::save(&mut tx, &recorded)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// A tenant with its keys, an API, a client and the client's secrets: 9 events, 5 rows.
pub(crate) async fn open(store: &Store, number: u8, slug: &str) -> TenantId {
    let id = tenant(number);
    let (api, client) = (api(number), client(number));
    let none = || json!({});
    change(
        store,
        id,
        &[
            (
                StreamId::Tenant(id),
                golden("TenantCreated", json!({"slug": slug})),
            ),
            (StreamId::KeyRing(id), golden("KeyGenerated", none())),
            (StreamId::Api(api), golden("ApiCreated", none())),
            (StreamId::Client(client), golden("ClientCreated", none())),
            (
                StreamId::SecretRotation(client),
                golden("SecretIssued", none()),
            ),
        ],
    )
    .await;
    for (stream, event) in [
        (StreamId::Tenant(id), "TenantPolicyChanged"),
        (StreamId::Api(api), "ApiRenamed"),
        (StreamId::Client(client), "ClientDisabled"),
        (StreamId::SecretRotation(client), "SecretRevoked"),
    ] {
        change(store, id, &[(stream, golden(event, none()))]).await;
    }
    id
}

/// What a check finds.
#[derive(Default)]
pub(crate) struct Found(pub(crate) Vec<Difference>);

impl Watch for Found {
    fn differs(&mut self, difference: Difference) {
        self.0.push(difference);
    }
}

/// Every difference of a row, as text, and what was looked at. Nothing here has a vault.
pub(crate) async fn differences(store: &Store) -> (Vec<String>, Checked) {
    let mut found = Found::default();
    let checked = platform_check(store, &mut found).await.unwrap();
    let of_rows = found.0.iter().filter(|found| found.is_rebuilt());
    (of_rows.map(ToString::to_string).collect(), checked)
}

/// Every difference, those too that no rebuild puts right.
pub(crate) async fn every_difference(store: &Store) -> Vec<String> {
    let mut found = Found::default();
    platform_check(store, &mut found).await.unwrap();
    found.0.iter().map(ToString::to_string).collect()
}

/// One statement, past everything that guards the tables.
pub(crate) async fn run(store: &Store, sql: &str) {
    let mut tx: Tx = store.begin().await.unwrap();
    execute!(&mut tx, sql).unwrap();
    tx.commit().await.unwrap();
}

/// All rows of all read models.
pub(crate) async fn rows(store: &Store) -> Vec<(String, String, i64, i64, i64, String)> {
    let mut all = Vec::new();
    for (table, id) in TABLES {
        let sql = format!(
            "SELECT {id}, tenant_id, version, created_at, changed_at, body FROM {table} ORDER BY {id}"
        );
        all.extend(fetch_all!(store, (String, String, i64, i64, i64, String), &sql).unwrap());
    }
    all
}

/// All that stands beside the rows, in order.
pub(crate) async fn sides(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    for sql in [
        "SELECT tenant_id || ' ' || term FROM tenant_terms ORDER BY 1",
        "SELECT client_id || ' ' || api_id || ' ' || tenant_id || ' ' || COALESCE(search_name, '-') || ' '
                || CAST(created_at AS TEXT) FROM client_grants ORDER BY 1",
        "SELECT tenant_id || ' ' || kind || ' ' || CAST(count AS TEXT) FROM row_counts ORDER BY 1",
        "SELECT tenant_id || ' ' || kind || ' ' || subject || ' ' || COALESCE(client_id, '-') || ' '
                || CAST(at AS TEXT) || ' ' || COALESCE(CAST(record_at AS TEXT), '-') || ' ' || name || ' '
                || CAST(number AS TEXT) FROM agenda ORDER BY 1",
    ] {
        let rows = fetch_all!(store, (String,), sql).unwrap();
        all.extend(rows.into_iter().map(|(row,)| row));
    }
    all
}
