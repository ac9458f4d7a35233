//! Who may administer a tenant, who is signed in, and what is written down about that.

use chancery_application::Caller;
use chancery_domain::value::Slug;

use super::readers::holder;
use crate::support::{Browser, Chromium, World, story, tenant_admin};

story! {
    /// Who signed in, how, from where, and who signed out, is recorded; who is signed in now is shown, and can be
    /// signed out by whoever administers the tenant.
    async fn who_is_signed_in_is_shown_recorded_and_signed_out(world: World) {
        world.acme().await;
        let (id, secret) = tenant_admin(&world, "acme").await;
        let (reader_id, reader_secret) = holder(&world, "acme", "tenant:read").await;
        let admin = Browser::signed_in(&world, "acme", &id, &secret).await;
        let reader = Browser::signed_in(&world, "acme", &reader_id, &reader_secret).await;
        let page = admin.open("/console/t/acme/administrators").await;
        page.shows("acme admin you");
        page.shows("tenant:admin");
        page.shows("1 session");
        page.shows("this browser");
        page.shows("127.0.0.1");
        // Whoever may not audit sees their own alone, and ends nobody's.
        let seen = reader.open("/console/t/acme/administrators").await;
        seen.shows("Your own sessions alone");
        assert!(!seen.html.contains("/sessions/end"), "{}", seen.html);
        let other = page.hidden("/console/t/acme/sessions/end");
        let session = other.iter().find(|(name, _)| name == "session").unwrap().1.clone();
        let token = seen.hidden("/console/sign-out")[0].1.clone();
        let own = admin.open("/console/sessions").await;
        assert!(!own.html.contains(&session), "of one's own client alone");
        for path in ["/console/t/acme/sessions/end", "/console/sessions/end"] {
            let made_up = [("form_token", &*token), ("session", "made-up")];
            let answer = reader.send(path, &made_up).await;
            assert!([303, 403].contains(&answer.status));
        }
        admin.open("/console/t/acme").await;
        let gone = admin.submit("/console/t/acme/administrators", "/console/t/acme/sessions/end", &[]).await;
        assert_eq!(gone.location(), "/console/t/acme/administrators?done=ended");
        assert!(reader.get("/console/t/acme").await.location().starts_with("/console/sign-in"));

        let code = world.platform.application.sign_in_link(&Caller::at_the_command_line("ada"), &Slug::parse("acme").unwrap(), Some(id.parse().unwrap())).await.unwrap().1;
        let mut by_link = Browser::new(&world);
        let page = by_link.send("/console/link", &[("code", &code.reveal())]).await;
        by_link.keep_cookie(&page);
        by_link.open("/console/sessions").await.shows("Where you are signed in");
        by_link.submit("/console/t/acme", "/console/sign-out", &[]).await.location();
        let records = admin.open("/console/t/acme/activity/records?kind=console").await;
        let told = ["signed out of the console", "signed in to the console", "link to the console made", "signed out of the console", "signed in to the console", "signed in to the console"];
        let text = records.text();
        let table = &text[text.find("Found by").unwrap()..];
        let mut rest = table;
        for what in told {
            let at = rest.find(what).unwrap_or_else(|| panic!("no {what} in {rest}"));
            rest = &rest[at + what.len()..];
        }
        assert!(!rest.contains(" the console"), "{rest}");
        records.shows("ada");
    }
}

story! {
    async fn signing_in_again_ends_the_session_that_the_browser_had(world: World) {
        let mut browser = Browser::operator(&world).await;
        let before = browser.cookie.clone();
        let text = |name: &str| world.operator[name].as_str().unwrap().to_owned();
        // The case of a short name does not matter.
        let page = browser.sign_in("SYSTEM", &text("client_id"), &text("client_secret")).await;
        assert_eq!(page.location(), "/console");
        browser.open("/console/tenants").await;
        browser.cookie = before;
        assert!(browser.get("/console/tenants").await.location().starts_with("/console/sign-in"));
        // Of sessions that are left behind there are not more and more.
        for _ in 0..55 {
            Browser::operator(&world).await;
        }
        let last = Browser::operator(&world).await;
        let page = last.open("/console/sessions").await;
        assert_eq!(page.html.matches("name=\"session\"").count(), 49, "and this one");
        last.submit("/console/sessions", "/console/sign-out/everywhere", &[]).await.location();
        let everywhere = last.open("/console/sign-in?out=50").await;
        everywhere.shows("50 sessions have ended");
    }
}

story! {
    /// Where a browser does not say which site a form is from, it says the origin.
    async fn a_form_to_sign_in_from_another_origin_is_refused(world: World) {
        let text = |name: &str| world.operator[name].as_str().unwrap();
        let fields = [("tenant", "system"), ("client", text("client_id")), ("secret", text("client_secret"))];
        let sent = async |headers: &[(&str, &str)]| {
            let request = world.http.post(format!("{}/console/sign-in", world.url));
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            request.form(&fields).send().await.unwrap().status().as_u16()
        };
        let prefix = world.url[..world.url.len() - 1].to_owned();
        for origin in ["https://evil.example", "http://127.0.0.1", "chrome-extension://x", &prefix] {
            assert_eq!(sent(&[("origin", origin)]).await, 403, "{origin}");
        }
        for headers in [vec![], vec![("origin", "null")], vec![("origin", world.url.as_str())], vec![("origin", "null"), ("sec-fetch-site", "same-origin")]] {
            assert_ne!(sent(&headers).await, 403, "{headers:?}");
        }
        assert_eq!(sent(&[("origin", &world.url), ("sec-fetch-site", "cross-site")]).await, 403);
    }
}

