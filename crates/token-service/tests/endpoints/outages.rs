//! A store that is gone, a clock that is wrong.

use chancery_testkit::{on_both_stores, stores::TestStore};

use crate::{common::Known, shop};

on_both_stores! {
    async fn a_store_that_is_gone_issues_nothing(store: TestStore) {
        let (node, client) = shop(store).await;
        assert_eq!(node.ask(&client, "").await.status, 200);
        node.world.store.close().await;
        node.log.close().await;
        let answer = node.ask(&client, "").await;
        assert_eq!(answer.outcome(), (503, "temporarily_unavailable".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"));
        let wrong = Known { secret: "chs_".to_owned(), ..client };
        assert_eq!(node.ask(&wrong, "").await.status, 401, "no look-up is needed to refuse it");
        let keys = node.get("/t/acme/oauth2/jwks", &[]).await;
        assert_eq!((keys.status, keys.header("content-type")), (503, Some("application/problem+json")));
    }
}

#[tokio::test]
async fn a_clock_that_is_behind_issues_nothing() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    node.world.clock.advance(-5);
    assert_eq!(node.ask(&client, "").await.status, 200);
    node.world.clock.advance(-1);
    assert_eq!(
        node.ask(&client, "").await.outcome(),
        (503, "temporarily_unavailable".to_owned())
    );
}
