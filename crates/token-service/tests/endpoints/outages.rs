//! A store that is gone, a clock that is wrong.

use chancery_testkit::{on_both_stores, stores::TestStore};

use crate::{common::Known, shop};

on_both_stores! {
    async fn a_store_that_is_gone_issues_nothing(store: TestStore) {
        let (node, client) = shop(store).await;
        let token = node.ask(&client, "").await.json()["access_token"].as_str().unwrap().to_owned();
        for endpoint in ["introspect", "revoke"] {
            assert_eq!(node.ask_about(&client, endpoint, "x").await.status, 200, "{endpoint}");
        }
        node.world.store.close().await;
        node.log.close().await;
        let answer = node.ask(&client, "").await;
        assert_eq!(answer.outcome(), (503, "temporarily_unavailable".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"));
        let wrong = Known { secret: "chs_".to_owned(), ..client };
        assert_eq!(node.ask(&wrong, "").await.status, 401, "no look-up is needed to refuse it");
        for endpoint in ["introspect", "revoke"] {
            let answer = node.ask_about(&client, endpoint, &token).await;
            assert_eq!(answer.outcome(), (503, "temporarily_unavailable".to_owned()), "{endpoint}");
        }
        let keys = node.get("/t/acme/oauth2/jwks", &[]).await;
        assert_eq!((keys.status, keys.header("content-type")), (503, Some("application/problem+json")));
    }

    /// The store is there and the token log is not: nothing is said of a token that may be revoked.
    async fn a_token_log_that_is_gone_tells_nothing_of_a_token(store: TestStore) {
        let (node, client) = shop(store).await;
        let token = node.ask(&client, "").await.json()["access_token"].as_str().unwrap().to_owned();
        node.log.close().await;
        for endpoint in ["introspect", "revoke"] {
            let answer = node.ask_about(&client, endpoint, &token).await;
            assert_eq!(answer.outcome(), (503, "temporarily_unavailable".to_owned()), "{endpoint}");
        }
    }

    async fn a_clock_that_is_behind_issues_nothing(store: TestStore) {
        let (node, client) = shop(store).await;
        node.world.clock.advance(-5);
        assert_eq!(node.ask(&client, "").await.status, 200);
        node.world.clock.advance(-1);
        assert_eq!(node.ask(&client, "").await.outcome(), (503, "temporarily_unavailable".to_owned()));
        for endpoint in ["introspect", "revoke"] {
            let answer = node.ask_about(&client, endpoint, "x").await;
            assert_eq!(answer.outcome(), (503, "temporarily_unavailable".to_owned()), "{endpoint}");
        }
    }
}
