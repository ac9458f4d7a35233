//! What the activity log says of a request, and that no token leaves before it does.

use chancery_domain::Clock as _;
use chancery_event_store::{Database, StoreConfig, Tx};
use chancery_testkit::{held, on_both_stores, stores::TestStore};
use chancery_token_log::{Activity, ActivityFilter, Durability, Kind};

use crate::{FORM, GRANT, Node, ORDERS, basic, common::Known, shop, shop_with};

impl Node {
    async fn activity(&self, client: &Known) -> Vec<Activity> {
        self.log
            .page(
                client.tenant,
                (None, None),
                1_000,
                &ActivityFilter::default(),
            )
            .await
            .unwrap()
            .records
    }

    /// Until this is dropped no record can be written.
    async fn hold(&self) -> Tx {
        let log = chancery_token_log::TokenLogConfig::beside(self.world.store.location());
        let raw = Database::connect(&StoreConfig::new(log.location))
            .await
            .unwrap();
        held::hold(&raw).await
    }
}

on_both_stores! {
    async fn a_token_has_its_record_when_it_leaves(store: TestStore) {
        let (node, client) = shop(store).await;
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let basic = basic(&client);
        let headers = [
            ("content-type", FORM), ("authorization", &basic), ("user-agent", "shop/1.0"),
            ("x-forwarded-for", "203.0.113.9"), ("traceparent", trace),
        ];
        let answer = node.post(&headers, format!("{GRANT}&audience={ORDERS}")).await;
        let claims = node.claims("acme", ORDERS, &answer).await;
        let all = node.activity(&client).await;
        let [found] = &all[..] else { panic!("{all:?}") };
        assert_eq!((found.kind, found.at, found.times), (Kind::TokenIssued, node.world.clock.now(), 1));
        assert_eq!(found.client, Some(client.id.to_string()));
        assert_eq!(found.credential, Some(client.secret_id.to_string()));
        assert_eq!(found.jti.as_deref(), claims["jti"].as_str());
        assert_eq!(found.scopes.join(" "), claims["scope"]);
        assert_eq!(found.audience, [ORDERS]);
        assert_eq!(found.expires_at.map(chancery_domain::Timestamp::seconds), claims["exp"].as_i64());
        assert_eq!(found.address.as_deref(), Some("203.0.113.9"));
        assert_eq!(found.user_agent.as_deref(), Some("shop/1.0"));
        assert_eq!(found.trace_id.as_deref(), Some(&trace[3..35]));
        assert_eq!(found.reason, None);
        let last = node.log.uses(client.tenant).await.unwrap().last(&[client.secret_id.to_string()]).await.unwrap();
        assert_eq!(last[&client.secret_id.to_string()].at, node.world.clock.now());
    }

    async fn a_denial_is_recorded_with_its_reason_and_without_a_secret(store: TestStore) {
        let (node, client) = shop(store).await;
        // From now on the node knows the tenant, and takes note of denials in their order.
        assert_eq!(node.ask(&client, "").await.status, 200);
        let wrong = Known { secret: "chs_wrong".to_owned(), ..client.clone() };
        node.ask(&wrong, "").await;
        node.ask(&client, "scope=orders:none").await;
        let pasted = format!("{GRANT}&client_id={}&client_secret=x", client.secret);
        node.post(&[("content-type", FORM)], pasted).await;
        let unknown = format!("{GRANT}&client_id={}&client_secret=x", "y".repeat(100));
        node.post(&[("content-type", FORM)], unknown).await;
        node.world.disable(&client).await;
        node.ask(&client, "").await;
        node.post_to("nobody", &[("content-type", FORM)], GRANT).await;
        node.log.drain().await;
        let all = node.activity(&client).await.split_off(1);
        let told: Vec<_> = all.iter()
            .map(|found| (found.reason.as_deref().unwrap(), found.client.as_deref().unwrap()))
            .collect();
        let id = client.id.to_string();
        let cut = "y".repeat(64);
        assert_eq!(told, [
            ("wrong_secret", &*id), ("scope_not_granted", &*id), ("wrong_secret", "(masked)"),
            ("wrong_secret", &*cut), ("client_disabled", &*id),
        ]);
        assert!(all.iter().all(|found| found.kind == Kind::TokenDenied && found.jti.is_none()));
        assert!(!format!("{all:?}").contains(&client.secret));
    }

    async fn nothing_is_issued_on_a_view_that_was_overtaken_before_its_record(store: TestStore) {
        let (node, client) = shop(store).await;
        assert_eq!(node.ask(&client, "").await.status, 200);
        let held = node.hold().await;
        // It is decided, and waits to be recorded, when the secret is revoked.
        let asked = node.ask(&client, "");
        let revoked = async {
            // The hash is known, so nothing keeps the request from the queue.
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            node.world.revoke(&client).await;
            drop(held);
        };
        let (answer, ()) = tokio::join!(asked, revoked);
        assert_eq!(answer.outcome(), (401, "invalid_client".to_owned()));
        node.log.drain().await;
        let reasons: Vec<_> = node.activity(&client).await.into_iter().map(|found| found.reason).collect();
        assert_eq!(reasons, [None, Some("secret_revoked".to_owned())]);
    }

    async fn what_another_node_has_changed_ends_and_begins_tokens_at_once(store: TestStore) {
        let (node, client) = shop(store).await;
        assert_eq!(node.ask(&client, "").await.status, 200);
        // The changes are made past this node.
        let next = node.world.rotated(&client, 60).await;
        assert_eq!(node.ask(&next, "").await.status, 200, "a secret that this node has not seen");
        assert_eq!(node.ask(&client, "").await.status, 200);
        node.world.revoke(&client).await;
        assert_eq!(node.ask(&client, "").await.status, 401);
        assert_eq!(node.ask(&next, "").await.status, 200);
        node.world.suspend(client.tenant).await;
        assert_eq!(node.ask(&next, "").await.status, 401);
    }

    async fn with_async_the_record_follows_and_the_view_is_fresh(store: TestStore) {
        let (node, client) = shop_with(store, Durability::Async).await;
        let held = node.hold().await;
        assert_eq!(node.ask(&client, "").await.status, 200, "nobody waits for the record");
        drop(held);
        node.world.revoke(&client).await;
        assert_eq!(node.ask(&client, "").await.status, 401);
        node.log.drain().await;
        let kinds: Vec<_> = node.activity(&client).await.into_iter().map(|found| found.kind).collect();
        assert_eq!(kinds, [Kind::TokenIssued, Kind::TokenDenied]);
    }

    async fn a_full_queue_answers_busy(store: TestStore) {
        let (node, client) = shop(store).await;
        assert_eq!(node.ask(&client, "").await.status, 200);
        let held = node.hold().await;
        let filler = || chancery_token_log::Entry::new(client.tenant, node.world.clock.now(), Kind::RollRead);
        // The writer takes its batch; then nothing moves.
        for _ in 0..2 {
            while node.log.queue(filler()).is_ok_and(|queued| queued.is_done()) {}
            tokio::task::yield_now().await;
        }
        let answer = loop {
            while node.log.queue(filler()).is_ok_and(|queued| queued.is_done()) {}
            let answer = node.ask(&client, "").await;
            if answer.status != 200 {
                break answer;
            }
        };
        assert_eq!(answer.outcome(), (503, "temporarily_unavailable".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"));
        drop(held);
        node.log.drain().await;
        assert_eq!(node.ask(&client, "").await.status, 200);
    }

    async fn a_warm_token_reads_nothing_but_the_head_that_its_record_is_held_against(store: TestStore) {
        let (node, client) = shop(store).await;
        assert_eq!(node.ask(&client, "").await.status, 200);
        // The log has connections of its own.
        node.world.store.close().await;
        assert_eq!(node.ask(&client, "").await.status, 200);
        assert_eq!(
            node.ask(&client, "scope=none").await.status,
            503,
            "a refusal would have to be held against the roll"
        );
    }
}
