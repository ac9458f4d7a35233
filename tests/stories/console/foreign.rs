//! What is not one's own, and what is no text but a program.

use serde_json::json;

use crate::support::{Browser, World, story, tenant_admin};

story! {
    async fn foreign_ids_name_nothing(world: World) {
        let acme = world.acme().await;
        let other = world.tenant_like_acme("other").await;
        let (client, secret) = tenant_admin(&world, "acme").await;
        let admin = Browser::signed_in(&world, "acme", &client, &secret).await;
        let operator = Browser::operator(&world).await;
        let pages = ["", "/clients", "/clients/new", "/apis", "/apis/new", "/policy", "/roll", "/roll/1", "/roll/export", "/roll/live", "/past", "/difference", "/calendar", "/keys", "/activity", "/activity/records"];
        for page in pages {
            assert_eq!(admin.get(&format!("/console/t/other{page}")).await.status, 404, "{page}");
            if page != "/roll/live" {
                admin.open(&format!("/console/t/acme{page}")).await;
            }
        }
        // An id of one tenant beneath the address of another, whoever asks.
        for browser in [&admin, &operator] {
            for path in [
                format!("/console/t/acme/clients/{}", other.client),
                format!("/console/t/acme/clients/{}/try", other.client),
                format!("/console/t/acme/clients/{}/edit", other.client),
                format!("/console/t/acme/apis/{}", other.api),
            ] {
                assert_eq!(browser.get(&path).await.status, 404, "{path}");
            }
        }
        let own = format!("/console/t/acme/clients/{}", acme.client);
        let token = admin.open(&own).await.hidden("/console/sign-out")[0].1.clone();
        let foreign = &other.client;
        let other_key = operator.open("/console/t/other/keys").await.within("<th scope=\"row\"><code");
        for (path, fields) in [
            (format!("/console/t/other/clients/{foreign}/state"), vec![("do", "disable"), ("reason", "x")]),
            (format!("/console/t/acme/clients/{foreign}/state"), vec![("do", "disable"), ("reason", "x")]),
            (format!("/console/t/acme/clients/{foreign}/secrets/rotate"), vec![]),
            (format!("/console/t/acme/clients/{foreign}/secrets/revoke"), vec![("secret", &*other.secret_id), ("reason", "x")]),
            (format!("{own}/secrets/revoke"), vec![("secret", &*other.secret_id), ("reason", "x")]),
            (format!("/console/t/acme/clients/{foreign}/grants"), vec![]),
            (format!("/console/t/acme/clients/{foreign}/edit"), vec![("name", "x")]),
            (format!("/console/t/acme/clients/{foreign}/secrets/issue"), vec![]),
            (format!("/console/t/acme/clients/{foreign}/secrets/schedule"), vec![("everyDays", "30")]),
            (format!("/console/t/acme/clients/{foreign}/secrets/defer"), vec![("secret", &*other.secret_id), ("until", "2030-01-01T00:00")]),
            (format!("/console/t/acme/clients/{foreign}/keys/revoke"), vec![("key", "key_x"), ("reason", "x")]),
            ("/console/t/other/keys".to_owned(), vec![]),
            ("/console/t/other/keys/revoke".to_owned(), vec![("key", &*other_key), ("reason", "x")]),
            ("/console/t/acme/keys/revoke".to_owned(), vec![("key", &*other_key), ("reason", "x")]),
            (format!("/console/t/acme/apis/{}/retire", other.api), vec![("confirm", "https://orders.example")]),
            ("/console/t/other/clients/new".to_owned(), vec![("name", "x")]),
            ("/console/t/other/apis/new".to_owned(), vec![("name", "x"), ("identifier", "https://x.example")]),
        ] {
            let fields = [fields, vec![("form_token", &*token)]].concat();
            assert_eq!(admin.send(&path, &fields).await.status, 404, "{path}");
        }
        assert_eq!(world.token("other", foreign, &other.secret).send().await.status, 200);
    }
}

