//! Who is signed in, and for how long.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_application::{Arrival, Caller};
use chancery_crypto::sha256;
use chancery_domain::value::Slug;
use chancery_event_store::Backend;
use serde_json::json;

use crate::support::{Browser, World, run_sql, story, tenant_admin};

story! {
    async fn whoever_is_not_signed_in_is_led_to_sign_in_and_back(world: World) {
        world.acme().await;
        let mut browser = Browser::new(&world);
        for path in ["/console", "/console/tenants", "/console/t/acme", "/console/t/none", "/console/start"] {
            let page = browser.get(path).await;
            assert!(page.location().starts_with("/console/sign-in?next=%2Fconsole"), "{path}");
        }
        assert_eq!(browser.send("/console/t/acme/state", &[("do", "close")]).await.location(), "/console/sign-in?undone=1");
        browser.open("/console/sign-in?undone=1").await.shows("nothing was done");
        browser.cookie = Some("chancery-console=made-up".to_owned());
        assert!(browser.get("/console/tenants").await.location().starts_with("/console/sign-in"));
    }
}

story! {
    async fn a_cookie_is_for_this_server_and_no_script(world: World) {
        let mut browser = Browser::new(&world);
        let id = world.operator["client_id"].as_str().unwrap();
        let secret = world.operator["client_secret"].as_str().unwrap();
        let page = browser.sign_in("system", id, secret).await;
        assert_eq!(page.location(), "/console");
        let cookie = page.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.ends_with("; Path=/console; HttpOnly; SameSite=Strict"), "{cookie}");
        let page = browser.open("/console/tenants").await;
        page.shows("Tenants");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(page.headers[name], value);
        }
        assert!(!page.html.contains(" style=") && !page.html.contains(" onclick="));
    }
}

story! {
    async fn a_wrong_credential_does_not_say_what_is_wrong(world: World) {
        let acme = world.acme().await;
        let mut browser = Browser::new(&world);
        let wrong = format!("{}x", acme.secret);
        let page = browser.sign_in("acme", &acme.client, &wrong).await;
        assert_eq!(page.status, 401);
        let other = browser.sign_in("acme", world.operator["client_id"].as_str().unwrap(), &acme.secret).await;
        assert_eq!((other.status, browser.cookie.clone()), (401, None));
        page.shows("Client authentication failed");
        other.shows("Client authentication failed");
        // A right one without a scope of the admin API has nothing to do here.
        let page = browser.sign_in("acme", &acme.client, &acme.secret).await;
        assert_eq!(page.status, 401);
        page.shows("holds no scope of the admin API");
        assert!(!page.html.contains(&acme.secret));
    }
}

story! {
    async fn a_form_that_is_not_of_the_session_is_refused(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let another = Browser::operator(&world).await;
        let foreign = another.open("/console/t/acme").await.hidden("/console/sign-out");
        let foreign = foreign[0].1.as_str();
        for token in [None, Some(""), Some("made-up"), Some(foreign)] {
            for (path, fields) in [
                ("/console/tenants/new", vec![("slug", "other"), ("displayName", "Other")]),
                ("/console/t/acme/state", vec![("do", "suspend"), ("reason", "x")]),
                ("/console/t/acme/policy", vec![("step", "save")]),
                ("/console/sign-out", vec![]),
                ("/console/sign-out/everywhere", vec![]),
            ] {
                let fields: Vec<_> = fields.into_iter().chain(token.map(|token| ("form_token", token))).collect();
                let page = browser.send(path, &fields).await;
                assert_eq!(page.status, 403, "{path} {token:?}");
                page.shows("Nothing was done");
            }
        }
        browser.open("/console/t/acme").await.shows("active");
        assert_eq!(browser.get("/console/t/other").await.status, 404);
    }
}

