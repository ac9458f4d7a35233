//! Every route of the router, asked by whom it is not for. The list is the router's own, so a new route is asked
//! too.

use crate::{
    first_token::roll,
    support::{Browser, Page, World, story, tenant_admin},
};

/// What belongs to no tenant, and what it answers to a tenant's administrator: to `GET`, and to a form of the
/// session without a field.
const OUTSIDE: &[(&str, u16, u16)] = &[
    ("/console", 303, 405),
    ("/console/", 303, 405),
    ("/console/start", 200, 405),
    ("/console/find", 200, 405),
    ("/console/sessions", 200, 405),
    ("/console/sessions/end", 303, 303),
    ("/console/sessions/others", 303, 303),
    ("/console/signed-in", 200, 405),
    ("/console/{*rest}", 404, 405),
    ("/console/tenants", 403, 405),
    ("/console/tenants/new", 403, 422),
    ("/console/sign-in", 200, 422),
    ("/console/link", 200, 401),
];
/// What ends the session that asks; it has stories of its own.
const ENDS: &[&str] = &["/console/sign-out", "/console/sign-out/everywhere"];

/// The names in braces, filled in.
fn filled(path: &str, slug: &str, (client, api): (&str, &str)) -> String {
    path.replace("{slug}", slug)
        .replace("{client}", client)
        .replace("{api}", api)
        .replace("{entry}", "1")
        .replace("{*rest}", "nothing")
}

/// The paths within a tenant.
fn within() -> Vec<String> {
    let paths = chancery_console::paths().into_iter();
    paths.filter(|path| path.contains("{slug}")).collect()
}

fn token_of(page: &Page) -> String {
    page.hidden("/console/sign-out")[0].1.clone()
}

/// Where an address leads: a form's own leads to the page that it stands on.
async fn led(browser: &Browser<'_>, path: &str) -> Page {
    let page = browser.get(path).await;
    match page.status {
        303 => browser.get(page.location()).await,
        _ => page,
    }
}

story! {
    /// What stands in an address in the place of an id leads nowhere that no id could lead to.
    async fn no_address_of_a_form_leads_elsewhere(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        for part in ["x%0d%0aSet-Cookie:%20a=b", "x%00", "..%2f..%2f..%2f..%2fgraphql", "client_1%3fdone=deleted", "%2e%2e", "%c3%a9", "a%20b"] {
            for form in ["clients/{}/grants", "clients/{}/secrets/rotate", "apis/{}/retire"] {
                let path = format!("/console/t/acme/{}", form.replace("{}", part));
                let page = browser.get(&path).await;
                assert_eq!(page.status, 404, "{path}");
                page.shows("Nothing here");
            }
        }
    }
}

#[test]
fn every_route_is_of_a_tenant_or_said_to_be_of_none() {
    let mut outside = chancery_console::paths();
    outside.retain(|path| !path.contains("{slug}"));
    let known = |path: &String| {
        OUTSIDE.iter().any(|(known, ..)| known == path) || ENDS.contains(&path.as_str())
    };
    outside.retain(|path| !known(path));
    assert_eq!(outside, Vec::<String>::new(), "say what each answers");
    assert!(within().len() > 30);
    for path in within() {
        let parts = path.split('/').filter(|part| part.starts_with('{'));
        for part in parts {
            assert!(
                ["{slug}", "{client}", "{api}", "{entry}"].contains(&part),
                "fill in {part}"
            );
        }
    }
}

