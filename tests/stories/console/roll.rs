//! The roll and the activity, as the console shows them.

use serde_json::json;

use crate::support::{Browser, World, story};

story! {
    async fn every_entry_is_told_in_words_with_its_proof(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let page = browser.open("/console/t/acme/roll").await;
        page.shows("The tenant was created as acme");
        page.shows("The client may ask https://orders.example for orders:read, orders:write, role clerk");
        page.shows("A secret that ends in");
        page.shows("Checkpoint");
        let entry = browser.open("/console/t/acme/roll/6").await;
        entry.shows("The client billing was created");
        entry.shows("RFC 6962");
        assert_eq!(browser.get("/console/t/acme/roll/999").await.status, 404);
        let filtered = browser.open(&format!("/console/t/acme/roll?client={}", acme.client)).await;
        filtered.shows("The client billing was created");
        filtered.shows_not("The tenant was created");
        let filtered = browser.open("/console/t/acme/roll?type=ApiCreated").await;
        filtered.shows("The API Orders was created");
        filtered.shows_not("billing");
    }
}

story! {
    async fn the_past_is_shown_and_compared(world: World) {
        let acme = world.acme().await;
        let before = world.now().to_string();
        world.clock.advance(3_600);
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", acme.client);
        browser.submit(&format!("{client}/edit"), &format!("{client}/edit"), &[("name", "renamed")]).await.location();
        let then = browser.open("/console/t/acme/past?entry=8").await;
        then.shows("billing");
        then.shows_not("renamed");
        browser.open("/console/t/acme/past?entry=9").await.shows("renamed");
        browser.open("/console/t/acme/past?entry=1").await.shows("There was none");
        let difference = browser.open(&format!("/console/t/acme/difference?from={before}")).await;
        difference.shows("name billing renamed");
        browser.submit(&client, &format!("{client}/secrets/issue"), &[]).await;
        let difference = browser.open(&format!("/console/t/acme/difference?from={before}")).await;
        difference.shows("renamed: Secret …");
        browser.open(&format!("/console/t/acme/difference?from={before}&to={before}")).await.shows("Nothing is different");
    }
}

story! {
    /// What came to its end by the clock alone has no page of its own: where it is too much, the page says so.
    async fn a_comparison_that_does_not_show_everything_says_so(world: World) {
        const DAY: i64 = 86_400;
        world.acme().await;
        let ends = world.now().plus_seconds(3 * DAY).to_string();
        let make = async |numbers: std::ops::Range<u32>| {
            let operator = world.operator().await;
            for number in numbers {
                let input = json!({"tenant": "acme", "name": format!("ends {number}"), "expiresAt": ends});
                operator.mutation("createClient", "replayed", input).await.data();
            }
        };
        make(0..100).await;
        world.clock.advance(DAY);
        let from = world.now().to_string();
        let compare = async |browser: &Browser<'_>| {
            let to = world.now();
            browser.open(&format!("/console/t/acme/difference?from={from}&to={to}")).await
        };
        let says = "This is not all: more came to its end by the clock alone than one page compares.";
        make(100..101).await;
        world.clock.advance(2 * DAY - 1);
        let browser = Browser::operator(&world).await;
        compare(&browser).await.shows_not(says);
        world.clock.advance(1);
        compare(&browser).await.shows(says);
        // What the steward has recorded since then counts alike.
        let to = world.now();
        world.clock.advance(1);
        world.platform.application.record_due().await.unwrap();
        let browser = Browser::operator(&world).await;
        let page = browser.open(&format!("/console/t/acme/difference?from={from}&to={to}")).await;
        page.shows("ends 7");
        page.shows(says);
    }
}

story! {
    async fn an_export_is_whole(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let export = browser.open("/console/t/acme/roll/export").await;
        assert!(export.headers["content-disposition"].to_str().unwrap().contains("acme.roll.ndjson"));
        let lines: Vec<_> = export.html.lines().collect();
        assert_eq!(lines.len(), 9, "a header and eight entries");
        assert!(lines[0].starts_with("{\"format\":\"chancery-roll/1\""));
    }
}