story! {
    async fn who_may_read_may_not_change(world: World) {
        let acme = world.acme().await;
        let created = world
            .operator()
            .await
            .mutation(
                "createClient",
                "client { id } secret { plaintext }",
                json!({"tenant": "acme", "name": "reader", "grants": [{"api": "urn:chancery:admin", "scopes": ["tenant:read"]}]}),
            )
            .await
            .data();
        let (id, secret) = (created["client"]["id"].as_str().unwrap(), created["secret"]["plaintext"].as_str().unwrap());
        let reader = Browser::signed_in(&world, "acme", id, secret).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        reader.open(&client).await.shows("billing");
        for page in ["/roll", "/past", "/activity", "/roll/export"] {
            let page = reader.get(&format!("/console/t/acme{page}")).await;
            assert_eq!(page.status, 403);
            page.shows("audit:read");
        }
        // No form leads there, and whoever makes one up is refused.
        let token = reader.open(&client).await.hidden("/console/sign-out")[0].1.clone();
        let made_up = [("form_token", &*token), ("do", "disable"), ("reason", "x")];
        let page = reader.send(&format!("{client}/state"), &made_up).await;
        assert_eq!(page.status, 403);
        page.shows("tenant:admin");
        assert_eq!(world.token("acme", &acme.client, &acme.secret).send().await.status, 200);
    }
}

story! {
    async fn no_text_becomes_a_program(world: World) {
        const EVIL: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";
        let acme = world.acme().await;
        let operator = world.operator().await;
        operator.mutation("updateTenant", "tenant { id }", json!({"tenant": "acme", "displayName": EVIL})).await.data();
        operator
            .mutation("updateApi", "api { id }", json!({"api": acme.api, "name": EVIL, "scopes": [{"name": "<b>", "description": EVIL}, {"name": "orders:read"}, {"name": "orders:write"}]}))
            .await
            .data();
        operator
            .mutation(
                "updateClient",
                "client { id }",
                json!({"client": acme.client, "name": EVIL, "description": EVIL, "metadata": {"<i>": EVIL}}),
            )
            .await
            .data();
        operator
            .mutation("rotateClientSecret", "client { id }", json!({"client": acme.client, "label": EVIL}))
            .await
            .data();
        operator.mutation("disableClient", "client { id }", json!({"client": acme.client, "reason": EVIL})).await.data();
        world.token("acme", EVIL, EVIL).send().await;
        let browser = Browser::operator(&world).await;
        let new = "/console/t/acme/clients/new";
        let refused = browser.submit(new, new, &[("name", EVIL), ("expiresInDays", EVIL), ("metadata", EVIL), ("jwks", EVIL)]).await;
        assert_eq!(refused.status, 422);
        let mut pages = vec![refused];
        let client = format!("/console/t/acme/clients/{}", acme.client);
        let query: String = "%3Cscript%3Ealert(1)%3C/script%3E%22%3E".to_owned();
        for path in [
            "/console/tenants".to_owned(),
            "/console/t/acme".to_owned(),
            "/console/t/acme/policy".to_owned(),
            "/console/t/acme/apis".to_owned(),
            format!("/console/t/acme/apis/{}", acme.api),
            "/console/t/acme/clients".to_owned(),
            client.clone(),
            format!("{client}/try"),
            "/console/t/acme/roll".to_owned(),
            "/console/t/acme/roll/10".to_owned(),
            "/console/t/acme/past".to_owned(),
            "/console/t/acme/difference".to_owned(),
            "/console/t/acme/activity".to_owned(),
            "/console/t/acme/activity/records".to_owned(),
            format!("/console/tenants?q={query}"),
            format!("/console/t/acme/clients?q={query}"),
            format!("/console/t/acme/activity/records?client={query}&reason={query}"),
            format!("/console/sign-in?next={query}&tenant={query}"),
        ] {
            pages.push(browser.open(&path).await);
        }
        // What cannot be a filter is refused by a page that does not run it either.
        for (path, names) in [
            ("tenants", &["state", "after"][..]),
            ("t/acme/clients", &["api", "state", "after"]),
            ("t/acme/roll", &["type", "client", "actor", "since"]),
            ("t/acme/activity/records", &["kind"]),
        ] {
            for name in names {
                let page = browser.get(&format!("/console/{path}?{name}={query}")).await;
                assert_eq!(page.status, 400, "{path} {name}");
                pages.push(page);
            }
        }
        for page in pages {
            for evil in ["<script>", "<img", "<b>", "<i>", "onerror=alert(1)>"] {
                let html = page.html.replace("onerror=alert(1)&gt;", "");
                assert!(!html.contains(evil), "{evil}: {}", page.html);
            }
        }
    }
}
