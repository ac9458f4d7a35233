//! What is published, and what every answer carries.

use chancery_testkit::{on_both_stores, stores::TestStore};

use crate::{FORM, GRANT, basic, shop};

on_both_stores! {
    async fn metadata_and_keys_are_published(store: TestStore) {
        let (node, client) = shop(store).await;
        let metadata = node.get("/.well-known/oauth-authorization-server/t/acme", &[]).await;
        let same = node.get("/t/acme/.well-known/openid-configuration", &[]).await;
        assert_eq!((metadata.status, &metadata.text), (200, &same.text));
        assert_eq!(metadata.json()["issuer"], "https://auth.example/t/acme");
        assert_eq!(metadata.json()["jwks_uri"], "https://auth.example/t/acme/oauth2/jwks");

        let keys = node.get("/t/acme/oauth2/jwks", &[]).await;
        assert_eq!((keys.status, keys.header("content-type")), (200, Some("application/jwk-set+json")));
        assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(keys.json()["keys"][0]["alg"], "ES256");
        let tag = keys.header("etag").unwrap();
        let unchanged = node.get("/t/acme/oauth2/jwks", &[("if-none-match", tag)]).await;
        assert_eq!((unchanged.status, &*unchanged.text, unchanged.header("etag")), (304, "", Some(tag)));

        node.world.suspend(client.tenant).await;
        assert_eq!(node.get("/t/acme/oauth2/jwks", &[]).await.text, keys.text);
        assert_eq!(node.get("/.well-known/oauth-authorization-server/t/acme", &[]).await.status, 200);
        node.world.close(client.tenant).await;
        for path in ["/t/acme/oauth2/jwks", "/t/nobody/oauth2/jwks", "/t/%FF/oauth2/jwks", "/t/acme/.well-known/openid-configuration"] {
            let answer = node.get(path, &[]).await;
            assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}

#[tokio::test]
async fn every_answer_names_its_trace() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let basic = basic(&client);
    let headers = [
        ("content-type", FORM),
        ("authorization", &*basic),
        ("traceparent", trace),
    ];
    assert_eq!(
        node.post(&headers, GRANT).await.header("traceparent"),
        Some(trace)
    );
    assert_eq!(
        node.get("/t/acme/oauth2/jwks", &[("traceparent", trace)])
            .await
            .header("traceparent"),
        Some(trace)
    );
    let begun = node
        .get("/t/acme/oauth2/jwks", &[("traceparent", "nonsense")])
        .await;
    assert_eq!(begun.header("traceparent").map(str::len), Some(55));
    assert_ne!(begun.header("traceparent"), Some(trace));
}
