//! How the verifier keeps the issuers' keys.

use std::time::Duration;

use chancery_sdk::{
    Algorithm, DiscoveryError, InvalidToken, KeysFault, Rejection, Trouble, Unavailable, Verifier,
    VerifierBuilder, clock::Clock, testing::Outage,
};
use serde_json::json;

use crate::support::{ISSUER, ORDERS, Scripted, Stage, Troubles, json, seconds, settle};

fn token(stage: &Stage) -> String {
    stage
        .issuer
        .token("billing")
        .audience(ORDERS)
        .expires_in(1_000_000)
        .sign()
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_and_only_when_needed() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    assert_eq!(stage.issuer.key_requests(), 0);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token(&stage));
            tokio::spawn(async move { verifier.verify(&token).await.unwrap() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(stage.issuer.key_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_by_its_unknown_id() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    verifier.verify(&token(&stage)).await.unwrap();
    let old = token(&stage);
    stage.issuer.rotate_key(Algorithm::Es256);
    stage.advance(seconds(5)).await;
    verifier.verify(&token(&stage)).await.unwrap();
    verifier.verify(&old).await.unwrap();
    assert_eq!(stage.issuer.key_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_keys_costs_one_fetch_in_the_interval() {
    let stage = Stage::new();
    let verifier = stage
        .verifying()
        .min_refresh_interval(seconds(10))
        .build()
        .unwrap();
    verifier.verify(&token(&stage)).await.unwrap();
    assert_eq!(stage.issuer.key_requests(), 1);
    let flood = |round: usize| {
        (0..500)
            .map(|number| {
                let kid = format!("made-up-{round}-{number}");
                let token = stage
                    .issuer
                    .token("billing")
                    .audience(ORDERS)
                    .expires_in(1_000_000)
                    .header("kid", kid)
                    .sign();
                let verifier = verifier.clone();
                tokio::spawn(async move { verifier.verify(&token).await.unwrap_err() })
            })
            .collect::<Vec<_>>()
    };
    for round in 0..4 {
        // Half an interval each: there is room for one fetch in every second round.
        stage.advance(seconds(5)).await;
        for refused in flood(round) {
            assert_eq!(refused.await.unwrap(), InvalidToken::UnknownKey.into());
        }
        assert_eq!(stage.issuer.key_requests(), 1 + round.div_ceil(2));
        // Good tokens go on being good.
        verifier.verify(&token(&stage)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_does_not_get_a_fetch_of_its_own() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    verifier.verify(&token(&stage)).await.unwrap();
    stage.advance(seconds(5)).await;
    for number in 0..100 {
        let token = stage
            .issuer
            .token("b")
            .audience(ORDERS)
            .header("kid", format!("made-up-{number}"))
            .sign();
        let verifier = verifier.clone();
        let task = tokio::spawn(async move { verifier.verify(&token).await });
        tokio::task::yield_now().await;
        task.abort();
    }
    settle().await;
    assert_eq!(stage.issuer.key_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_an_outage_of_their_issuer_for_a_day() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let token = token(&stage);
    verifier.verify(&token).await.unwrap();
    stage.issuer.set_outage(Some(Outage::Unreachable));
    for _ in 0..24 {
        stage.advance(seconds(3_590)).await;
        verifier.verify(&token).await.unwrap();
    }
    stage.advance(seconds(1_000)).await;
    let refused = verifier.verify(&token).await.unwrap_err();
    assert!(
        matches!(refused, Rejection::Unavailable { .. }),
        "{refused}"
    );
    stage.issuer.set_outage(None);
    stage.advance(seconds(2)).await;
    verifier.verify(&token).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_away_from_the_start_is_not_the_callers_fault() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    stage.issuer.set_outage(Some(Outage::Status(502, None)));
    for _ in 0..50 {
        let refused = verifier.verify(&token(&stage)).await.unwrap_err();
        assert!(
            matches!(refused, Rejection::Unavailable { .. }),
            "{refused}"
        );
    }
    assert_eq!(stage.issuer.metadata_requests(), 1);
    stage.issuer.set_outage(None);
    stage.advance(seconds(1)).await;
    verifier.verify(&token(&stage)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_is_forgotten_when_the_set_is_no_longer_fresh() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let old = token(&stage);
    verifier.verify(&old).await.unwrap();
    stage.issuer.rotate_key(Algorithm::Es256);
    stage.issuer.withdraw_old_keys();
    // The issuer said: fresh for 300 s.
    stage.advance(seconds(299)).await;
    verifier.verify(&old).await.unwrap();
    stage.advance(seconds(1)).await;
    // This one starts the fetch in the background, the next one is refused.
    verifier.verify(&old).await.unwrap();
    settle().await;
    assert_eq!(
        verifier.verify(&old).await.unwrap_err(),
        InvalidToken::UnknownKey.into()
    );
    verifier.verify(&token(&stage)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_long_silence_nobody_gets_in_with_a_withdrawn_key() {
    // The issuer said: fresh for 300 s.
    for silence in [330, 3_600] {
        let stage = Stage::new();
        let verifier = stage.verifier();
        let old = token(&stage);
        verifier.verify(&old).await.unwrap();
        stage.issuer.rotate_key(Algorithm::Es256);
        stage.issuer.withdraw_old_keys();
        stage.advance(seconds(silence)).await;
        assert_eq!(
            verifier.verify(&old).await.unwrap_err(),
            InvalidToken::UnknownKey.into()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_did_not_change_is_not_sent_again() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    for _ in 0..5 {
        verifier.verify(&token(&stage)).await.unwrap();
        settle().await;
        stage.advance(seconds(700)).await;
    }
    assert_eq!(stage.issuer.key_requests(), 5);
}

#[tokio::test(start_paused = true)]
async fn caching_headers_are_honoured_within_limits() {
    for (cache_control, asked_again_after) in [
        ("max-age=60", 60),
        ("public, max-age=\"60\"", 60),
        ("no-cache", 5),
        ("private, no-store, max-age=600", 5),
        ("max-age=99999999", 3_600),
        ("max-age=0", 5),
        ("max-age=soon", 300),
        ("max-age=100, age=40", 60),
        ("", 300),
        // `Expires` counts from `Date`, and where there is no `max-age`.
        ("expires=60", 60),
        ("max-age=90, expires=60", 90),
        ("expires=-60", 5),
        ("expires=never", 5),
    ] {
        let stage = Stage::new();
        let keys = json!({"keys": stage.issuer.published()});
        let stage_time = stage.clock.now();
        let server = Scripted::new(move |_| {
            let mut response = json(200, &keys);
            let headers = response.headers_mut();
            // What is no directive stands in a header of its own.
            let (directives, expires) = cache_control
                .split_once("expires=")
                .unwrap_or((cache_control, ""));
            let (directives, age) = directives.split_once(", age=").unwrap_or((directives, "0"));
            if !directives.is_empty() {
                headers.insert("cache-control", directives.parse().unwrap());
            }
            headers.insert("age", age.parse().unwrap());
            // By the clock of the server, which is a day off.
            let sent = stage_time - seconds(86_400);
            headers.insert("date", httpdate::fmt_http_date(sent).parse().unwrap());
            let expires = match expires.parse::<i64>() {
                Ok(left) if left < 0 => {
                    httpdate::fmt_http_date(sent - seconds(left.unsigned_abs()))
                }
                Ok(left) => httpdate::fmt_http_date(sent + seconds(left.unsigned_abs())),
                Err(_) => expires.to_owned(),
            };
            if !expires.is_empty() {
                headers.insert("expires", expires.parse().unwrap());
            }
            response
        });
        let verifier = Verifier::builder()
            .issuer_with_jwks_uri(stage.issuer.url(), "https://auth.test/keys")
            .audience(ORDERS)
            .transport(std::sync::Arc::new(server.clone()))
            .clock(std::sync::Arc::new(stage.clock.clone()))
            .build()
            .unwrap();
        let asked = || server.requests.lock().unwrap().len();
        verifier.verify(&token(&stage)).await.unwrap();
        stage
            .advance(
                seconds(asked_again_after)
                    .checked_sub(Duration::from_millis(500))
                    .unwrap(),
            )
            .await;
        verifier.verify(&token(&stage)).await.unwrap();
        settle().await;
        assert_eq!(asked(), 1, "{cache_control}");
        stage.advance(seconds(1)).await;
        verifier.verify(&token(&stage)).await.unwrap();
        settle().await;
        assert_eq!(asked(), 2, "{cache_control}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_not_for_this_are_passed_over() {
    let stage = Stage::new();
    let good = stage.issuer.published().remove(0);
    let with = |name: &str, value: serde_json::Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    for bad in [
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("alg", json!("ES384")),
        with("alg", json!("RS256")),
        with("crv", json!("P-384")),
        with("crv", json!("P-521")),
        with("kty", json!("oct")),
        with("kty", json!("OKP")),
        with("x", json!("AAAA")),
        with("y", good["x"].clone()),
        with("x", json!(7)),
        json!("key"),
        json!(null),
        json!({"kty": "RSA", "kid": "key_1", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "oct", "kid": "key_1", "k": "c2VjcmV0", "alg": "HS256"}),
    ] {
        stage.issuer.publish(vec![bad.clone()]);
        let troubles = Troubles::default();
        let told = stage.verifying().on_error(troubles.listener());
        let refused = told.build().unwrap().verify(&token(&stage)).await;
        assert_eq!(refused.unwrap_err().status(), 503, "{bad}");
        assert!(
            matches!(
                &troubles.all()[..],
                [Trouble::Keys {
                    fault: KeysFault::NoKey { .. },
                    ..
                }]
            ),
            "{bad}: {:?}",
            troubles.all()
        );
        // And they do no harm to the good ones beside them.
        stage.issuer.publish(vec![bad, good.clone()]);
        stage.verifier().verify(&token(&stage)).await.unwrap();
    }
    let mut bare = good.clone();
    for name in ["alg", "use", "kid"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    stage.issuer.publish(vec![bare.clone()]);
    let no_kid = stage
        .issuer
        .token("b")
        .audience(ORDERS)
        .header("kid", json!(null))
        .sign();
    stage.verifier().verify(&no_kid).await.unwrap();
}

/// Servers that name no keys have two while one follows the other; some give several keys one name.
#[tokio::test(start_paused = true)]
async fn where_the_name_does_not_tell_each_key_that_fits_is_tried() {
    for name in [json!(null), json!("one")] {
        let stage = Stage::new();
        let renamed = |jwk: serde_json::Value| {
            let mut jwk = jwk;
            jwk["kid"] = name.clone();
            jwk
        };
        let signed = || {
            let token = stage.issuer.token("b").audience(ORDERS);
            token.header("kid", name.clone()).sign()
        };
        let old = signed();
        stage.issuer.rotate_key(Algorithm::Es256);
        let new = signed();
        let published = stage.issuer.published().into_iter().map(renamed).collect();
        stage.issuer.publish(published);
        let verifier = stage.verifier();
        for token in [&old, &new, &old] {
            verifier.verify(token).await.unwrap();
        }
        stage.issuer.rotate_key(Algorithm::Es256);
        let unpublished = signed();
        let refused = verifier.verify(&unpublished).await.unwrap_err();
        assert_eq!(refused, InvalidToken::WrongSignature.into());
    }
}

/// A key without a name cannot be told to be new but by what it signed.
#[tokio::test(start_paused = true)]
async fn a_new_key_without_a_name_is_looked_for_and_no_more_often_than_others() {
    let stage = Stage::new();
    let publish = || {
        let mut keys = stage.issuer.published();
        for key in &mut keys {
            key.as_object_mut().unwrap().remove("kid");
        }
        stage.issuer.publish(keys);
    };
    let signed = || {
        let token = stage.issuer.token("b").audience(ORDERS);
        token.header("kid", json!(null)).sign()
    };
    publish();
    let verifier = stage.verifier();
    verifier.verify(&signed()).await.unwrap();
    stage.issuer.rotate_key(Algorithm::Es256);
    publish();
    stage.advance(seconds(5)).await;
    verifier.verify(&signed()).await.unwrap();
    assert_eq!(stage.issuer.key_requests(), 2);
    // What nobody signed is looked for once in the interval, and not at all while the issuer is away.
    stage.issuer.rotate_key(Algorithm::Es256);
    let forged = signed();
    stage.issuer.rotate_key(Algorithm::Es256);
    stage.issuer.withdraw_old_keys();
    publish();
    stage.advance(seconds(5)).await;
    for _ in 0..100 {
        let refused = verifier.verify(&forged).await.unwrap_err();
        assert_eq!(refused, InvalidToken::WrongSignature.into());
    }
    assert_eq!(stage.issuer.key_requests(), 3);
    stage.issuer.set_outage(Some(Outage::Unreachable));
    stage.advance(seconds(5)).await;
    let refused = verifier.verify(&forged).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
}

/// A stub in the issuer's place, or an issuer that is not ready: good tokens go on being good.
#[tokio::test(start_paused = true)]
async fn a_set_without_a_usable_key_takes_no_good_one_away() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    verifier.verify(&token(&stage)).await.unwrap();
    let good = stage.issuer.published();
    stage.issuer.publish(vec![]);
    for _ in 0..5 {
        stage.advance(seconds(299)).await;
        verifier.verify(&token(&stage)).await.unwrap();
        settle().await;
    }
    // But no longer than in any other outage.
    stage.advance(seconds(24 * 3_600)).await;
    let refused = verifier.verify(&token(&stage)).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
    stage.issuer.publish(good);
    stage.advance(seconds(5)).await;
    verifier.verify(&token(&stage)).await.unwrap();
}

/// A server with the tenants that are named, which all have the stage's keys, and any other does not exist.
fn server_of(stage: &Stage, is_tenant: fn(&str) -> bool) -> Scripted {
    let issuer = stage.issuer.clone();
    Scripted::new(move |request| {
        let path = request.uri().path().to_owned();
        let slug = path.split("/t/").nth(1).unwrap_or_default();
        let slug = slug.split('/').next().unwrap_or_default();
        if !is_tenant(slug) {
            return json(404, &json!({}));
        }
        let url = format!("https://auth.test/t/{slug}");
        let answer = json!({"keys": issuer.published(), "issuer": url,
            "jwks_uri": format!("{url}/oauth2/jwks")});
        json(200, &answer)
    })
}

fn of_every_tenant(stage: &Stage, server: &Scripted) -> VerifierBuilder {
    Verifier::builder()
        .tenants_of("https://auth.test/")
        .audience(ORDERS)
        .transport(std::sync::Arc::new(server.clone()))
        .clock(std::sync::Arc::new(stage.clock.clone()))
}

fn token_of(stage: &Stage, tenant: &str) -> String {
    let issuer = format!("https://auth.test/t/{tenant}");
    let token = stage.issuer.token("b").audience(ORDERS);
    token.claim("iss", issuer).sign()
}

/// After a restart they all come at once.
#[tokio::test(start_paused = true)]
async fn a_thousand_tenants_are_let_in_from_the_start() {
    let stage = Stage::new();
    let server = server_of(&stage, |slug| slug.starts_with("tenant-"));
    let verifier = of_every_tenant(&stage, &server).build().unwrap();
    let callers: Vec<_> = (0..1_000)
        .map(|number| {
            let verifier = verifier.clone();
            let token = token_of(&stage, &format!("tenant-{number}"));
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
}

/// Neither does one who makes up tenants keep out those that are not known yet, nor does he need to have a
/// token for this API to be a burden.
#[tokio::test(start_paused = true)]
async fn made_up_tenants_do_not_keep_out_the_unknown() {
    let stage = Stage::new();
    let server = server_of(&stage, |slug| slug.starts_with("tenant-"));
    let verifier = of_every_tenant(&stage, &server)
        .new_tenants(10)
        .build()
        .unwrap();
    for number in 0..50 {
        let issuer = format!("https://auth.test/t/made-up-{number}");
        for token in [
            stage.issuer.token("b").audience("https://other.test"),
            stage.issuer.token("b").audience(ORDERS).expires_in(-60),
        ] {
            let token = token.claim("iss", issuer.as_str()).sign();
            let refused = verifier.verify(&token).await.unwrap_err();
            assert_eq!(refused.status(), 401, "{refused}");
        }
    }
    assert!(server.requests.lock().unwrap().is_empty());
    let strangers: Vec<_> = (0..15)
        .map(|number| {
            let verifier = verifier.clone();
            let token = token_of(&stage, &format!("made-up-{number}"));
            tokio::spawn(async move { verifier.verify(&token).await.unwrap_err() })
        })
        .collect();
    settle().await;
    // They wait for their turn.
    for number in 0..5 {
        let token = token_of(&stage, &format!("tenant-{number}"));
        verifier.verify(&token).await.unwrap();
    }
    for stranger in strangers {
        let refused = stranger.await.unwrap();
        assert_eq!(refused, InvalidToken::UnknownIssuer.into());
    }
}

#[tokio::test(start_paused = true)]
async fn made_up_tenants_cost_little_and_leave_the_known_ones_alone() {
    let stage = Stage::new();
    let server = server_of(&stage, |slug| slug == "acme");
    let verifier = of_every_tenant(&stage, &server)
        .new_tenants(20)
        .build()
        .unwrap();
    verifier.verify(&token(&stage)).await.unwrap();
    let before = server.requests.lock().unwrap().len();
    let begun = tokio::time::Instant::now();
    let flood: Vec<_> = (0..1_000)
        .map(|number| {
            let verifier = verifier.clone();
            let token = token_of(&stage, &format!("made-up-{number}"));
            tokio::spawn(async move { verifier.verify(&token).await.unwrap_err().status() })
        })
        .collect();
    settle().await;
    verifier.verify(&token(&stage)).await.unwrap();
    assert!(begun.elapsed().is_zero());
    let mut refusals = std::collections::HashMap::<_, usize>::new();
    for refused in flood {
        *refusals.entry(refused.await.unwrap().as_u16()).or_default() += 1;
    }
    assert!(begun.elapsed() < seconds(3), "{:?}", begun.elapsed());
    // At once, after a second, and perhaps after another.
    let cost = server.requests.lock().unwrap().len() - before;
    assert!(cost <= 2 * 60, "{cost} requests");
    assert_eq!(refusals[&401] + refusals[&503], 1_000);
    // One that is known not to exist is not looked for again.
    verifier
        .verify(&token_of(&stage, "made-up-0"))
        .await
        .unwrap_err();
    assert_eq!(server.requests.lock().unwrap().len() - before, cost);
}

/// Packets that nobody answers are the worst outage: each request takes its whole time.
#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_silent_holds_up_nobody_while_its_keys_are_good() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let token = token(&stage);
    verifier.verify(&token).await.unwrap();
    stage.issuer.set_outage(Some(Outage::Silent));
    stage.advance(seconds(700)).await;
    let asked_before = stage.issuer.metadata_requests();
    let begun = tokio::time::Instant::now();
    let first: Vec<_> = (0..20)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await.unwrap() })
        })
        .collect();
    for caller in first {
        caller.await.unwrap();
    }
    assert!(begun.elapsed() <= Duration::from_millis(501));
    // And from then on nobody waits at all, for as long as it lasts.
    for _ in 0..600 {
        let begun = tokio::time::Instant::now();
        verifier.verify(&token).await.unwrap();
        assert!(begun.elapsed().is_zero(), "{:?}", begun.elapsed());
        stage.advance(seconds(1)).await;
        settle().await;
    }
    // It is asked less and less often: each attempt takes 20 s, and the pause goes up to 30 s.
    let asked = stage.issuer.metadata_requests() - asked_before;
    assert!((10..=20).contains(&asked), "{asked}");
    stage.issuer.set_outage(None);
    stage.advance(seconds(60)).await;
    verifier.verify(&token).await.unwrap();
    settle().await;
    verifier.verify(&token).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_looked_up_is_not_the_callers_fault() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    verifier.verify(&token(&stage)).await.unwrap();
    stage.issuer.rotate_key(Algorithm::Es256);
    stage.issuer.set_outage(Some(Outage::Unreachable));
    stage.advance(seconds(5)).await;
    for _ in 0..3 {
        let refused = verifier.verify(&token(&stage)).await.unwrap_err();
        assert_eq!(refused.status(), 503, "{refused}");
    }
    stage.issuer.set_outage(None);
    stage.advance(seconds(5)).await;
    verifier.verify(&token(&stage)).await.unwrap();
}

/// A server that was made anew may say of another set that nothing has changed.
#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_not_looked_for_by_asking_what_has_changed() {
    let stage = Stage::new();
    let issuer = stage.issuer.clone();
    let server = Scripted::new(move |request| {
        let mut response = if request.headers().contains_key("if-none-match") {
            json(304, &json!({}))
        } else {
            json(200, &json!({"keys": issuer.published()}))
        };
        let headers = response.headers_mut();
        headers.insert("etag", "\"1\"".parse().unwrap());
        headers.insert("cache-control", "max-age=60".parse().unwrap());
        response
    });
    let verifier = Verifier::builder()
        .issuer_with_jwks_uri(stage.issuer.url(), "https://auth.test/keys?set=1")
        .audience(ORDERS)
        .transport(std::sync::Arc::new(server.clone()))
        .clock(std::sync::Arc::new(stage.clock.clone()))
        .build()
        .unwrap();
    verifier.verify(&token(&stage)).await.unwrap();
    for age in [5, 70, 700] {
        stage.issuer.rotate_key(Algorithm::Es256);
        stage.advance(seconds(age)).await;
        verifier.verify(&token(&stage)).await.unwrap();
    }
    // One that is merely old is asked for as HTTP has it.
    stage.advance(seconds(200)).await;
    verifier.verify(&token(&stage)).await.unwrap();
    let requests = server.requests.lock().unwrap();
    assert!(
        requests
            .last()
            .unwrap()
            .headers()
            .contains_key("if-none-match")
    );
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_says_when_to_come_back_is_left_alone_until_then() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    stage.issuer.set_outage(Some(Outage::Status(503, Some(40))));
    for _ in 0..39 {
        let refused = verifier.verify(&token(&stage)).await.unwrap_err();
        assert!(matches!(
            refused,
            Rejection::Unavailable { retry_after, .. } if retry_after > seconds(1)
        ));
        stage.advance(seconds(1)).await;
    }
    assert_eq!(stage.issuer.metadata_requests(), 1);
    stage.issuer.set_outage(None);
    stage.advance(seconds(1)).await;
    verifier.verify(&token(&stage)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_stops_nothing() {
    let stage = Stage::new();
    let verifier = stage
        .verifying()
        .on_error(|_| panic!("a defect of the API's"))
        .build()
        .unwrap();
    verifier.verify(&token(&stage)).await.unwrap();
    stage.issuer.set_outage(Some(Outage::Unreachable));
    stage.advance(seconds(5)).await;
    let asked = stage.issuer.metadata_requests();
    for number in 0..50 {
        let made_up = stage
            .issuer
            .token("b")
            .audience(ORDERS)
            .header("kid", format!("made-up-{number}"))
            .sign();
        verifier.verify(&made_up).await.unwrap_err();
    }
    assert_eq!(stage.issuer.metadata_requests() - asked, 1);
    stage.issuer.set_outage(None);
    stage.issuer.rotate_key(Algorithm::Es256);
    stage.advance(seconds(5)).await;
    verifier.verify(&token(&stage)).await.unwrap();
}

/// Tokens are good for a day while the keys cannot be refreshed, so somebody has to be told before.
#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_refreshed_are_told_of() {
    let stage = Stage::new();
    let troubles = Troubles::default();
    let verifier = stage
        .verifying()
        .on_error(troubles.listener())
        .build()
        .unwrap();
    verifier.verify(&token(&stage)).await.unwrap();
    assert!(troubles.all().is_empty());
    stage.issuer.set_outage(Some(Outage::Status(500, None)));
    stage.advance(seconds(301)).await;
    verifier.verify(&token(&stage)).await.unwrap();
    settle().await;
    // One failure, one word, however many calls there are.
    for _ in 0..10 {
        verifier.verify(&token(&stage)).await.unwrap();
    }
    let told = troubles.all();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        matches!(&told[0], Trouble::Keys { issuer, fault: KeysFault::Status { status: 500, .. }, .. }
        if issuer == ISSUER),
        "{told:?}"
    );

    // An issuer that is configured and not there is told of; a tenant that anybody made up is not.
    let nowhere = "https://auth.test/t/nowhere";
    let stranger = stage
        .issuer
        .token("b")
        .audience(ORDERS)
        .claim("iss", nowhere)
        .sign();
    stage.issuer.set_outage(None);
    let named = stage
        .verifying()
        .issuer(nowhere)
        .on_error(troubles.listener())
        .build()
        .unwrap();
    let refused = named.verify(&stranger).await.unwrap_err();
    assert_eq!(
        refused.status(),
        503,
        "it is configured, so somebody else answers: {refused}"
    );
    let told = troubles.all().split_off(1);
    assert!(
        matches!(&told[..], [Trouble::Keys { issuer, fault: KeysFault::Discovery(DiscoveryError::Absent { .. }), .. }]
            if issuer == nowhere),
        "{told:?}"
    );
    let every = stage
        .verifying()
        .tenants_of("https://auth.test")
        .on_error(troubles.listener())
        .build()
        .unwrap();
    every.verify(&stranger).await.unwrap_err();
    assert_eq!(troubles.all().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_key_set_is_told_of_as_such() {
    for (body, what) in [
        (json!({}), "is not a key set"),
        (json!(["keys"]), "is not a key set"),
    ] {
        let stage = Stage::new();
        let troubles = Troubles::default();
        let server = Scripted::new(move |_| json(200, &body));
        let verifier = Verifier::builder()
            .issuer_with_jwks_uri(ISSUER, "https://auth.test/keys")
            .audience(ORDERS)
            .transport(std::sync::Arc::new(server))
            .clock(std::sync::Arc::new(stage.clock.clone()))
            .on_error(troubles.listener())
            .build()
            .unwrap();
        let refused = verifier.verify(&token(&stage)).await.unwrap_err();
        assert!(matches!(
            refused,
            Rejection::Unavailable {
                cause: Unavailable::Keys,
                ..
            }
        ));
        assert!(
            troubles.all()[0].to_string().contains(what),
            "{:?}",
            troubles.all()
        );
    }
}

/// An ingress without a backend says "not found" of everything.
#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_configured_and_not_found_is_looked_for_again_soon() {
    let stage = Stage::new();
    let there = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (is_there, issuer) = (std::sync::Arc::clone(&there), stage.issuer.clone());
    let server = Scripted::new(move |_| {
        if !is_there.load(std::sync::atomic::Ordering::Relaxed) {
            return json(404, &json!({}));
        }
        json(
            200,
            &json!({"keys": issuer.published(), "issuer": ISSUER,
            "jwks_uri": format!("{ISSUER}/oauth2/jwks")}),
        )
    });
    let verifying = stage.verifying().transport(std::sync::Arc::new(server));
    let verifier = verifying.build().unwrap();
    let refused = verifier.verify(&token(&stage)).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
    there.store(true, std::sync::atomic::Ordering::Relaxed);
    stage.advance(seconds(1)).await;
    verifier.verify(&token(&stage)).await.unwrap();
}

/// The time of day says nothing of their age then.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_keeps_no_old_keys_alive() {
    let stage = Stage::new();
    let verifier = stage
        .verifying()
        .max_stale(seconds(86_400))
        .build()
        .unwrap();
    let week = seconds(7 * 86_400);
    stage.clock.advance(week);
    verifier.verify(&token(&stage)).await.unwrap();
    stage.issuer.set_outage(Some(Outage::Unreachable));
    stage.clock.set(stage.clock.now() - week);
    let held = token(&stage);
    verifier.verify(&held).await.unwrap();
    tokio::time::advance(seconds(86_401)).await;
    let refused = verifier.verify(&held).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
}

/// Nobody needs a credential to make up a key's name.
#[tokio::test(start_paused = true)]
async fn while_the_issuer_is_silent_a_key_that_is_not_here_is_waited_for_two_seconds() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let good = token(&stage);
    verifier.verify(&good).await.unwrap();
    stage.issuer.set_outage(Some(Outage::Silent));
    stage.advance(seconds(6)).await;
    let made_up = stage.issuer.token("billing").audience(ORDERS);
    let begun = tokio::time::Instant::now();
    let made_up = made_up.header("kid", "made-up").sign();
    let refused = verifier.verify(&made_up).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
    assert_eq!(begun.elapsed(), seconds(2));
    verifier.verify(&good).await.unwrap();
    assert_eq!(begun.elapsed(), seconds(2));
}

#[tokio::test]
async fn an_rsa_key_that_is_too_long_is_none() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    for (bytes, is_key) in [(1_024, true), (1_025, false)] {
        let modulus = URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        let keys = json!({"keys": [{"kty": "RSA", "n": modulus, "e": "AQAB"}]}).to_string();
        let built = Verifier::builder()
            .issuer_with_keys(ISSUER, keys)
            .audience(ORDERS)
            .build();
        assert_eq!(built.is_ok(), is_key, "{bytes}");
    }
}