story! {
    async fn a_store_that_takes_no_writes_keeps_nobody_from_looking(world: World) {
        let browser = Browser::operator(&world).await;
        let refuse = match world.store.backend() {
            Backend::Postgres => "ALTER TABLE console_sessions ADD CONSTRAINT refused CHECK (seen_at < 0) NOT VALID",
            Backend::Sqlite => {
                "CREATE TRIGGER refused BEFORE UPDATE ON console_sessions BEGIN SELECT RAISE(ABORT, 'refused'); END"
            }
        };
        run_sql(world.store.database(), refuse).await;
        world.clock.advance(61);
        browser.open("/console/tenants").await.shows("Tenants");
        // It was not noted, so the session rests for as long as if nobody had looked.
        world.clock.advance(30 * 60 - 62);
        browser.open("/console/tenants").await.shows("Tenants");
        world.clock.advance(1);
        assert!(browser.get("/console/tenants").await.location().starts_with("/console/sign-in"));
    }
}

story! {
    async fn signing_out_ends_this_session_and_everywhere_ends_them_all(world: World) {
        let (one, two, three) = (
            Browser::operator(&world).await,
            Browser::operator(&world).await,
            Browser::operator(&world).await,
        );
        let is_in = async |browser: &Browser<'_>| browser.get("/console/tenants").await.status == 200;
        one.submit("/console/tenants", "/console/sign-out", &[]).await.location();
        assert!(!is_in(&one).await && is_in(&two).await && is_in(&three).await);
        two.submit("/console/tenants", "/console/sign-out/everywhere", &[]).await.location();
        assert!(!is_in(&two).await && !is_in(&three).await);
    }
}

story! {
    async fn a_session_ends_with_its_client_its_secret_its_tenant_and_time(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let is_in = async |browser: &Browser<'_>| browser.get("/console/t/acme").await.status == 200;

        let (client, secret) = tenant_admin(&world, "acme").await;
        let browser = Browser::signed_in(&world, "acme", &client, &secret).await;
        assert!(is_in(&browser).await);
        operator.mutation("disableClient", "client { id }", json!({"client": client, "reason": "left"})).await.data();
        assert!(!is_in(&browser).await);
        operator.mutation("enableClient", "client { id }", json!({"client": client})).await.data();
        assert!(!is_in(&browser).await, "what has ended does not come to life again");

        let rotated = operator
            .mutation("rotateClientSecret", "secret { plaintext }", json!({"client": client, "overlapSeconds": 60}))
            .await
            .data();
        let browser = Browser::signed_in(&world, "acme", &client, &secret).await;
        world.clock.advance(59);
        assert!(is_in(&browser).await);
        world.clock.advance(1);
        assert!(!is_in(&browser).await, "its secret has retired");

        let secret = rotated["secret"]["plaintext"].as_str().unwrap();
        let browser = Browser::signed_in(&world, "acme", &client, secret).await;
        for _ in 0..3 {
            world.clock.advance(29 * 60);
            assert!(is_in(&browser).await, "it is used");
        }
        world.clock.advance(31 * 60);
        assert!(!is_in(&browser).await, "it rested");

        let browser = Browser::signed_in(&world, "acme", &client, secret).await;
        for _ in 0..24 {
            assert!(is_in(&browser).await);
            world.clock.advance(29 * 60 + 59);
        }
        world.clock.advance(60);
        assert!(!is_in(&browser).await, "twelve hours have passed");

        let browser = Browser::signed_in(&world, "acme", &client, secret).await;
        operator.mutation("suspendTenant", "tenant { id }", json!({"tenant": "acme", "reason": "x"})).await;
        let _ = &acme;
        let operator = world.operator().await;
        operator.mutation("suspendTenant", "tenant { id }", json!({"tenant": "acme", "reason": "x"})).await.data();
        assert!(!is_in(&browser).await, "its tenant is suspended");
    }
}

