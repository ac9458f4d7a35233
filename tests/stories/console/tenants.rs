//! Tenants, and who sees which.

use serde_json::json;

use crate::support::{Browser, World, story, tenant_admin};

story! {
    async fn an_operator_creates_suspends_and_closes_a_tenant(world: World) {
        let browser = Browser::operator(&world).await;
        assert_eq!(browser.get("/console").await.location(), "/console/start");
        let new = "/console/tenants/new";
        let page = browser.submit(new, new, &[("slug", "X"), ("displayName", "Acme <Ltd>")]).await;
        assert_eq!(page.status, 422);
        page.shows("3 to 40 of the characters");
        assert!(page.html.contains("value=\"Acme &lt;Ltd&gt;\""), "what was typed stays");
        let page = browser.submit(new, new, &[("slug", "acme"), ("displayName", "Acme <Ltd>")]).await;
        assert_eq!(page.location(), "/console/t/acme?done=created");
        browser.open("/console/t/acme?done=created").await.shows("Acme <Ltd>");
        let page = browser.submit(new, new, &[("slug", "acme"), ("displayName", "Again")]).await;
        page.shows("slugs are never given twice");

        let (show, change) = ("/console/t/acme", "/console/t/acme/state");
        browser.submit(show, change, &[("do", "suspend"), ("reason", "unpaid")]).await.location();
        browser.open(show).await.shows("suspended");
        browser.submit(show, change, &[("do", "resume")]).await.location();
        browser.open(show).await.shows("active");
        let page = browser.submit(show, change, &[("do", "close"), ("reason", "gone"), ("confirm", "acm")]).await;
        assert_eq!(page.status, 422);
        browser.open(show).await.shows("active");
        browser.submit(show, change, &[("do", "close"), ("reason", "gone"), ("confirm", "acme")]).await.location();
        browser.open(show).await.shows("closed");
        browser.open("/console/tenants?q=ac").await.shows("Acme <Ltd>");
        browser.open("/console/tenants?q=zz").await.shows("No tenant is like that");
        browser.open("/console/tenants?state=suspended").await.shows_not("Acme");
    }
}

story! {
    /// Nothing of a closed tenant can be changed, so no page of it offers to.
    async fn a_closed_tenant_says_so_and_offers_nothing(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let (client, api) = (format!("/clients/{}", acme.client), format!("/apis/{}", acme.api));
        let pages = ["", "/clients", "/apis", "/keys", "/policy", "/calendar", &client, &api];
        let offers = |page: &crate::support::Page| {
            let forms = page.html.split("<form ").skip(1).filter(|form| form.contains("method=\"post\"") && !form.contains("/console/sign-out"));
            forms.count() + page.html.matches("/new\"").count()
        };
        let mut offered = 0;
        for page in pages {
            offered += offers(&browser.open(&format!("/console/t/acme{page}")).await);
        }
        assert!(offered > 6, "{offered}");
        let suspends = [("do", "suspend"), ("reason", "x")];
        browser.submit("/console/t/acme", "/console/t/acme/state", &suspends).await.location();
        browser.open("/console/t/acme/clients").await.shows("acme suspended");
        let closes = [("do", "close"), ("reason", "x"), ("confirm", "acme")];
        browser.submit("/console/t/acme", "/console/t/acme/state", &closes).await.location();
        for page in pages {
            let page = browser.open(&format!("/console/t/acme{page}")).await;
            assert_eq!(offers(&page), 0, "{}", page.html);
            page.shows("acme closed");
        }
        for page in ["/clients/new", "/apis/new", &format!("{client}/edit")] {
            let page = browser.get(&format!("/console/t/acme{page}")).await;
            assert_eq!(page.status, 409);
            page.shows("closed");
        }
    }
}

