//! Clients that get none, and what they learn.

use chancery_domain::{
    ClientId,
    client::Expiry,
    tenant::{TenantPolicy, TokenAuthMethod},
};
use chancery_testkit::{on_both_stores, stores::TestStore};
use serde_json::json;

use crate::{BILLING, FORM, GRANT, Node, ORDERS, basic, common::Known, shop};

on_both_stores! {
    async fn what_cannot_be_proved_is_denied_in_one_answer(store: TestStore) {
        let (node, client) = shop(store).await;
        let world = &node.world;
        let other_tenant = world.tenant("other").await;
        let elsewhere = world.client(other_tenant, &[]).await;
        let disabled = world.client(client.tenant, &[]).await;
        world.disable(&disabled).await;
        let revoked = world.client(client.tenant, &[]).await;
        world.revoke(&revoked).await;
        let mut changed = client.secret.clone();
        let last = changed.pop().unwrap();
        changed.push(if last == 'a' { 'b' } else { 'a' });

        let with = |client: &Known, secret: &str| Known { secret: secret.to_owned(), ..client.clone() };
        let unknown = Known { id: ClientId::from_bytes([9; 16]), ..client.clone() };
        let mut answers = Vec::new();
        for (slug, credentials) in [
            ("acme", with(&client, &changed)),
            ("acme", with(&client, "chs_")),
            ("acme", with(&client, "  ")),
            ("acme", with(&client, "")),
            ("acme", with(&client, &elsewhere.secret)),
            ("acme", with(&client, &disabled.secret)),
            ("acme", with(&disabled, &client.secret)),
            ("acme", unknown),
            ("acme", elsewhere.clone()),
            ("acme", revoked),
            ("other", client.clone()),
            ("nobody", client.clone()),
            ("Not-A-Slug", client.clone()),
            ("%FF", client.clone()),
        ] {
            let headers = [("content-type", FORM), ("authorization", &*basic(&credentials))];
            for _ in ["cold", "warm"] {
                let answer = node.post_to(slug, &headers, GRANT).await;
                assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"chancery\""));
                answers.push((answer.outcome(), answer.text.clone()));
            }
        }
        assert_eq!(answers[0].0, (401, "invalid_client".to_owned()));
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
        }
        assert_eq!(node.ask(&client, "").await.status, 200);
    }

    async fn a_retired_api_is_no_target_any_more_at_once(store: TestStore) {
        let node = Node::new(store).await;
        let acme = node.world.tenant("acme").await;
        let orders = node.world.api(acme, ORDERS, "orders:read", "").await;
        let billing = node.world.api(acme, BILLING, "billing:read", "").await;
        let client = node.world.client(acme, &[(orders, "orders:read", ""), (billing, "billing:read", "")]).await;
        assert_eq!(node.ask(&client, &format!("audience={ORDERS}")).await.status, 200);
        node.world.retire(acme, orders).await;
        for _ in ["cold", "warm"] {
            let named = node.ask(&client, &format!("audience={ORDERS}")).await;
            assert_eq!(named.outcome(), (400, "invalid_target".to_owned()));
            let scope = node.ask(&client, "scope=orders:read").await;
            assert_eq!(scope.outcome(), (400, "invalid_scope".to_owned()));
            assert_eq!(node.claims("acme", BILLING, &node.ask(&client, "").await).await["aud"], BILLING);
        }
    }

    async fn whoever_is_proved_learns_why_not(store: TestStore) {
        let (node, client) = shop(store).await;
        let world = &node.world;
        let refused = async |client: &Known, why: &str| {
            let answer = node.ask(client, "").await;
            assert_eq!(answer.outcome(), (401, "invalid_client".to_owned()));
            assert!(answer.description().starts_with(why), "{answer:?}");
        };
        let expiring = world.client_with(client.tenant, &[], json!({}), Some(Expiry::InDays(1))).await;
        assert_eq!(node.ask(&expiring, "").await.outcome(), (400, "invalid_target".to_owned()));
        world.clock.advance(86_400);
        refused(&expiring, "the client has expired").await;

        let disabled = world.client(client.tenant, &[]).await;
        world.disable(&disabled).await;
        refused(&disabled, "the client is disabled").await;

        assert_eq!(node.ask(&client, "").await.status, 200);
        world.suspend(client.tenant).await;
        refused(&client, "the tenant is suspended").await;
        world.close(client.tenant).await;
        refused(&client, "the tenant is closed").await;
    }
}

#[tokio::test]
async fn a_way_that_the_policy_forbids_is_refused() {
    let node = Node::new(TestStore::sqlite().await).await;
    let allowed_auth_methods = [TokenAuthMethod::ClientSecretPost].into();
    let policy = TenantPolicy {
        allowed_auth_methods,
        ..TenantPolicy::default()
    };
    let acme = node.world.tenant_with("acme", policy).await;
    let api = node.world.api(acme, ORDERS, "a", "").await;
    let client = node.world.client(acme, &[(api, "a", "")]).await;
    let answer = node.ask(&client, "").await;
    assert_eq!(answer.outcome(), (401, "invalid_client".to_owned()));
    assert!(
        answer.description().contains("client_secret_basic"),
        "{answer:?}"
    );
    let body = format!(
        "{GRANT}&client_id={}&client_secret={}",
        client.id, client.secret
    );
    assert_eq!(node.post(&[("content-type", FORM)], body).await.status, 200);
}

#[tokio::test]
async fn no_answer_repeats_a_secret() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    let secret = &client.secret;
    let form = [("content-type", FORM)];
    let mut statuses = Vec::new();
    for body in [
        format!("{GRANT}&client_id={secret}&client_secret={secret}"),
        format!("{GRANT}&client_id={}&client_secret={secret}x", client.id),
        format!(
            "{GRANT}&client_id={}&client_secret={secret}&client_secret={secret}",
            client.id
        ),
        format!(
            "grant_type={secret}&client_id={}&client_secret={secret}",
            client.id
        ),
        format!(
            "{GRANT}&scope=a+{secret}&client_id={}&client_secret={secret}",
            client.id
        ),
        format!(
            "{GRANT}&audience=a:{secret}&client_id={}&client_secret={secret}",
            client.id
        ),
        format!("{GRANT}&client_id={}&client_secret={secret}", client.id),
    ] {
        let answer = node.post(&form, body).await;
        assert!(!answer.text.contains(&secret[4..]), "{answer:?}");
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [401, 401, 400, 400, 400, 400, 200]);
}
