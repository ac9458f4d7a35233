//! Links from the command line.

use chancery_application::Caller;
use chancery_domain::value::Slug;

use crate::support::{Browser, World, story, tenant_admin};

async fn link(world: &World, tenant: &str, client: Option<&str>) -> Result<String, String> {
    let application = &world.platform.application;
    let caller = Caller::at_the_command_line("someone");
    let client = client.map(|id| id.parse().unwrap());
    let made = application
        .sign_in_link(&caller, &Slug::parse(tenant).unwrap(), client)
        .await;
    made.map(|(_, code)| code.reveal())
        .map_err(|error| error.to_string())
}

story! {
    async fn a_link_signs_in_once_and_within_five_minutes(world: World) {
        let code = link(&world, "system", None).await.unwrap();
        let mut browser = Browser::new(&world);
        assert_eq!(browser.send("/console/link", &[("code", "made-up")]).await.status, 401);
        let page = browser.send("/console/link", &[("code", &code)]).await;
        assert_eq!(page.location(), "/console");
        browser.keep_cookie(&page);
        browser.open("/console/tenants").await;
        let again = Browser::new(&world).send("/console/link", &[("code", &code)]).await;
        assert_eq!(again.status, 401);
        again.shows("It works once");

        let late = link(&world, "system", None).await.unwrap();
        world.clock.advance(5 * 60);
        assert_eq!(Browser::new(&world).send("/console/link", &[("code", &late)]).await.status, 401);
    }
}

story! {
    async fn a_link_is_for_a_client_that_administers(world: World) {
        let acme = world.acme().await;
        assert!(link(&world, "acme", None).await.unwrap_err().contains("chancery operator create"));
        assert!(link(&world, "acme", Some(&acme.client)).await.is_err());
        let (admin, _) = tenant_admin(&world, "acme").await;
        let code = link(&world, "acme", None).await.unwrap();
        assert!(link(&world, "system", Some(&admin)).await.is_err(), "a client of another tenant");
        let mut browser = Browser::new(&world);
        let page = browser.send("/console/link", &[("code", &code)]).await;
        browser.keep_cookie(&page);
        browser.open("/console/t/acme").await.shows(&admin);
        // Its session can be ended by whoever has another one, and takes unused links with it.
        let unused = link(&world, "acme", None).await.unwrap();
        browser.submit("/console/t/acme", "/console/sign-out/everywhere", &[]).await.location();
        assert_eq!(browser.send("/console/link", &[("code", &unused)]).await.status, 401);
    }
}

story! {
    async fn of_two_who_use_a_link_at_once_one_is_let_in(world: World) {
        let code = link(&world, "system", None).await.unwrap();
        let browsers: Vec<_> = (0..4).map(|_| Browser::new(&world)).collect();
        let fields = [("code", code.as_str())];
        let sent = browsers.iter().map(|browser| browser.send("/console/link", &fields));
        let pages = futures_util::future::join_all(sent).await;
        assert_eq!(pages.iter().filter(|page| page.status == 303).count(), 1);
    }
}

story! {
    /// What a link signs in with may have ended since it was made: then nobody comes in, and nothing says that somebody did.
    async fn a_link_does_not_outlive_its_credential(world: World) {
        world.acme().await;
        let (admin, secret) = tenant_admin(&world, "acme").await;
        let code = link(&world, "acme", Some(&admin)).await.unwrap();
        let mut browser = Browser::new(&world);
        let input = serde_json::json!({"client": admin, "overlapSeconds": 0});
        let rotated = world.operator().await.mutation("rotateClientSecret", "secret { plaintext }", input).await.data();
        assert_eq!(browser.sign_in("acme", &admin, &secret).await.status, 401);
        let fresh = rotated["secret"]["plaintext"].as_str().unwrap();
        browser.sign_in("acme", &admin, fresh).await.location();
        let refused = browser.send("/console/link", &[("code", &code)]).await;
        assert_eq!(refused.status, 401);
        browser.open("/console/t/acme").await;
        let records = browser.open("/console/t/acme/activity/records?kind=console_signed_in").await;
        assert_eq!(records.html.matches("signed in to the console</span>").count(), 1, "{}", records.text());
        records.shows_not("by link");
    }
}
