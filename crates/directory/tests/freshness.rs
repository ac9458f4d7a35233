//! What the directory shows, and that it is never older than the question.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;

use chancery_crypto::{MasterKey, Sealer};
use chancery_directory::{Capacity, ClientEntry, Directory, Seen, TenantEntry, Unavailable};
use chancery_domain::{
    ClientId, Clock as _,
    client::Standing,
    secret_rotation::SecretState,
    tenant::{SigningAlgorithm, TenantState},
    value::ApiIdentifier,
};
use chancery_event_store::execute;
use chancery_telemetry::Points;
use chancery_testkit::{on_both_stores, stores::TestStore};

use common::{Known, World};

async fn look(directory: &Directory, client: &Known) -> (Seen<TenantEntry>, Seen<ClientEntry>) {
    let tenant = directory.tenant("acme").await.unwrap().unwrap();
    let client = directory.client(&tenant, client.id).await.unwrap().unwrap();
    (tenant, client)
}

fn has_verifier(client: &ClientEntry, known: &Known) -> bool {
    let secret = client.secrets.get(&known.secret_id);
    secret.is_some_and(|secret| secret.verifier.is_some())
}

/// How many tenants and clients were read.
fn fills(directory: &Directory) -> (u64, u64) {
    let families = directory.families();
    let fills = families
        .iter()
        .find(|family| family.name == "chancery.directory.fills");
    let Points::Sums(points) = &fills.unwrap().points else {
        panic!("{fills:?}")
    };
    (points[0].1, points[1].1)
}

