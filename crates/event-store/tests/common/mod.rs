//! What the tests of the store have in common: ids by number, small facts, one append.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part"
)]

use chancery_domain::{
    Actor, ClientId, Event, EventId, Recorded, StreamId, TenantId, Timestamp,
    client::ClientEvent,
    json::JsonObject,
    tenant::{TenantEvent, TenantPolicy},
    value::{DisplayName, Reason, Slug},
};
use chancery_event_store::{Provenance, Store, StoreError, Versions};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// The moment of every test.
pub const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

pub fn tenant(number: u8) -> TenantId {
    TenantId::new(NOW, [number; 10])
}

pub fn client(number: u8) -> ClientId {
    ClientId::new(NOW, [number; 10])
}

/// Ids that never repeat within a test process.
pub fn ids() -> impl Iterator<Item = EventId> + Send {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    std::iter::repeat_with(|| {
        let mut bytes = [0; 16];
        bytes[6] = 0x70;
        bytes[8] = 0x80;
        bytes[9..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()[1..]);
        EventId::from_bytes(bytes)
    })
}

pub fn by_steward() -> Provenance {
    Provenance {
        actor: Actor::Steward,
        command_id: None,
        trace_id: None,
    }
}

pub fn tenant_created(slug: &str) -> Event {
    TenantEvent::TenantCreated {
        slug: Slug::parse(slug).unwrap(),
        display_name: DisplayName::parse("Acme").unwrap(),
        policy: TenantPolicy::default(),
    }
    .into()
}

pub fn disabled(reason: &str) -> Event {
    ClientEvent::ClientDisabled {
        reason: Reason::parse(reason).unwrap(),
    }
    .into()
}

pub fn client_created() -> Event {
    let payload = json!({"auth_method": "client_secret"});
    chancery_domain::event::decode("ClientCreated", 1, payload).unwrap()
}

pub fn metadata(value: Value) -> Event {
    ClientEvent::ClientMetadataChanged {
        metadata: JsonObject::parse(value, 8_192).unwrap(),
    }
    .into()
}

/// Appends as the change path does, without a read set of its own: at the streams' present ends.
pub async fn append(
    store: &Store,
    tenant: TenantId,
    events: &[(StreamId, Event)],
    now: Timestamp,
) -> Result<Vec<Recorded>, StoreError> {
    let mut tx = store.begin().await?;
    let numbers = tx.take_numbers(tenant, events.len(), now).await?;
    let streams: Vec<_> = events.iter().map(|(stream, _)| *stream).collect();
    let versions: Versions = tx.versions(tenant, &streams).await?;
    let recorded = tx
        .append(numbers, events, &versions, &by_steward(), ids())
        .await?;
    tx.commit().await?;
    Ok(recorded)
}

/// The tenant's whole roll.
pub async fn roll(store: &Store, tenant: TenantId) -> Vec<Recorded> {
    store.events_page(tenant, 0, u32::MAX).await.unwrap()
}

/// Fails unless the roll is 1, 2, 3 … and time never goes back in it.
pub fn assert_dense(roll: &[Recorded]) {
    let numbers: Vec<_> = roll.iter().map(|entry| entry.tenant_seq).collect();
    let dense: Vec<_> = (1..).take(roll.len()).collect();
    assert_eq!(numbers, dense);
    assert!(roll.is_sorted_by_key(|entry| entry.recorded_at));
}