story! {
    /// Another tenant's things do not exist, whichever route is asked for them: not under their own address,
    /// and not under the address of one's own tenant.
    async fn no_route_leads_to_another_tenant(world: World) {
        let own = world.acme().await;
        let other = world.tenant_like_acme("other").await;
        let (id, secret) = tenant_admin(&world, "acme").await;
        let admin = Browser::signed_in(&world, "acme", &id, &secret).await;
        let token = token_of(&admin.open("/console/t/acme").await);
        let form = [("form_token", &*token)];
        for path in within() {
            let mut foreign = vec![filled(&path, "other", (&other.client, &other.api))];
            if path.contains("{client}") || path.contains("{api}") {
                foreign.push(filled(&path, "acme", (&other.client, &other.api)));
            }
            for foreign in foreign {
                let (got, sent) = (led(&admin, &foreign).await, admin.send(&foreign, &form).await);
                for page in [&got, &sent] {
                    assert!([404, 405].contains(&page.status), "{foreign}: {}", page.status);
                    assert!(!page.html.contains(&other.client), "{foreign}: {}", page.html);
                }
                assert!((got.status, sent.status) != (405, 405), "{foreign} answers nobody");
            }
            // The same route leads somewhere in one's own tenant, or the above says nothing.
            if !path.ends_with("/live") && led(&admin, &filled(&path, "other", ("x", "x"))).await.status == 404 {
                let path = filled(&path, "acme", (&own.client, &own.api));
                assert_eq!(led(&admin, &path).await.status, 200, "{path}");
            }
        }
        for (path, got, sent) in OUTSIDE {
            let path = filled(path, "", ("", ""));
            let answers = (admin.get(&path).await.status, admin.send(&path, &form).await.status);
            assert_eq!(answers, (*got, *sent), "{path}");
        }
        assert_eq!(world.token("other", &other.client, &other.secret).send().await.status, 200);
    }
}

story! {
    /// Whoever is not signed in gets nothing but the way to sign in; a form that does not come from a page of the
    /// session is refused.
    async fn no_route_answers_who_may_not_ask(world: World) {
        let acme = world.acme().await;
        let stranger = Browser::new(&world);
        let operator = Browser::operator(&world).await;
        let events = roll(&world, "acme").await.len();
        for path in within() {
            let path = filled(&path, "acme", (&acme.client, &acme.api));
            for page in [stranger.get(&path).await, stranger.send(&path, &[]).await] {
                let leads = page.status == 405 || page.location().starts_with("/console/sign-in");
                assert!(leads, "{path}");
            }
            for form in [vec![], vec![("form_token", "made-up")]] {
                let page = operator.send(&path, &form).await;
                assert!([403, 405].contains(&page.status), "{path}: {}", page.status);
            }
        }
        assert_eq!(roll(&world, "acme").await.len(), events);
    }
}

story! {
    /// The address of a form that was refused stands in the address bar: it leads back, and nothing answers a browser
    /// with what is for programs.
    async fn an_address_that_only_takes_a_form_leads_to_its_page(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let (client, api) = (format!("/console/t/acme/clients/{}", acme.client), format!("/console/t/acme/apis/{}", acme.api));
        let forms = ["grants", "state", "keys/revoke", "secrets/rotate", "secrets/issue", "secrets/revoke", "secrets/defer", "secrets/schedule"];
        let forms = forms.map(|form| (format!("{client}/{form}"), &*client));
        for (form, page) in forms.into_iter().chain([
            (format!("{api}/retire"), &*api),
            ("/console/t/acme/state".to_owned(), "/console/t/acme"),
            ("/console/t/acme/".to_owned(), "/console/t/acme"),
            ("/console/t/acme/keys/revoke".to_owned(), "/console/t/acme/keys"),
            ("/console/sign-out".to_owned(), "/console"),
            ("/console/sessions/end".to_owned(), "/console/sessions"),
            ("/console/t/acme/sessions/end".to_owned(), "/console/t/acme/administrators"),
            ("/console/sign-out/everywhere".to_owned(), "/console"),
        ]) {
            assert_eq!(browser.get(&form).await.location(), page, "{form}");
        }
        browser.open("/console/t/acme").await;
        let wrong = browser.send("/console/t/acme/calendar", &[]).await;
        assert_eq!(wrong.status, 405);
        assert!(wrong.headers.contains_key("allow"), "{:?}", wrong.headers);
        wrong.shows("Not in this way");
    }
}
