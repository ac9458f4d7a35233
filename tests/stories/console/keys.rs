//! Signing keys on their page.

use crate::support::{Browser, World, story};

story! {
    async fn a_signing_key_is_followed_and_revoked(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let keys = "/console/t/acme/keys";
        let token = async || world.token("acme", &acme.client, &acme.secret).send().await.token().clone();
        let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let first = kid(&token().await);
        let page = browser.open(keys).await;
        page.shows(&first);
        page.shows("signing");

        let page = browser.submit(keys, keys, &[("algorithm", "ES256")]).await;
        let page = browser.open(page.location()).await;
        page.shows("The next key is made and published");
        page.shows("published");
        assert_eq!(kid(&token().await), first);
        let again = browser.submit(keys, keys, &[("algorithm", "ES256")]).await;
        assert_eq!(again.status, 422);
        again.shows("is made already");
        world.clock.advance(3_600);
        // The session has rested for too long.
        let browser = Browser::operator(&world).await;
        let second = kid(&token().await);
        assert_ne!(second, first);
        let page = browser.open(keys).await;
        page.shows("retiring");

        let revoke = "/console/t/acme/keys/revoke";
        browser.submit(keys, revoke, &[("key", &second), ("reason", "on a lost laptop")]).await.location();
        let page = browser.open(keys).await;
        page.shows("revoked");
        let third = kid(&token().await);
        assert!(third != second && third != first, "another key signs");
        browser.open("/console/t/acme/roll").await.shows("on a lost laptop");
        let none = browser.submit(keys, revoke, &[("key", "key_x"), ("reason", "x")]).await;
        assert_eq!(none.status, 404);
    }
}