story! {
    async fn the_roll_is_followed_live(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let mut stream = world
            .http
            .get(format!("{}/console/t/acme/roll/live?after=8", world.url))
            .header("cookie", browser.cookie.as_ref().unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let client = format!("/console/t/acme/clients/{}", acme.client);
        browser.submit(&client, &format!("{client}/state"), &[("do", "disable"), ("reason", "<b>left</b>")]).await.location();
        let mut seen = String::new();
        while !seen.contains("was disabled") {
            let piece = stream.chunk().await.unwrap().expect("the stream goes on");
            seen.push_str(&String::from_utf8_lossy(&piece));
        }
        assert!(seen.contains("id: 9") && seen.contains("&lt;b&gt;left&lt;/b&gt;"), "{seen}");
    }
}

story! {
    /// A stream that was begun by a session tells nothing that happens after it has ended.
    async fn the_live_roll_ends_with_its_session(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        let request = world.http.get(format!("{}/console/t/acme/roll/live?after=8", world.url));
        let mut stream = request.header("cookie", browser.cookie.as_ref().unwrap()).send().await.unwrap();
        let change = async |text: &str| {
            let input = json!({"client": acme.client, "description": text});
            world.operator().await.mutation("updateClient", "client { id }", input).await.data();
        };
        change("before").await;
        let mut seen = String::new();
        while !seen.contains("before") {
            seen.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("the stream goes on")));
        }
        browser.submit("/console/t/acme", "/console/sign-out", &[]).await.location();
        change("afterwards").await;
        while let Some(piece) = stream.chunk().await.unwrap() {
            seen.push_str(&String::from_utf8_lossy(&piece));
        }
        assert!(!seen.contains("afterwards"), "{seen}");
    }
}

story! {
    async fn pages_of_the_roll_join_and_say_who_and_what(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        for number in 0..60 {
            let input = serde_json::json!({"client": acme.client, "description": format!("turn {number}")});
            operator.mutation("updateClient", "client { id }", input).await.data();
        }
        let long: Vec<_> = (0..200).map(|number| serde_json::json!({"name": format!("long:{number}:{}", "x".repeat(30))})).collect();
        operator.mutation("updateApi", "api { id }", serde_json::json!({"api": acme.api, "scopes": long, "roles": []})).await.data();
        let browser = Browser::operator(&world).await;
        let first = browser.open("/console/t/acme/roll").await;
        first.shows("client billing");
        first.shows("API Orders");
        first.shows("It is long: see it on its own page");
        let numbers = |html: &str| -> Vec<i64> {
            html.split("<li id=\"entry-").skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
        };
        let earlier = first.html.split("href=\"?").find(|rest| rest.contains(">Earlier<")).unwrap();
        let earlier = earlier.split('"').next().unwrap().replace("&amp;", "&");
        let second = browser.open(&format!("/console/t/acme/roll?{earlier}")).await;
        let seen = [numbers(&first.html), numbers(&second.html)].concat();
        let head = seen[0];
        assert!(head > 60);
        assert_eq!(seen, (1..=head).rev().collect::<Vec<_>>(), "each once, the newest first");
        assert!(!second.html.contains(">Earlier<"));
        // What is filtered stands in the same order, page by page.
        let of_type = "/console/t/acme/roll?type=ClientDescribed";
        let first = browser.open(of_type).await;
        assert_eq!(numbers(&first.html).len(), 50);
        let before = numbers(&first.html)[49];
        let second = browser.open(&format!("{of_type}&before={before}")).await;
        let seen = [numbers(&first.html), numbers(&second.html)].concat();
        assert_eq!(seen.len(), 60);
        assert!(seen.is_sorted_by(|later, earlier| later > earlier), "{seen:?}");
        browser.open("/console/t/acme/roll?actor=first-start").await.shows("No entry is like that");
        assert_eq!(browser.get("/console/t/acme/roll?actor=somebody").await.status, 400);
        // Whoever may read the roll alone learns no name from it but those that stand in it.
        let (id, secret) = crate::console::readers::holder(&world, "acme", "audit:read").await;
        let auditor = Browser::signed_in(&world, "acme", &id, &secret).await;
        auditor.open("/console/t/acme/roll").await.shows_not("client billing");
    }
}

