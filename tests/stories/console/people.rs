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
        assert_eq!(seen.html.matches("127.0.0.1").count(), 1, "{}", seen.html);
        assert!(page.html.contains(">Signed in</th>") && !seen.html.contains(">Signed in</th>"), "not told is not nobody");
        reader.open("/console/sessions").await.shows("ask an administrator to rotate it");
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
        let told = ["signed out of the console", "signed in to the console by link", "link to the console made", "ended a session of the console", "signed in to the console", "signed in to the console"];
        let text = records.text();
        let table = &text[text.find("Found by").unwrap()..];
        let mut rest = table;
        for what in told {
            let at = rest.find(what).unwrap_or_else(|| panic!("no {what} in {rest}"));
            rest = &rest[at + what.len()..];
        }
        assert!(!rest.contains(" the console"), "{rest}");
        records.shows("ada");
        // Whoever ended it did that with what they came in with.
        let row = records.html.split("<tr>").find(|row| row.contains("ended a session")).unwrap();
        let hint = |secret: &str| format!("…{}<", &secret[secret.len() - 4..]);
        assert!(row.contains(&hint(&secret)) && !row.contains(&hint(&reader_secret)), "{row}");
        assert!(row.contains("tenant:read</a>"), "whose it was: {row}");
    }
}

story! {
    /// What a session is called stands in the records, which more people read than may end it. Who is at rest for too long is
    /// not shown as signed in.
    async fn whoever_only_audits_ends_no_session_but_their_own(world: World) {
        world.acme().await;
        let (id, secret) = tenant_admin(&world, "acme").await;
        let admin = Browser::signed_in(&world, "acme", &id, &secret).await;
        let (reader, its_secret) = holder(&world, "acme", "audit:read").await;
        let auditor = Browser::signed_in(&world, "acme", &reader, &its_secret).await;
        let records = auditor.open("/console/t/acme/activity/records?kind=console_signed_in").await;
        let ids = records.html.split("session </span>").skip(1);
        let ids: Vec<_> = ids.map(|rest| rest.split("title=\"").nth(1).unwrap().split('"').next().unwrap()).collect();
        let [own, others] = ids[..] else { panic!("{ids:?}") };
        let seen = auditor.open("/console/t/acme/administrators").await;
        seen.shows("Signed in now");
        assert!(seen.html.matches("127.0.0.1").count() >= 2 && !seen.html.contains("name=\"session\""), "{}", seen.html);
        let token = auditor.open("/console/sessions").await.hidden("/console/sign-out")[0].1.clone();
        let ended = async |path: &str, session: &str| auditor.send(path, &[("form_token", &*token), ("session", session)]).await;
        for path in ["/console/t/acme/sessions/end", "/console/sessions/end"] {
            assert_eq!(ended(path, others).await.status, 403, "{path}");
        }
        admin.open("/console/t/acme").await;
        assert_eq!(ended("/console/sessions/end", own).await.location(), "/console/sign-in?out=1");
        assert!(auditor.get("/console/sessions").await.location().starts_with("/console/sign-in"));

        world.clock.advance(31 * 60);
        let again = Browser::signed_in(&world, "acme", &id, &secret).await;
        let page = again.open("/console/t/acme/administrators").await;
        page.shows("1 session");
        assert!(page.html.contains("this browser") && !page.html.contains("name=\"session\""), "{}", page.html);
    }
}

story! {
    /// Nobody ends the session of somebody who may more than they do.
    async fn an_administrator_of_system_signs_no_operator_out(world: World) {
        let operator = Browser::operator(&world).await;
        let (id, secret) = tenant_admin(&world, "system").await;
        let admin = Browser::signed_in(&world, "system", &id, &secret).await;
        let (reader, its_secret) = holder(&world, "system", "tenant:read").await;
        let lesser = Browser::signed_in(&world, "system", &reader, &its_secret).await;
        let page = "/console/t/system/administrators";
        let end = "/console/t/system/sessions/end";
        let session = operator.open(page).await.html.matches("this browser").count();
        assert_eq!(session, 1);
        let offered = admin.open(page).await;
        assert_eq!(offered.html.matches("name=\"session\"").count(), 1, "that of who may less: {}", offered.html);
        assert!(!offered.html.contains("value=\"platform:admin\""), "nor makes any: {}", offered.html);
        let token = offered.hidden("/console/sign-out")[0].1.clone();
        let records = admin.open("/console/t/system/activity/records?kind=console_signed_in").await;
        let ids = records.html.split("session </span>").skip(1);
        let ids: Vec<_> = ids.map(|rest| rest.split("title=\"").nth(1).unwrap().split('"').next().unwrap()).collect();
        let [_, _, of_operator] = ids[..] else { panic!("{ids:?}") };
        for path in [end, "/console/sessions/end"] {
            let refused = admin.send(path, &[("form_token", &*token), ("session", of_operator)]).await;
            assert_eq!(refused.status, 409, "{path}");
            refused.shows("which the caller does not hold");
        }
        operator.open("/console/tenants").await;
        // Nor is anything offered on the page of such a client.
        let first = world.operator["client_id"].as_str().unwrap();
        let theirs = admin.open(&format!("/console/t/system/clients/{first}")).await;
        theirs.shows("that you do not hold");
        assert!(!theirs.html.contains("/secrets/rotate\"") && !theirs.html.contains("/state\""), "{}", theirs.html);
        admin.open(&format!("/console/t/system/clients/{reader}")).await.shows("Rotate");
        admin.submit(page, end, &[]).await.location();
        assert!(lesser.get(page).await.location().starts_with("/console/sign-in"));
    }
}