story! {
    async fn a_form_that_is_sent_twice_is_done_once(world: World) {
        let browser = Browser::operator(&world).await;
        let new = "/console/tenants/new";
        let mut fields = browser.open(new).await.hidden(new);
        fields.extend([("slug".to_owned(), "acme".to_owned()), ("displayName".to_owned(), "Acme".to_owned())]);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        for _ in 0..2 {
            assert_eq!(browser.send(new, &fields).await.location(), "/console/t/acme?done=created");
        }
    }
}

story! {
    async fn a_policy_is_shown_before_it_is_saved(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let policy = "/console/t/acme/policy";
        let fields = [
            ("displayName", "Acme"), ("accessTokenSeconds", "600"), ("signingKeyRotationDays", "90"), ("signingAlgorithm", "ES256"),
            ("allowedAuthMethods", "client_secret_basic"), ("allowedAuthMethods", "client_secret_post"), ("requireClientName", "yes"), ("allowMetadata", "yes"),
            ("clientLifetimeDays.min", "1"), ("maxLiveSecrets", "2"), ("rotationOverlapSeconds", "86400"),
        ];
        let page = browser.submit(policy, policy, &fields).await;
        assert_eq!(page.status, 200);
        page.shows("3600 s (60 minutes) 600 s (10 minutes)");
        page.shows("Limit of each client 600 in 60 s, refused beyond none");
        page.shows_not("Live secrets of a client");
        page.shows("It breaks nothing that is there");
        browser.open("/console/t/acme").await.shows("60 minutes");

        let hidden = page.hidden(policy);
        let hidden: Vec<_> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(browser.send(policy, &hidden).await.location(), "/console/t/acme?done=policy");
        browser.open("/console/t/acme").await.shows("10 minutes");

        let mut breaking = fields.to_vec();
        breaking.retain(|(name, _)| *name != "allowedAuthMethods");
        breaking.push(("allowedAuthMethods", "private_key_jwt"));
        let page = browser.submit(policy, policy, &breaking).await;
        page.shows("What it breaks");
        page.shows("stops 1 clients");
        page.shows("billing");

        let mut wrong = fields.to_vec();
        wrong[1].1 = "5";
        let page = browser.submit(policy, policy, &wrong).await;
        assert_eq!(page.status, 422);
        page.shows("must be 60 to 86400, and is 5");
    }
}

story! {
    async fn a_tenants_administrator_sees_its_own_tenant_only(world: World) {
        world.acme().await;
        world.tenant_like_acme("other").await;
        let (client, secret) = tenant_admin(&world, "acme").await;
        let browser = Browser::signed_in(&world, "acme", &client, &secret).await;
        assert_eq!(browser.get("/console").await.location(), "/console/t/acme");
        browser.open("/console/t/acme").await;
        assert_eq!(browser.get("/console/tenants").await.status, 403);
        for foreign in ["other", "system", "none"] {
            for page in ["", "/policy"] {
                let page = browser.get(&format!("/console/t/{foreign}{page}")).await;
                assert_eq!(page.status, 404);
                page.shows("There is no such tenant");
            }
        }
        let token = browser.open("/console/t/acme").await.hidden("/console/sign-out");
        let token = ("form_token", token[0].1.as_str());
        for (path, fields, status) in [
            ("/console/t/other/state", vec![("do", "suspend"), ("reason", "x")], 404),
            ("/console/t/acme/state", vec![("do", "suspend"), ("reason", "x")], 403),
            ("/console/t/other/policy", vec![("displayName", "x")], 404),
        ] {
            let fields = [fields, vec![token]].concat();
            assert_eq!(browser.send(path, &fields).await.status, status, "{path}");
        }
        let page = browser.send("/console/tenants/new", &[("slug", "mine"), ("displayName", "Mine"), token]).await;
        page.shows("platform:admin");
        let tenants = world.operator().await.query("tenants", "{ tenants { edges { node { slug state } } } }").await.data();
        assert_eq!(tenants["edges"].as_array().unwrap().len(), 3, "{tenants}");
        assert!(tenants["edges"].as_array().unwrap().iter().all(|edge| edge["node"]["state"] == json!("ACTIVE")));
    }
}
