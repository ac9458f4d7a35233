//! Whoever may only read sees what there is to read, and no form that would be refused.

use serde_json::json;

use super::life;
use crate::support::{Browser, Page, World, story};

/// The id and the secret of a client that holds one admin scope.
pub(crate) async fn holder(world: &World, tenant: &str, scope: &str) -> (String, String) {
    let input = json!({"tenant": tenant, "name": scope, "grants": [{"api": "urn:chancery:admin", "scopes": [scope]}]});
    let created = world
        .operator()
        .await
        .mutation("createClient", "client { id } secret { plaintext }", input)
        .await
        .data();
    let text = |pointer: &str| {
        created
            .pointer(pointer)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    (text("/client/id"), text("/secret/plaintext"))
}

/// The addresses that the page's forms are sent to, but for signing out.
fn forms(page: &Page) -> Vec<&str> {
    let actions = page.html.split("<form ").skip(1);
    actions
        .filter(|form| form.contains("method=\"post\""))
        .filter_map(|form| form.split("action=\"").nth(1)?.split('"').next())
        .filter(|action| !action.starts_with("/console/sign-out"))
        .collect()
}

story! {
    async fn a_reader_is_shown_no_form(world: World) {
        let seen = life::live(&world).await;
        let client = format!("/console/t/acme/clients/{}", seen.client);
        let api = format!("/console/t/acme/apis/{}", seen.api);
        let tenant = ["", "/clients", "/apis", "/calendar", "/keys", "/policy"].map(|rest| format!("/console/t/acme{rest}"));
        let audit = ["/activity", "/activity/records", "/activity/unused", "/roll", "/roll/3", "/past", "/difference"].map(|rest| format!("/console/t/acme{rest}"));
        let nothing_but_a_form = ["/clients/new", "/apis/new"].map(|rest| format!("/console/t/acme{rest}"));
        for (home, scope, reads, audits) in [
            ("acme", "tenant:read", true, false),
            ("acme", "audit:read", false, true),
            ("system", "platform:read", true, true),
        ] {
            let (id, secret) = holder(&world, home, scope).await;
            let reader = Browser::signed_in(&world, home, &id, &secret).await;
            let first = reader.get("/console").await;
            assert!(reader.get(first.location()).await.status == 200, "{scope} comes in at {}", first.location());
            for (pages, may) in [(&tenant[..], reads), (&[client.clone(), api.clone()], reads), (&audit, audits)] {
                for path in pages {
                    let page = reader.get(path).await;
                    assert_eq!(page.status, if may { 200 } else { 403 }, "{scope}: {path}");
                    assert_eq!(forms(&page), Vec::<&str>::new(), "{scope}: {path}");
                    if may {
                        assert_eq!(page.html.contains("/roll\""), audits, "{scope}: {path} leads to the roll");
                        assert!(!page.html.contains("/new\""), "{scope}: {path} leads to a form");
                    }
                }
            }
            if reads {
                for path in [&client, &api, &tenant[4], &tenant[5]] {
                    reader.open(path).await.shows("You may read this, and not change it: that takes tenant:admin");
                }
            }
            for path in nothing_but_a_form.iter().chain([&format!("{client}/edit")]) {
                assert_eq!(reader.get(path).await.status, 403, "{scope}: {path}");
            }
            assert_eq!(reader.get("/console/tenants/new").await.status, 403);
        }
    }
}