story! {
    /// Somebody is made the administrator of a tenant in the console, and comes in with what the page shows.
    async fn an_administrator_is_invited_and_comes_in(world: World) {
        world.acme().await;
        let operator = Browser::operator(&world).await;
        let page = "/console/t/acme/administrators";
        let fields = [("name", "Ada"), ("scope", "tenant:admin"), ("expiresInDays", "30")];
        let refused = operator.submit(page, page, &[("name", "Ada"), ("scope", "platform:admin")]).await;
        assert_eq!(refused.status, 422);
        let invited = operator.submit(page, page, &fields).await;
        assert_eq!(invited.status, 200, "{}", invited.text());
        invited.shows("Ada is invited");
        let secret = invited.within("data-secret");
        let address = invited.html.split("/console/sign-in?").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
        let client = address.split("client=").nth(1).unwrap().to_owned();
        assert_eq!(address, format!("tenant=acme&client={client}"));
        let form = Browser::new(&world).open(&format!("/console/sign-in?{address}")).await;
        assert!(form.html.contains(&format!("value=\"{client}\"")) && form.html.contains("value=\"acme\""));
        let ada = Browser::signed_in(&world, "acme", &client, &secret).await;
        ada.open(page).await.shows("Ada you");
        // Whoever may less gives no more than that, and is offered nothing.
        let (id, secret) = holder(&world, "acme", "tenant:read").await;
        let reader = Browser::signed_in(&world, "acme", &id, &secret).await;
        let seen = reader.open(page).await;
        seen.shows("Ada");
        seen.shows_not("Invite somebody");
        let token = seen.hidden("/console/sign-out")[0].1.clone();
        let made_up = reader.send(page, &[&fields[..], &[("form_token", &*token)]].concat()).await;
        assert!([403, 422].contains(&made_up.status), "{}", made_up.status);
        reader.open(page).await.shows_not("Ada Ada");
    }
}

story! {
    /// An auditor of every tenant finds each of them, and nothing that is not theirs to see.
    async fn an_auditor_of_every_tenant_finds_them(world: World) {
        let acme = world.acme().await;
        world.tenant_like_acme("other").await;
        let (id, secret) = holder(&world, "system", "audit:read").await;
        let auditor = Browser::signed_in(&world, "system", &id, &secret).await;
        assert_eq!(auditor.get("/console").await.location(), "/console/tenants");
        let page = auditor.open("/console/tenants").await;
        for slug in ["acme", "other", "system"] {
            assert!(page.html.contains(&format!("/console/t/{slug}/roll\"")), "{slug}: {}", page.html);
        }
        assert!(!page.html.contains("/console/t/acme\"") && !page.html.contains("/new\""), "{}", page.html);
        auditor.open("/console/tenants?q=oth").await.shows_not("acme");
        auditor.open("/console/t/acme/roll").await;
        // Of one tenant alone nobody sees others.
        let (id, secret) = holder(&world, "acme", "audit:read").await;
        let own = Browser::signed_in(&world, "acme", &id, &secret).await;
        assert_eq!(own.get("/console/tenants").await.status, 403);

        let operator = Browser::operator(&world).await;
        let found = async |browser: &Browser<'_>, id: &str| browser.get(&format!("/console/find?id={id}")).await;
        for (id, leads) in [
            (acme.client.as_str(), format!("/console/t/acme/clients/{}", acme.client)),
            (&acme.api, format!("/console/t/acme/apis/{}", acme.api)),
            (&acme.secret_id, format!("/console/t/system/activity/records?credential={}", acme.secret_id)),
        ] {
            assert_eq!(found(&operator, id).await.location(), leads);
        }
        for nothing in [acme.client.as_str(), "client_x", "nothing"] {
            assert_eq!(found(&own, nothing).await.status, 404, "{nothing}");
        }
        let (id, secret) = tenant_admin(&world, "other").await;
        let foreign = Browser::signed_in(&world, "other", &id, &secret).await;
        assert_eq!(found(&foreign, &acme.client).await.status, 404);
    }
}

story! {
    /// A link does not make somebody who is signed in somebody else unasked.
    async fn a_link_asks_whoever_is_signed_in(world: World) {
        world.acme().await;
        let (client, secret) = tenant_admin(&world, "acme").await;
        let mut browser = Chromium::start().await;
        browser.open(&format!("{}/console", world.url)).await;
        browser.fill("tenant", "acme").await;
        browser.fill("client", &client).await;
        browser.fill("secret", &secret).await;
        browser.press("Sign in").await;
        browser.until("location.pathname === '/console/t/acme'").await;
        let made = world.platform.application.sign_in_link(&Caller::at_the_command_line("x"), &Slug::system(), None).await;
        browser.open(&format!("{}/console/link#{}", world.url, made.unwrap().1.reveal())).await;
        browser.shows("This browser is signed in as acme admin").await;
        assert_eq!(browser.eval("location.pathname + location.hash").await.unwrap(), "/console/link");
        browser.press("Sign in").await;
        browser.until("location.pathname === '/console/tenants'").await;
        browser.no_complaints();
    }
}
