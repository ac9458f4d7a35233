//! Changes that wait: what they wait for, and until when a story does.

use std::time::{Duration, Instant};

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{Backend, Tx, execute, fetch_one};
use serde_json::json;

use super::{Answer, GraphQl, World};

pub(crate) const TURNS: &str = "chancery_change_wait_duration_seconds_count";
pub(crate) const GROUPS: &str = "chancery_change_group_size_count";

/// Asks until it is so. What is waited for comes by itself.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !is_so().await {
        assert!(since.elapsed() < Duration::from_mins(1), "not {what}");
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn until_turns(world: &World, turns: u64) {
    until("that many turns", async || {
        world.counted(TURNS).await >= turns
    })
    .await;
}

pub(crate) async fn until_queued(world: &World, changes: u64) {
    let queued = async || world.counted("chancery_change_queue").await == changes;
    until("that many in the queue", queued).await;
}

/// How many backends wait for somebody's lock.
pub(crate) async fn until_locked_out(world: &World, backends: i64) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let locked_out = async || {
        let (waiting,) = fetch_one!(&*world.store, (i64,), waiting).unwrap();
        waiting == backends
    };
    until("locked out", locked_out).await;
}

pub(crate) async fn id_of(operator: &GraphQl<'_>, slug: &str) -> TenantId {
    let query = format!("{{ tenant(slug: \"{slug}\") {{ id }} }}");
    let tenant = operator.query("tenant", &query).await.data();
    tenant["id"].as_str().unwrap().parse().unwrap()
}

/// Until this is dropped nobody else changes this tenant; on SQLite nobody changes anything.
pub(crate) async fn hold(world: &World, tenant: TenantId) -> Tx {
    let mut tx = world.store.begin().await.unwrap();
    let long_ago = Timestamp::from_micros(0);
    tx.take_numbers(tenant, 0, long_ago).await.unwrap();
    tx
}

/// How often the turn of a change comes that has to wait for its tenant: on PostgreSQL it finds out in a lane for all.
pub(crate) fn turns_of_one(world: &World) -> u64 {
    match world.store.backend() {
        Backend::Postgres => 2,
        Backend::Sqlite => 1,
    }
}

/// The code of each answer that is an error.
pub(crate) fn codes(answers: &[Answer]) -> Vec<&str> {
    let told = answers.iter();
    told.map(|answer| match answer.body.get("errors") {
        Some(_) => answer.code(),
        None => "made",
    })
    .collect()
}

pub(crate) async fn disable(by: &GraphQl<'_>, client: &str) -> Answer {
    let input = json!({"client": client, "reason": "leaves"});
    by.mutation("disableClient", "replayed", input).await
}

pub(crate) async fn describe(by: &GraphQl<'_>, client: &str, text: &str) -> Answer {
    let input = json!({"client": client, "description": text});
    by.mutation("updateClient", "client { id }", input).await
}

pub(crate) async fn create(
    by: &GraphQl<'_>,
    tenant: &str,
    name: &str,
    command: Option<&str>,
) -> Answer {
    let input = json!({"tenant": tenant, "name": name, "commandId": command});
    by.mutation("createClient", "client { id }", input).await
}

/// Until this is dropped nobody else changes this client.
pub(crate) async fn hold_client(world: &World, client: &str) -> Tx {
    let mut tx = world.store.begin().await.unwrap();
    execute!(
        &mut tx,
        "SELECT 1 FROM clients WHERE client_id = $1 FOR UPDATE",
        client
    )
    .unwrap();
    tx
}

/// So many tenants, each with a client.
pub(crate) async fn tenants(operator: &GraphQl<'_>, many: usize) -> Vec<(String, String)> {
    let mut made = Vec::new();
    for number in 0..many {
        let slug = format!("tenant-{number}");
        let input = json!({"slug": slug, "displayName": slug});
        operator
            .mutation("createTenant", "tenant { id }", input)
            .await
            .data();
        let client = create(operator, &slug, "client", None).await.data();
        made.push((slug, client["client"]["id"].as_str().unwrap().to_owned()));
    }
    made
}