on_both_stores! {
    /// Twenty clients in use and ten changes of one of them: one look at the roll for each change, and one
    /// entry read again for each, however many are in use.
    async fn a_change_costs_one_entry_and_not_all(store: TestStore) {
        let world = World::on(store);
        let acme = world.tenant("acme").await;
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(world.client(acme, &[]).await);
        }
        let directory = world.directory();
        let all = async || {
            for client in &clients {
                look(&directory, client).await;
            }
        };
        all().await;
        assert_eq!(fills(&directory), (1, 20));
        let mut newest = clients[0].clone();
        for _ in 0..10 {
            newest = world.rotated(&newest, 0).await;
            all().await;
            let entry = look(&directory, &newest).await.1;
            assert!(has_verifier(&entry, &newest));
        }
        assert_eq!(fills(&directory), (1, 30));
    }

    /// What was seen holds for the state that it says, also where another request has gone on.
    async fn an_entry_says_until_where_it_holds(store: TestStore) {
        let world = World::on(store);
        let acme = world.tenant("acme").await;
        let (one, other) = (world.client(acme, &[]).await, world.client(acme, &[]).await);
        let directory = world.directory();
        look(&directory, &one).await;
        look(&directory, &other).await;
        let before = directory.tenant_seen("acme").await.unwrap().unwrap();
        world.disable(&one).await;
        // Nobody has looked since: what this node has seen is as it was, and says so.
        let unaware = directory.tenant_seen("acme").await.unwrap().unwrap();
        assert_eq!(unaware.stamp, before.stamp);
        let stale = directory.client(&unaware, one.id).await.unwrap().unwrap();
        assert_eq!((stale.stamp, stale.standing), (before.stamp, Standing::Enabled));
        // Whoever looks takes the others along.
        let (now, _) = look(&directory, &other).await;
        let aware = directory.tenant_seen("acme").await.unwrap().unwrap();
        assert!(aware.stamp == now.stamp && now.stamp != before.stamp);
        let disabled = directory.client(&aware, one.id).await.unwrap().unwrap();
        assert_eq!((disabled.stamp, disabled.standing), (now.stamp, Standing::Disabled));
        // The view of before goes with an entry of before, or of after; never with one that is older.
        let held = directory.client(&unaware, other.id).await.unwrap().unwrap();
        assert_eq!(held.stamp, before.stamp);
    }

    /// A failover that lost commits and gave their numbers to others: the roll goes back, or stands where it
    /// stood with another moment. Nothing that was seen before counts.
    async fn a_roll_that_was_set_back_is_read_anew(store: TestStore) {
        let world = World::on(store);
        let acme = world.tenant("acme").await;
        let known = world.client(acme, &[]).await;
        let directory = world.directory();
        let mut seen = look(&directory, &known).await;
        for sql in [
            "UPDATE tenant_log SET recorded_at = recorded_at + 1 WHERE tenant_id = $1",
            "UPDATE tenant_log SET head = head - 1 WHERE tenant_id = $1",
        ] {
            let mut tx = world.store.begin().await.unwrap();
            assert_eq!(execute!(&mut tx, sql, acme.to_string()).unwrap(), 1);
            tx.commit().await.unwrap();
            let again = look(&directory, &known).await;
            assert!(!seen.0.same(&again.0) && !seen.1.same(&again.1), "{sql}");
            assert!(seen.0.stamp != again.0.stamp && again.0.stamp == again.1.stamp);
            seen = again;
        }
    }

    async fn everything_a_decision_needs_is_there(store: TestStore) {
        let world = World::on(store);
        let acme = world.tenant("acme").await;
        let orders = world.api(acme, "https://orders.example", "a b", "clerk=a").await;
        let known = world.client(acme, &[(orders, "b", "clerk")]).await;

        let directory = world.directory();
        let (tenant, client) = look(&directory, &known).await;
        assert_eq!((tenant.id, tenant.tenant.state), (acme, TenantState::Active));
        let identifier = ApiIdentifier::parse("https://orders.example").unwrap();
        let (id, api) = tenant.apis.by_identifier(&identifier).unwrap();
        assert_eq!((id, api), (orders, tenant.apis.get(orders).unwrap()));
        assert!(tenant.apis.by_identifier(&ApiIdentifier::admin()).is_some());
        let key = tenant.keys.signing(SigningAlgorithm::Es256, tenant.newest).unwrap();
        assert_eq!(&tenant.keys.set(world.clock.now()).keys, std::slice::from_ref(key.public_jwk()));

        assert_eq!(client.grants.get(&orders).unwrap().identifier, identifier);
        let secret = client.secrets.get(&known.secret_id).unwrap();
        assert_eq!(secret.validity.state(world.clock.now()), SecretState::Active);
        let verifier = secret.verifier.as_ref().unwrap();
        let (hasher, id) = (&world.hasher, known.secret_id);
        assert_eq!(directory.verify_secret(hasher, id, &known.secret, verifier).await, Ok(true));
        assert_eq!(directory.verify_secret(hasher, id, "chs_", verifier).await, Ok(false));
    }

    async fn what_is_not_there_is_absent_until_it_is(store: TestStore) {
        let world = World::on(store);
        let directory = world.directory();
        for slug in ["acme", "", "Not A Slug", "../acme"] {
            assert!(directory.tenant(slug).await.unwrap().is_none(), "{slug}");
        }
        let acme = world.tenant("acme").await;
        let tenant = directory.tenant("acme").await.unwrap().unwrap();
        let nobody = ClientId::from_bytes([7; 16]);
        assert!(directory.client(&tenant, nobody).await.unwrap().is_none());
        assert!(directory.client(&tenant, nobody).await.unwrap().is_none());
        let known = world.client(acme, &[]).await;
        assert_eq!(look(&directory, &known).await.1.id, known.id);
    }

    async fn a_client_of_another_tenant_is_absent_cold_and_warm(store: TestStore) {
        let world = World::on(store);
        let (acme, _) = (world.tenant("acme").await, world.tenant("other").await);
        let known = world.client(acme, &[]).await;
        let directory = world.directory();
        for _ in 0..2 {
            let other = directory.tenant("other").await.unwrap().unwrap();
            assert!(directory.client(&other, known.id).await.unwrap().is_none());
            look(&directory, &known).await;
        }
    }

    async fn what_another_node_has_changed_is_seen_by_the_next_request(store: TestStore) {
        let world = World::on(store);
        let acme = world.tenant("acme").await;
        let known = world.client(acme, &[]).await;
        let nodes = [world.directory(), world.directory_of(world.store.another().await)];
        for node in &nodes {
            look(node, &known).await;
        }
        let next = world.rotated(&known, 60).await;
        for node in &nodes {
            let client = look(node, &known).await.1;
            assert!(has_verifier(&client, &next));
        }
        world.revoke(&known).await;
        for node in &nodes {
            let (_, client) = look(node, &known).await;
            let secret = client.secrets.get(&known.secret_id).unwrap();
            assert_eq!(secret.validity.state(world.clock.now()), SecretState::Revoked);
        }
        world.disable(&known).await;
        for node in &nodes {
            assert_eq!(look(node, &known).await.1.standing, Standing::Disabled);
        }
        world.suspend(acme).await;
        for node in &nodes {
            assert_eq!(look(node, &known).await.0.tenant.state, TenantState::Suspended);
        }
    }

    async fn what_has_not_changed_is_not_read_again(store: TestStore) {
        let world = World::on(store);
        let (acme, other) = (world.tenant("acme").await, world.tenant("other").await);
        let known = world.client(acme, &[]).await;
        let directory = world.directory();
        let (tenant, client) = look(&directory, &known).await;
        world.client(other, &[]).await;
        let (tenant_again, client_again) = look(&directory, &known).await;
        assert!(tenant.same(&tenant_again) && client.same(&client_again));

        // A change of another client names neither.
        world.client(acme, &[]).await;
        let (tenant_again, client_again) = look(&directory, &known).await;
        assert!(tenant.same(&tenant_again) && client.same(&client_again));
        assert!(tenant.stamp != tenant_again.stamp && tenant_again.stamp == client_again.stamp);
        assert_eq!(fills(&directory), (1, 1));

        // A change of the tenant names no client.
        world.api(acme, "https://orders.example", "a", "").await;
        let (refilled, client_again) = look(&directory, &known).await;
        assert!(!tenant.same(&refilled) && client.same(&client_again));
        assert_eq!(fills(&directory), (2, 1));
        let key = |entry: &TenantEntry| entry.keys.signing(SigningAlgorithm::Es256, entry.newest).unwrap().clone();
        assert!(Arc::ptr_eq(&key(&tenant), &key(&refilled)), "a key is parsed once");
    }

    async fn cold_requests_share_one_fill(store: TestStore) {
        let world = World::on(store);
        let acme = world.tenant("acme").await;
        let known = world.client(acme, &[]).await;
        let directory = Arc::new(world.directory());
        let tasks: Vec<_> = (0..32).map(|_| {
            let (directory, known) = (directory.clone(), known.clone());
            tokio::spawn(async move { look(&directory, &known).await })
        }).collect();
        let (tenant, client) = look(&directory, &known).await;
        for task in tasks {
            let (same_tenant, same_client) = task.await.unwrap();
            assert!(tenant.same(&same_tenant) && client.same(&same_client));
        }
    }

    async fn no_request_sees_less_than_was_committed_before_it(store: TestStore) {
        let world = World::on(store);
        let acme = world.tenant("acme").await;
        let known = world.client(acme, &[]).await;
        let nodes = [world.directory(), world.directory_of(world.store.another().await)];
        let nodes = nodes.map(Arc::new);
        // Others ask all the time, so that entries are being filled while the roll grows.
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let noise: Vec<_> = nodes.iter().map(|node| {
            let (node, known, stop) = (node.clone(), known.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    look(&node, &known).await;
                    tokio::task::yield_now().await;
                }
            })
        }).collect();
        let mut newest = known.clone();
        for _ in 0..20 {
            newest = world.rotated(&newest, 0).await;
            for node in &nodes {
                let client = look(node, &known).await.1;
                assert!(has_verifier(&client, &newest));
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for task in noise {
            task.await.unwrap();
        }
    }

    async fn a_store_that_is_gone_is_unavailable_however_warm_the_entry(store: TestStore) {
        let world = World::on(store);
        let acme = world.tenant("acme").await;
        let known = world.client(acme, &[]).await;
        let directory = world.directory();
        look(&directory, &known).await;
        world.store.close().await;
        assert!(matches!(directory.tenant("acme").await, Err(Unavailable::Store(_))));
        assert!(matches!(directory.tenant("other").await, Err(Unavailable::Store(_))));
        assert!(directory.tenant("No Slug").await.unwrap().is_none());
    }

    async fn a_key_that_does_not_open_is_unavailable_and_is_not_shown(store: TestStore) {
        let world = World::on(store);
        world.tenant("acme").await;
        let wrong = Arc::new(Sealer::new(MasterKey::generate(&*world.entropy), None));
        let store = (*world.store).clone();
        let directory = Directory::new(store, wrong, &*world.entropy, Capacity::default());
        let error = directory.tenant("acme").await.unwrap_err();
        assert!(matches!(error, Unavailable::NoMasterKey { .. }), "{error}");
        assert!(error.to_string().contains("master key"), "{error}");
    }
}