story! {
    async fn what_is_asked_of_a_time_before_the_tenant_is_answered(world: World) {
        let acme = world.acme().await;
        let begun = world.now().to_string();
        world.clock.advance(5);
        let input = serde_json::json!({"client": acme.client, "description": "later"});
        world.operator().await.mutation("updateClient", "client { id }", input).await.data();
        let browser = Browser::operator(&world).await;
        let page = browser.open("/console/t/acme/difference?from=2001-01-01").await;
        page.shows("Client billing changed");
        assert!(page.html.contains(&format!("name=\"from\" value=\"{begun}\"")), "{}", page.html);
        for (path, name) in [("calendar?days=abc", "days"), ("activity?over=zzz", "over"), ("activity/unused?over=zzz", "over")] {
            let page = browser.get(&format!("/console/t/acme/{path}")).await;
            assert_eq!(page.status, 400, "{path}");
            page.shows(&format!("`{name}` must be one of"));
        }
    }
}

story! {
    /// A tab that is left open comes back every quarter of a minute: that is one reading, and nobody's use of the
    /// session.
    async fn a_tab_that_is_left_open_is_one_reading_and_keeps_no_session(world: World) {
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let follow = async |last: Option<&str>| {
            let request = world.http.get(format!("{}/console/t/acme/roll/live?after=8", world.url));
            let request = request.header("cookie", browser.cookie.as_ref().unwrap()).header("accept", "text/event-stream");
            let request = last.iter().fold(request, |request, last| request.header("last-event-id", *last));
            let answer = request.send().await.unwrap();
            answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream")
        };
        let readings = async || {
            let query = "query ($filter: ActivityFilter) { activity(tenant: \"acme\", first: 100, filter: $filter) { edges { cursor } } }";
            let filter = serde_json::json!({"filter": {"kinds": ["roll_read"]}});
            let found = world.operator().await.send("activity", query, filter).await.data();
            found["edges"].as_array().unwrap().len()
        };
        // Whoever says that they come back and never were here is recorded.
        follow(Some("8")).await;
        assert_eq!(readings().await, 1);
        for _ in 0..3 {
            world.clock.advance(16);
            assert!(follow(Some("8")).await);
        }
        assert_eq!(readings().await, 1, "the same reading goes on");
        follow(Some("0")).await;
        assert_eq!(readings().await, 2, "what is before it is another reading");
        follow(Some("0")).await;
        assert_eq!(readings().await, 2);
        world.clock.advance(16);
        follow(None).await;
        assert_eq!(readings().await, 3, "the page was opened anew");
        world.clock.advance(60);
        follow(Some("8")).await;
        assert_eq!(readings().await, 4, "it was away for too long");
        for _ in 0..28 {
            world.clock.advance(59);
            assert!(follow(Some("8")).await);
        }
        world.clock.advance(59);
        assert!(!follow(Some("8")).await, "nobody was there for half an hour");
    }
}

story! {
    async fn activity_is_told_in_numbers_and_records(world: World) {
        let acme = world.acme().await;
        let browser = Browser::operator(&world).await;
        browser.open("/console/t/acme/activity").await.shows("Nobody asked this tenant for a token");
        for _ in 0..3 {
            world.token("acme", &acme.client, &acme.secret).send().await.token();
        }
        world.token("acme", &acme.client, &acme.secret).with("scope", "none").send().await.refused(400, "invalid_scope");
        // Nobody waited for the record of what was denied.
        world.platform.log.drain().await;
        for over in ["hour", "day", "month"] {
            let page = browser.open(&format!("/console/t/acme/activity?over={over}")).await;
            page.shows("3 tokens issued 1 request denied");
            page.shows("billing 3");
            // Days begin at whole hours, as uses are counted.
            assert_eq!(page.text().contains("Counted by whole hours, since"), over == "hour");
        }
        let records = browser.open("/console/t/acme/activity/records?kind=token_denied").await;
        records.shows("token denied");
        assert!(!records.html.contains("badge good"), "{}", records.text());
        records.shows("billing");
    }
}