story! {
    /// Nobody need have asked meanwhile: what a session stood on comes back, and the session does not.
    async fn a_session_does_not_come_back_with_what_it_stood_on(world: World) {
        world.acme().await;
        let operator = world.operator().await;
        let (client, secret) = tenant_admin(&world, "acme").await;
        let signed_in = || Browser::signed_in(&world, "acme", &client, &secret);
        let admin = |scopes: &[&str]| json!({"client": client, "grants": [{"api": "urn:chancery:admin", "scopes": scopes}]});
        for (ends, comes_back) in [
            (("disableClient", "client { id }", json!({"client": client, "reason": "x"})), ("enableClient", "client { id }", json!({"client": client}))),
            (("suspendTenant", "tenant { id }", json!({"tenant": "acme", "reason": "x"})), ("resumeTenant", "tenant { id }", json!({"tenant": "acme"}))),
            (("updateClient", "client { id }", json!({"client": client, "grants": []})), ("updateClient", "client { id }", admin(&["tenant:admin"]))),
        ] {
            let browser = signed_in().await;
            let link = world.platform.application.sign_in_link(&Caller::at_the_command_line("x"), &Slug::parse("acme").unwrap(), None).await;
            let (_, code) = link.unwrap();
            for (verb, fields, input) in [ends.clone(), comes_back] {
                operator.mutation(verb, fields, input).await.data();
            }
            assert_eq!(browser.get("/console/t/acme").await.status, 303, "{}", ends.0);
            let by_link = Browser::new(&world).send("/console/link", &[("code", &code.reveal())]).await;
            assert_eq!(by_link.status, 401, "a link from before {}", ends.0);
        }
        // What takes away less leaves the session.
        let browser = signed_in().await;
        operator.mutation("updateClient", "client { id }", admin(&["tenant:read"])).await.data();
        browser.open("/console/t/acme").await;
    }
}

