//! Whoever may only read sees what there is to read, and no form that would be refused.

use serde_json::json;

use super::life;
use crate::support::{Browser, Page, World, story, tenant_admin, unescaped};

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

story! {
    /// Nothing that who may only audit is shown leads to what they may not open.
    async fn whoever_only_audits_is_led_nowhere_in_vain(world: World) {
        world.acme().await;
        let (id, secret) = holder(&world, "acme", "audit:read").await;
        let auditor = Browser::signed_in(&world, "acme", &id, &secret).await;
        for page in ["/console/t/acme/past", "/console/start", "/console/t/acme/difference?from=2001-01-01", "/console/t/acme/roll"] {
            let html = auditor.open(page).await.html;
            for link in html.split("href=\"/console/").skip(1) {
                let to = format!("/console/{}", unescaped(link.split(['"', '#']).next().unwrap()));
                let status = auditor.get(&to).await.status;
                assert!(matches!(status, 200 | 303), "{page} leads to {to}: {status}");
            }
        }
        auditor.open("/console/start").await.shows("An administrator of the tenant does this.");
    }
}

story! {
    /// What cannot be answered is said where its reader is, with the ways on that they have there.
    async fn a_page_about_an_error_stands_in_its_tenant(world: World) {
        world.acme().await;
        let (id, secret) = tenant_admin(&world, "acme").await;
        let admin = Browser::signed_in(&world, "acme", &id, &secret).await;
        let side = "<nav class=\"side\" aria-label=\"Tenant acme\"";
        for (path, status) in [
            ("/console/t/acme/clients/client_00000000000000000000000000", 404),
            ("/console/t/acme/activity?over=zzz", 400),
            ("/console/t/acme/nothing", 404),
            ("/console/t/acme/difference?from=tomorrow", 400),
        ] {
            let page = admin.get(path).await;
            assert!(page.status == status && page.html.contains(side), "{path}: {}", page.html);
            page.shows("Sign out");
        }
        // Of a tenant that is not theirs there is nothing to go on to.
        let page = admin.get("/console/t/system/clients").await;
        assert!(page.status == 404 && !page.html.contains("class=\"side\""), "{}", page.html);
        page.shows("Sign out");
        let nobody = Browser::new(&world).get("/console/nothing").await;
        nobody.shows_not("Sign out");
    }
}
