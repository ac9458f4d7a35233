//! Numbers, and the records that stand behind them.

use serde_json::json;

use crate::support::{Browser, Page, World, story};

/// How often what the page lists happened: a row once, or as often as it says.
fn times(page: &Page) -> u64 {
    let rows = page.html.split("<tr>").skip(2);
    rows.map(|row| {
        let counted = row
            .split(" times<")
            .next()
            .filter(|_| row.contains(" times<"));
        let number = counted.and_then(|text| text.rsplit('>').next()?.parse().ok());
        number.unwrap_or(1)
    })
    .sum()
}

/// The addresses of records on a page, each with the text around it.
fn links(page: &Page) -> Vec<String> {
    let parts = page.html.split("href=\"").skip(1);
    parts
        .filter_map(|part| part.split('"').next())
        .filter(|address| address.contains("/activity/records?"))
        .map(|address| address.replace("&amp;", "&"))
        .collect()
}

story! {
    /// Each number of the activity leads to the records that it counts.
    async fn every_number_agrees_with_the_records_behind_it(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        operator.mutation("updateTenant", "tenant { id }", json!({"tenant": "acme", "policy": {"refreshTokenSeconds": 86_400}})).await.data();
        let ask = || world.token("acme", &acme.client, &acme.secret);
        let mut refresh = ask().send().await.refresh_token();
        let first = refresh.clone();
        for _ in 0..3 {
            refresh = ask().refreshing(&refresh).send().await.refresh_token();
        }
        let token = ask().refreshing(&refresh).send().await.token();
        // What was used comes again: that is denied, too.
        ask().refreshing(&first).send().await.refused(400, "invalid_grant");
        let reused = async |browser: &Browser<'_>| times(&browser.open("/console/t/acme/activity/records?kind=refresh_reused").await);
        ask().introspecting(&token).send().await;
        for _ in 0..2 {
            ask().with("scope", "none").send().await.refused(400, "invalid_scope");
        }
        world.platform.log.drain().await;
        let browser = Browser::operator(&world).await;
        assert_eq!(reused(&browser).await, 1);
        for over in ["hour", "day", "month"] {
            let page = browser.open(&format!("/console/t/acme/activity?over={over}")).await;
            page.shows("5 tokens issued 3 requests denied");
            page.shows("billing 5");
            let links = links(&page);
            let sum = async |part: &str| {
                let mut sums = Vec::new();
                for link in links.iter().filter(|link| link.contains(part)) {
                    sums.push(times(&browser.open(link).await));
                }
                sums
            };
            let of_kind = |kind: &str| format!("kind={kind}");
            assert_eq!(sum(&of_kind("tokens")).await, [5, 5], "the card, and the client");
            assert_eq!(sum(&of_kind("requests")).await, [8, 8], "the bar, and the row beside it");
            let mut denied = sum(&of_kind("denied")).await;
            denied.sort_unstable();
            assert_eq!(denied, [1, 2, 3], "the reasons, and the card");
        }
    }
}

story! {
    /// The newest records come first, page by page, with what leads from them to a log, a client and a credential.
    async fn records_come_newest_first_and_are_found_by_what_stands_in_them(world: World) {
        let acme = world.acme().await;
        let mut traces = Vec::new();
        for number in 0..120 {
            world.clock.advance(if number % 7 == 0 { 3_600 } else { 1 });
            traces.push(world.now().to_string());
            world.token("acme", &acme.client, &acme.secret).send().await.token();
        }
        let browser = Browser::operator(&world).await;
        let moments = |page: &Page| -> Vec<String> {
            let times = page.html.split("datetime=\"").skip(1);
            times.map(|part| part.split('"').next().unwrap().to_owned()).collect()
        };
        let (mut seen, mut address) = (Vec::new(), "/console/t/acme/activity/records?kind=token_issued".to_owned());
        loop {
            let page = browser.open(&address).await;
            page.shows("billing");
            seen.extend(moments(&page));
            let Some(next) = page.html.split("href=\"?").find(|part| part.contains(">Earlier<")) else {
                break;
            };
            let next = next.split('"').next().unwrap().replace("&amp;", "&");
            address = format!("/console/t/acme/activity/records?{next}");
        }
        traces.reverse();
        assert_eq!(seen, traces);
        let page = browser.open("/console/t/acme/activity/records?kind=tokens").await;
        let hint = &acme.secret[acme.secret.len() - 4..];
        page.shows(&format!("secret …{hint}"));
        let trace = page.html.split("data-copy=\"").map(|part| &part[..32.min(part.len())]).find(|text| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).unwrap();
        let found = browser.open(&format!("/console/t/acme/activity/records?trace={trace}")).await;
        assert_eq!(times(&found), 1);
        let found = browser.open(&format!("/console/t/acme/activity/records?credential={}&since=2001-01-01", acme.secret_id)).await;
        assert_eq!(moments(&found).len(), 50);
        // Who read is in it too: of an operator no link leads to a client of this tenant.
        let read = browser.open("/console/t/acme/activity/records?kind=reading").await;
        read.shows("activity read");
        assert!(!read.html.contains(&format!("/clients/{}", world.operator["client_id"].as_str().unwrap())), "{}", read.html);
    }
}

story! {
    /// With what the page of an entry shows, anybody computes that it is in the roll.
    async fn the_proof_of_an_entry_is_whole(world: World) {
        use base64::{Engine, engine::general_purpose::STANDARD};
        use chancery_crypto::sha256;
        world.acme().await;
        let browser = Browser::operator(&world).await;
        let checkpoint = browser.open("/console/t/acme/roll").await;
        checkpoint.shows("up to entry 8");
        for (number, size) in [(6, 8), (6, 6), (1, 1), (8, 8)] {
            let page = browser.open(&format!("/console/t/acme/roll/{number}?size={size}")).await;
            let proof = browser.open(&format!("/console/t/acme/roll/{number}/proof?size={size}")).await;
            let proof: serde_json::Value = serde_json::from_str(&proof.html).unwrap();
            let line = proof["line"].as_str().unwrap();
            assert_eq!(page.within("data-line"), line);
            let leaf = sha256(&[&[0], line.as_bytes()].concat());
            assert_eq!(proof["leafHash"], STANDARD.encode(leaf));
            page.shows(&STANDARD.encode(leaf));
            // RFC 9162, section 2.1.3.2.
            let (mut place, mut last, mut root) = (number - 1_u64, size - 1_u64, leaf);
            for hash in proof["auditPath"].as_array().unwrap() {
                let hash = STANDARD.decode(hash.as_str().unwrap()).unwrap();
                assert!(last > 0);
                if place % 2 == 1 || place == last {
                    root = sha256(&[&[1], &hash[..], &root[..]].concat());
                    while place.is_multiple_of(2) && place > 0 {
                        (place, last) = (place / 2, last / 2);
                    }
                } else {
                    root = sha256(&[&[1], &root[..], &hash[..]].concat());
                }
                (place, last) = (place / 2, last / 2);
            }
            assert_eq!(last, 0);
            assert_eq!((&proof["leafIndex"], &proof["treeSize"]), (&json!(number - 1), &json!(size)));
            assert_eq!(proof["rootHash"], STANDARD.encode(root));
            page.shows(&STANDARD.encode(root));
        }
        assert_eq!(browser.get("/console/t/acme/roll/6?size=x").await.status, 400);
        browser.open("/console/t/acme/roll/6?size=5").await.shows("It is not in a checkpoint of that size");
        assert_eq!(browser.get("/console/t/acme/roll/6/proof?size=5").await.status, 404);
    }
}