story! {
    /// What the tenant's programs use up keeps nobody out who could stop them. Signing in has a limit of its own, and where
    /// that holds it is said for how long.
    async fn signing_in_has_a_limit_of_its_own(world: World) {
        let acme = world.acme().await;
        let (id, secret) = tenant_admin(&world, "acme").await;
        let (other, its) = crate::console::readers::holder(&world, "acme", "tenant:read").await;
        let limit = serde_json::json!({"client": {"requests": 1, "windowSeconds": 3_600}, "tenant": {"requests": 1, "windowSeconds": 3_600}});
        let input = serde_json::json!({"tenant": "acme", "policy": {"rateLimit": limit}});
        world.operator().await.mutation("updateTenant", "tenant { id }", input).await.data();
        let program = async || world.token("acme", &acme.client, &acme.secret).send().await.status;
        assert_eq!((program().await, program().await), (200, 429));
        let enter = async |id: &str, secret: &str| Browser::new(&world).sign_in("acme", id, secret).await;
        for _ in 0..60 {
            assert_eq!(enter(&id, &secret).await.status, 303);
        }
        let kept_out = enter(&id, &secret).await;
        assert_eq!(kept_out.status, 429, "{}", kept_out.text());
        assert_eq!(kept_out.headers["retry-after"], "600");
        kept_out.shows("too many sign-ins of this client. Try again in 10 minutes.");
        assert_eq!(enter(&other, &its).await.status, 303, "another has a limit of its own");
        world.clock.advance(600);
        assert_eq!(enter(&id, &secret).await.status, 303);
        // Nor does coming in use up what programs may ask for.
        assert_eq!(program().await, 429);
        world.clock.advance(3_000);
        assert_eq!(program().await, 200);
    }
}