story! {
    /// Browsers send no cookie of this kind along with a link from another site; from a page of this one they do.
    async fn a_link_from_elsewhere_leads_who_is_signed_in_on(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let page = format!("/console/t/acme/clients/{}?x=%22%3E", acme.client);
        let navigated = async |site: &str, mode: &str, to: &str, cookie: Option<&String>| {
            let request = world.http.get(format!("{}{page}", world.url));
            let request = request.header("sec-fetch-site", site).header("sec-fetch-mode", mode).header("sec-fetch-dest", to);
            let request = cookie.iter().fold(request, |request, cookie| request.header("cookie", *cookie));
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        let (status, html) = navigated("cross-site", "navigate", "document", None).await;
        assert_eq!(status, 200);
        assert!(html.contains(&format!("content=\"0; url={page}\"")), "{html}");
        assert!(!html.contains("billing"));
        // The browser then asks from here: with the cookie, or for somebody to sign in.
        for site in ["same-origin", "none", "same-site"] {
            let (status, html) = navigated(site, "navigate", "document", None).await;
            assert!(status != 200 || html.contains("Client secret"), "{site}: {html}");
        }
        for (mode, to) in [("cors", "empty"), ("no-cors", "image"), ("navigate", "iframe")] {
            let (_, html) = navigated("cross-site", mode, to, None).await;
            assert!(!html.contains("url="), "{mode} {to}: {html}");
        }
        let (status, html) = navigated("cross-site", "navigate", "document", browser.cookie.as_ref()).await;
        assert!(status == 200 && html.contains("billing"));
    }
}

story! {
    /// Whoever has somebody's cookie begins no session: the list says that theirs is used from elsewhere.
    async fn a_cookie_that_is_used_elsewhere_shows_in_the_list(world: World) {
        let browser = Browser::operator(&world).await;
        browser.open("/console/sessions").await.shows_not("used from elsewhere");
        let stolen = world.http.get(format!("{}/console/tenants", world.url));
        let stolen = stolen.header("cookie", browser.cookie.as_ref().unwrap()).header("user-agent", "thief/1");
        assert_eq!(stolen.send().await.unwrap().status(), 200);
        // Whoever looks, also again and later, does not wipe it out by looking.
        for browser in [&browser, &Browser::operator(&world).await, &browser] {
            browser.open("/console/sessions").await.shows("also used from elsewhere 127.0.0.1 thief/1");
            world.clock.advance(61);
        }
    }
}

story! {
    async fn every_other_session_is_signed_out_at_once(world: World) {
        world.acme().await;
        let (id, secret) = tenant_admin(&world, "acme").await;
        let enter = async || Browser::signed_in(&world, "acme", &id, &secret).await;
        let (own, others) = (enter().await, [enter().await, enter().await]);
        let page = "/console/sessions";
        let done = own.submit(page, "/console/sessions/others", &[]).await;
        own.open(done.location()).await.shows("Every other session of yours has ended.");
        for other in &others {
            assert!(other.get(page).await.location().starts_with("/console/sign-in"));
        }
        own.open(page).await.shows_not("Sign out everywhere else");

        // Whoever administers the tenant signs somebody out of all of theirs.
        let theirs = [enter().await, enter().await];
        let operator = Browser::operator(&world).await;
        let people = "/console/t/acme/administrators";
        let done = operator.submit(people, "/console/t/acme/sessions/end", &[("client", &id)]).await;
        operator.open(done.location()).await.shows("Every session of that client has ended.");
        for other in theirs.iter().chain([&own]) {
            assert!(other.get(page).await.location().starts_with("/console/sign-in"));
        }
        // What names no session ends none, on either store.
        for none in ["\0", "", "AAAAAAAAAAAAAAAA", "../../../../../.."] {
            let token = operator.open(page).await.hidden("/console/sign-out")[0].1.clone();
            let sent = operator.send("/console/sessions/end", &[("form_token", &*token), ("session", none)]).await;
            assert_eq!(sent.location(), "/console/sessions?done=gone", "{none:?}");
        }
    }
}

story! {
    async fn a_session_is_good_on_every_node(world: World) {
        let browser = Browser::operator(&world).await;
        let node = world.another_node().await;
        let elsewhere = world.http.get(format!("{node}/console/tenants")).header("cookie", browser.cookie.as_ref().unwrap());
        assert_eq!(elsewhere.send().await.unwrap().status(), 200);
    }
}

story! {
    /// Whoever can write to the database signs nobody in: a row is vouched for by the installation's key, all of
    /// it, so none is made and none becomes another's.
    async fn no_row_in_the_database_signs_anybody_in(world: World) {
        world.acme().await;
        let admin = tenant_admin(&world, "acme").await;
        let own = Browser::signed_in(&world, "acme", &admin.0, &admin.1).await;
        own.open("/console/t/acme").await;
        let database = world.store.database();
        let operator = world.operator["client_id"].as_str().unwrap();
        let hashed = |purpose: &str, text: &str| {
            URL_SAFE_NO_PAD.encode(sha256(format!("{purpose}\0{text}").as_bytes()))
        };
        let token = "A".repeat(43);
        let now = world.now().micros();
        let end = world.now().plus_days(1).micros();
        let of_operator = "FROM clients c WHERE c.client_id =";
        let secret = "(SELECT secret_id FROM secret_verifiers v WHERE v.client_id = c.client_id LIMIT 1)";
        let hash = hashed("chancery console session", &token);
        run_sql(database, &format!(
            "INSERT INTO console_sessions (token_hash, tenant_id, client_id, credential_id, began_at, seen_at, ends_at, address, proof)
             SELECT '{hash}', c.tenant_id, c.client_id, {secret}, {now}, {now}, {end}, '203.0.113.9', '' {of_operator} '{operator}'"
        )).await;
        let mut made = Browser::new(&world);
        let name = own.cookie.as_ref().unwrap().split_once('=').unwrap().0;
        made.cookie = Some(format!("{name}={token}"));
        assert!(made.get("/console/tenants").await.location().starts_with("/console/sign-in"));
        let seen = Browser::operator(&world).await.open("/console/sessions").await;
        assert!(seen.html.contains("127.0.0.1") && !seen.html.contains("203.0.113.9"), "nor is it listed: {}", seen.html);
        // Not with the proof of a row that is genuine.
        run_sql(database, &format!("UPDATE console_sessions SET proof = (SELECT proof FROM console_sessions WHERE proof <> '' LIMIT 1) WHERE token_hash = '{hash}'")).await;
        assert!(made.get("/console/tenants").await.location().starts_with("/console/sign-in"));

        let code = "B".repeat(43);
        let hash = hashed("chancery console link", &code);
        run_sql(database, &format!(
            "INSERT INTO console_links (code_hash, tenant_id, client_id, credential_id, ends_at, proof)
             SELECT '{hash}', c.tenant_id, c.client_id, {secret}, {end}, '' {of_operator} '{operator}'"
        )).await;
        assert!(world.platform.application.use_sign_in_link(&code, &Arrival::default()).await.unwrap().is_none());

        // One's own session, turned into another's, or made to last.
        own.open("/console/t/acme").await;
        for change in [
            format!("client_id = '{operator}'"),
            format!("tenant_id = (SELECT tenant_id FROM clients WHERE client_id = '{operator}')"),
            "ends_at = ends_at + 1".to_owned(),
            "credential_id = 'secret_00000000000000000000000000'".to_owned(),
        ] {
            let column = change.split(' ').next().unwrap().to_owned();
            run_sql(database, &format!("CREATE TABLE sessions_then AS SELECT * FROM console_sessions WHERE client_id = '{}'", admin.0)).await;
            run_sql(database, &format!("UPDATE console_sessions SET {change} WHERE client_id = '{}'", admin.0)).await;
            let page = own.get("/console/t/acme").await;
            assert!(page.location().starts_with("/console/sign-in"), "{change}");
            run_sql(database, &format!("UPDATE console_sessions SET {column} = (SELECT t.{column} FROM sessions_then t) WHERE token_hash = (SELECT token_hash FROM sessions_then)")).await;
            run_sql(database, "DROP TABLE sessions_then").await;
            own.open("/console/t/acme").await;
        }
    }
}

story! {
    /// Whoever asks who was here is told of the end of each session, and why it ended.
    async fn each_end_of_a_session_is_recorded_with_its_reason(world: World) {
        world.acme().await;
        let operator = || world.operator();
        let (client, secret) = tenant_admin(&world, "acme").await;
        let signed_in = || Browser::signed_in(&world, "acme", &client, &secret);
        let ended = async || -> Vec<String> {
            let query = "query ($filter: ActivityFilter) { activity(tenant: \"acme\", first: 200, filter: $filter) { edges { node { reason client } } } }";
            let filter = json!({"filter": {"kinds": ["console_signed_out"], "client": client}});
            let found = operator().await.send("activity", query, filter).await.data();
            let reasons = found["edges"].as_array().unwrap().iter().map(|edge| edge["node"]["reason"].as_str().unwrap_or("by hand").to_owned());
            reasons.collect()
        };
        let is_out = async |browser: &Browser<'_>| assert_eq!(browser.get("/console/t/acme").await.status, 303);

        let browser = signed_in().await;
        browser.submit("/console/t/acme", "/console/sign-out", &[]).await.location();
        let browser = signed_in().await;
        world.clock.advance(31 * 60);
        is_out(&browser).await;
        is_out(&browser).await;
        let browser = signed_in().await;
        world.clock.advance(12 * 3_600);
        is_out(&browser).await;
        signed_in().await;
        operator().await.mutation("suspendTenant", "tenant { id }", json!({"tenant": "acme", "reason": "x"})).await.data();
        operator().await.mutation("resumeTenant", "tenant { id }", json!({"tenant": "acme"})).await.data();
        signed_in().await;
        operator().await.mutation("disableClient", "client { id }", json!({"client": client, "reason": "x"})).await.data();
        operator().await.mutation("enableClient", "client { id }", json!({"client": client})).await.data();
        for _ in 0..51 {
            signed_in().await;
        }
        let last = signed_in().await;
        last.submit("/console/t/acme", "/console/sign-out/everywhere", &[]).await.location();
        let mut expected = vec!["by hand", "rested", "lasted", "tenant_ended", "client_ended", "gave_way", "gave_way"];
        expected.extend([("by hand"); 50]);
        assert_eq!(ended().await, expected);
        let shown = Browser::operator(&world).await.open("/console/t/acme/activity/records?kind=console_signed_out&reason=rested").await;
        shown.shows("a session of the console ended rested");

        let browser = signed_in().await;
        operator().await.mutation("rotateClientSecret", "secret { id }", json!({"client": client, "overlapSeconds": 0})).await.data();
        is_out(&browser).await;
        assert_eq!(ended().await.last().unwrap(), "credential_ended");
    }
}

story! {
    /// However many there are of others, one's own are all listed, and each can be ended.
    async fn no_session_is_out_of_reach_behind_many_others(world: World) {
        world.acme().await;
        let (id, secret) = tenant_admin(&world, "acme").await;
        let admin = Browser::signed_in(&world, "acme", &id, &secret).await;
        let first = admin.open("/console/t/acme/activity/records?kind=console_signed_in").await;
        let first = first.html.split("session </span>").nth(1).unwrap().split("title=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        world.clock.advance(1);
        // Rows as the server writes them cannot be made here, so they are genuine: of ten others, fifty each.
        let others = 10;
        for _ in 0..others {
            let (other, its_secret) = tenant_admin(&world, "acme").await;
            let application = &world.platform.application;
            let token = world.token("acme", &other, &its_secret).with("audience", "urn:chancery:admin").send().await.token();
            let caller = application.authenticate(&token).await.unwrap();
            for _ in 0..50 {
                application.begin_session(&caller, &Arrival::default()).await.unwrap();
            }
        }
        let again = Browser::signed_in(&world, "acme", &id, &secret).await;
        let own = again.open("/console/sessions").await;
        assert!(own.html.contains(&first), "{}", own.html);
        let page = again.open("/console/t/acme/administrators").await;
        page.shows("2 sessions");
        page.shows("There are more than stand here: 502 in all");
        let token = own.hidden("/console/sign-out")[0].1.clone();
        let ended = again.send("/console/t/acme/sessions/end", &[("form_token", &*token), ("session", &*first)]).await;
        assert_eq!(ended.location(), "/console/t/acme/administrators?done=ended");
        assert!(admin.get("/console/t/acme").await.location().starts_with("/console/sign-in"));
    }
}

story! {
    /// Who was in is told by the records: what rested is not said to have lasted, and what stands on a secret that has
    /// ended is not said to be there.
    async fn a_session_that_rested_is_recorded_as_such(world: World) {
        world.acme().await;
        let (id, secret) = tenant_admin(&world, "acme").await;
        Browser::signed_in(&world, "acme", &id, &secret).await;
        world.clock.advance(31 * 60);
        let operator = Browser::operator(&world).await;
        world.platform.log.drain().await;
        let records = operator.open("/console/t/acme/activity/records?kind=console_signed_out").await;
        records.shows("a session of the console ended rested");
        records.shows_not("lasted");

        let admin = Browser::signed_in(&world, "acme", &id, &secret).await;
        let people = "/console/t/acme/administrators";
        operator.open(people).await.shows("1 session");
        let client = format!("/console/t/acme/clients/{id}");
        operator.submit(&client, &format!("{client}/secrets/rotate"), &[("overlapSeconds", "60")]).await.shows("Keep this now");
        operator.open(people).await.shows("1 session");
        world.clock.advance(60);
        operator.open(people).await.shows_not("1 session");
        assert!(admin.get(people).await.location().starts_with("/console/sign-in"));
    }
}
