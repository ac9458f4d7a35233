//! How the verifier keeps the issuers' keys.

use std::time::Duration;

use chancery_sdk::{
    Algorithm, DiscoveryError, InvalidToken, KeysFault, Rejection, Trouble, Unavailable, Verifier,
    testing::Outage,
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
    let stage = Stage::new();
    let verifier = stage.verifier();
    let old = token(&stage);
    verifier.verify(&old).await.unwrap();
    stage.issuer.rotate_key(Algorithm::Es256);
    stage.issuer.withdraw_old_keys();
    stage.advance(seconds(3_600)).await;
    assert_eq!(
        verifier.verify(&old).await.unwrap_err(),
        InvalidToken::UnknownKey.into()
    );
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
        ("", 300),
    ] {
        let stage = Stage::new();
        let keys = json!({"keys": stage.issuer.published()});
        let server = Scripted::new(move |_| {
            let mut response = json(200, &keys);
            response
                .headers_mut()
                .insert("cache-control", cache_control.parse().unwrap());
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
        let refused = stage.verifier().verify(&token(&stage)).await.unwrap_err();
        assert!(matches!(refused, Rejection::Invalid(_)), "{bad}: {refused}");
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
    // Without an id it has to be clear which key is meant.
    stage.issuer.publish(vec![bare.clone(), bare]);
    assert_eq!(
        stage.verifier().verify(&no_kid).await.unwrap_err(),
        InvalidToken::UnknownKey.into()
    );
}

#[tokio::test(start_paused = true)]
async fn made_up_tenants_cost_little_and_leave_the_known_ones_alone() {
    let stage = Stage::new();
    let server = Scripted::new({
        let transport = stage.issuer.clone();
        move |request| {
            let url = request.uri().to_string();
            if !url.contains("/t/acme") {
                return json(404, &json!({}));
            }
            let keys = json!({"keys": transport.published(), "issuer": transport.url(),
                "jwks_uri": "https://auth.test/t/acme/oauth2/jwks"});
            json(200, &keys)
        }
    });
    let verifier = Verifier::builder()
        .tenants_of("https://auth.test/")
        .audience(ORDERS)
        .transport(std::sync::Arc::new(server.clone()))
        .clock(std::sync::Arc::new(stage.clock.clone()))
        .build()
        .unwrap();
    verifier.verify(&token(&stage)).await.unwrap();
    let before = server.requests.lock().unwrap().len();
    let made_up = |number: u32| {
        let issuer = format!("https://auth.test/t/made-up-{number}");
        stage
            .issuer
            .token("b")
            .audience(ORDERS)
            .claim("iss", issuer)
            .sign()
    };
    let mut refusals = std::collections::HashMap::<_, usize>::new();
    // Of another API, they are not even looked at.
    for number in 0..2_000 {
        let issuer = format!("https://auth.test/t/elsewhere-{number}");
        let other = stage.issuer.token("b").audience("https://other.test");
        let other = other.claim("iss", issuer).sign();
        let refused = verifier.verify(&other).await.unwrap_err();
        assert_eq!(refused, InvalidToken::WrongAudience.into());
    }
    assert_eq!(server.requests.lock().unwrap().len(), before);
    for number in 0..3_000 {
        let refused = verifier.verify(&made_up(number)).await.unwrap_err();
        *refusals.entry(refused.status().as_u16()).or_default() += 1;
        verifier.verify(&token(&stage)).await.unwrap();
    }
    let cost = server.requests.lock().unwrap().len() - before;
    // A thousand active tenants may come at once, as after a start.
    assert_eq!((refusals[&401], refusals[&503]), (999, 2_001));
    assert!(cost <= 2 * 1_000, "{cost} requests");
    // One that is known not to exist is not looked for again.
    verifier.verify(&made_up(0)).await.unwrap_err();
    assert_eq!(server.requests.lock().unwrap().len() - before, cost);
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
    assert_eq!(refused, InvalidToken::UnknownIssuer.into());
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

/// Packets that are dropped are no refusal: nobody waits for them who has keys.
#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_silent_holds_up_nobody_whose_keys_are_here() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let token = token(&stage);
    verifier.verify(&token).await.unwrap();
    stage.issuer.set_outage(Some(Outage::Silent));
    stage.advance(seconds(3_600)).await;
    let begun = tokio::time::Instant::now();
    verifier.verify(&token).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(500));
    for _ in 0..100 {
        verifier.verify(&token).await.unwrap();
        settle().await;
    }
    assert_eq!(begun.elapsed(), Duration::from_millis(500));
    // It is looked at all the while, so when it speaks again its keys come.
    stage.issuer.set_outage(None);
    let before = stage.issuer.key_requests();
    for _ in 0..3 {
        tokio::time::sleep(seconds(12)).await;
        verifier.verify(&token).await.unwrap();
        settle().await;
    }
    assert!(stage.issuer.key_requests() > before);
}

/// It may be a key that was made a moment ago.
#[tokio::test(start_paused = true)]
async fn an_unknown_key_of_an_issuer_that_is_away_is_not_the_callers_fault() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let old = token(&stage);
    verifier.verify(&old).await.unwrap();
    stage.issuer.rotate_key(Algorithm::Es256);
    let new = token(&stage);
    stage.issuer.set_outage(Some(Outage::Unreachable));
    stage.advance(seconds(5)).await;
    for _ in 0..3 {
        let refused = verifier.verify(&new).await.unwrap_err();
        assert_eq!(refused.status(), 503, "{refused}");
        verifier.verify(&old).await.unwrap();
    }
    stage.issuer.set_outage(None);
    stage.advance(seconds(5)).await;
    verifier.verify(&new).await.unwrap();
}

/// A server that was made anew may name another set as it named the one before.
#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_looked_for_whatever_the_tag_of_the_set_is() {
    let stage = Stage::new();
    let server = Scripted::new({
        let issuer = stage.issuer.clone();
        move |request| {
            let mut answer = if request.headers().contains_key("if-none-match") {
                json(304, &json!({}))
            } else {
                let keys = issuer.published();
                json(
                    200,
                    &json!({"keys": keys, "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/oauth2/jwks")}),
                )
            };
            answer
                .headers_mut()
                .insert("etag", "\"one\"".parse().unwrap());
            answer
        }
    });
    let transport = std::sync::Arc::new(server);
    let verifier = stage.verifying().transport(transport).build().unwrap();
    verifier.verify(&token(&stage)).await.unwrap();
    stage.issuer.rotate_key(Algorithm::Es256);
    stage.advance(seconds(5)).await;
    verifier.verify(&token(&stage)).await.unwrap();
}