story! {
    /// What cannot stand in a record or a name is not looked for.
    async fn a_filter_that_is_no_text_is_refused(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let long = "x".repeat(201);
        let records = "/console/t/acme/activity/records";
        for path in [
            format!("{records}?client=%00"),
            format!("{records}?credential=a%00"),
            format!("{records}?reason=%0a%01"),
            format!("{records}?jti={long}"),
            format!("{records}?trace=abc"),
            "/console/t/acme/clients?q=a%00b".to_owned(),
            "/console/tenants?q=%00".to_owned(),
        ] {
            assert_eq!(browser.get(&path).await.status, 400, "{path}");
        }
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
    /// A form to sign in comes from a page of this server, and a browser says so: by the site, or by the origin. Who
    /// hides it is signed in by nobody's page, as whoever that page likes; what says nothing at all is no browser.
    async fn a_form_to_sign_in_that_is_not_from_here_is_refused(world: World) {
        let text = |name: &str| world.operator[name].as_str().unwrap();
        let fields = [("tenant", "system"), ("client", text("client_id")), ("secret", text("client_secret"))];
        let link = world.platform.application.sign_in_link(&Caller::at_the_command_line("x"), &Slug::system(), None).await;
        let code = link.unwrap().1.reveal();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let sent = async |path: &str, headers: &[(&str, &str)]| {
            let request = http.post(format!("{}{path}", world.url));
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let request = if path.ends_with("link") { request.form(&[("code", &code)]) } else { request.form(&fields) };
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.headers().contains_key("set-cookie"))
        };
        let own = world.url.as_str();
        let (prefix, longer) = (&own[..own.len() - 1], format!("{own}0"));
        let foreign = ["https://evil.example", "http://127.0.0.1", "chrome-extension://x", "null", "", "x", prefix, &longer];
        let mut refused: Vec<_> = foreign.iter().map(|origin| vec![("origin", *origin)]).collect();
        for site in ["cross-site", "same-site", "", "x"] {
            refused.push(vec![("origin", own), ("sec-fetch-site", site)]);
        }
        for path in ["/console/sign-in", "/console/link"] {
            for headers in &refused {
                assert_eq!(sent(path, headers).await, (403, false), "{path} {headers:?}");
            }
        }
        for headers in [vec![], vec![("origin", own)], vec![("origin", "null"), ("sec-fetch-site", "same-origin")], vec![("sec-fetch-site", "none")]] {
            assert_eq!(sent("/console/sign-in", &headers).await, (303, true), "{headers:?}");
        }
        assert_eq!(sent("/console/link", &[("origin", own)]).await, (303, true), "the link was not used up");
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
        assert!(!operator.open(page).await.html.contains("value=\"platform:admin\""), "there is none in a tenant");
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
        assert_eq!(made_up.status, 403);
        made_up.shows("which you do not hold");
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
            (&acme.secret_id, format!("/console/t/acme/clients/{}#{}", acme.client, acme.secret_id)),
            ("secret_01h455vb4pex5vsknk084sn02q", "/console/t/system/activity/records?credential=secret_01h455vb4pex5vsknk084sn02q".to_owned()),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "/console/t/system/activity/records?trace=4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
            ("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "/console/t/system/activity/records?jti=017f22e2-79b0-7cc3-98c4-dc0c0c07398f".to_owned()),
        ] {
            assert_eq!(found(&operator, id).await.location(), leads);
        }
        // A list takes an id for one.
        let page = operator.get(&format!("/console/t/acme/clients?q={}", acme.client)).await;
        assert_eq!(page.location(), format!("/console/t/acme/clients/{}", acme.client));
        let page = operator.get(&format!("/console/tenants?q={}", acme.client)).await;
        assert_eq!(page.location(), format!("/console/t/acme/clients/{}", acme.client));
        let (id, secret) = tenant_admin(&world, "other").await;
        let elsewhere = Browser::signed_in(&world, "other", &id, &secret).await;
        elsewhere.open(&format!("/console/t/other/clients?q={}", acme.client)).await.shows("No client is like that");
        // Who may audit alone has the roll.
        for browser in [&own, &auditor] {
            assert_eq!(found(browser, &acme.client).await.location(), format!("/console/t/acme/roll?client={}", acme.client));
            assert_eq!(found(browser, &acme.api).await.location(), "/console/t/acme/roll");
        }
        let entry = operator.open("/console/t/acme/roll/6").await;
        let event = entry.html.split("event_").nth(1).unwrap().split(['<', '"']).next().unwrap().to_owned();
        for browser in [&own, &auditor, &operator] {
            assert_eq!(found(browser, &format!("event_{event}")).await.location(), "/console/t/acme/roll/6");
        }
        let broken = format!("%20{}%0d%0a{}", &acme.client[..20], &acme.client[20..]);
        assert_eq!(found(&operator, &broken).await.location(), format!("/console/t/acme/clients/{}", acme.client));
        for nothing in ["client_x", "nothing", "secret_a%0ab", "secret_x%26kind%3Dconsole", "key_%00", "secret_%c3%a9"] {
            for browser in [&own, &operator] {
                assert_eq!(found(browser, nothing).await.status, 404, "{nothing}");
            }
        }
        let (id, secret) = holder(&world, "acme", "tenant:read").await;
        let reader = Browser::signed_in(&world, "acme", &id, &secret).await;
        assert_eq!(found(&reader, &"a".repeat(32)).await.status, 404, "records are not theirs");
        assert_eq!(found(&reader, &format!("event_{event}")).await.status, 404, "nor the roll");
        // Every link of what they may read leads somewhere.
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        world.platform.log.drain().await;
        for page in ["roll", "roll/6", "activity", "activity/unused", "activity/records"] {
            let page = own.open(&format!("/console/t/acme/{page}")).await;
            let links = page.html.split("href=\"/console/").skip(1).map(|rest| rest.split('"').next().unwrap());
            for link in links.filter(|link| !link.contains("export")).map(|link| link.replace("&amp;", "&")) {
                assert_ne!(own.get(&format!("/console/{link}")).await.status, 403, "{link}");
            }
        }
        let (id, secret) = tenant_admin(&world, "other").await;
        let foreign = Browser::signed_in(&world, "other", &id, &secret).await;
        for id in [&acme.client, &acme.api, &format!("event_{event}")] {
            assert_eq!(found(&foreign, id).await.status, 404, "{id}");
        }
        // What is there and what is not are answered alike.
        for (id, none) in [(acme.client.clone(), "client"), (format!("event_{event}"), "event")] {
            let none = format!("{none}_01h455vb4pex5vsknk084sn02q");
            assert_eq!(found(&foreign, &id).await.text(), found(&foreign, &none).await.text());
        }
        assert_eq!(found(&foreign, &acme.secret_id).await.location(), format!("/console/t/other/activity/records?credential={}", acme.secret_id));
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
