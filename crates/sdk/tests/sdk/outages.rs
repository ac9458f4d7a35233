//! What happens when the server is in trouble, and when it refuses.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;

use chancery_sdk::{
    AccessToken, Answer, Backoff, CircuitBreaker, ClientAuth, Credential, Error, ErrorCode,
    Exchange, Hooks, RetryStrategy, TokenClient,
    clock::Clock,
    testing::{Outage, TestClient, TestClock},
    transport::TransportError,
};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{ISSUER, Notes, ORDERS, Scripted, Stage, json, seconds, settle, url_form};

#[tokio::test(start_paused = true)]
async fn a_failing_server_is_asked_again_with_pauses() {
    let stage = Stage::new();
    stage.issuer.set_outage(Some(Outage::Status(503, None)));
    let client = stage
        .builder()
        .token_endpoint(format!("{}/oauth2/token", stage.issuer.url()))
        .build()
        .unwrap();
    let begun = Instant::now();
    let error = client.get_token().await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(answer) if answer.status == 503),
        "{error}"
    );
    assert!(error.is_retryable());
    assert_eq!(stage.issuer.token_requests(), 4);
    let pauses = begun.elapsed();
    assert!(
        Duration::from_millis(700) <= pauses && pauses <= Duration::from_millis(1_400),
        "{pauses:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_in_time_is_not_noticed() {
    let stage = Stage::new();
    let client = stage.client();
    stage.issuer.set_outage(Some(Outage::Unreachable));
    let asked = tokio::spawn(async move { client.get_token().await });
    settle().await;
    stage.issuer.set_outage(None);
    asked.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_and_says_what_is_wrong() {
    let stage = Stage::new();
    let client = stage.builder().scopes("orders:delete").build().unwrap();
    let error = client.get_token().await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)));
    assert_eq!(error.code(), Some(&ErrorCode::InvalidScope));
    assert_eq!(error.status(), Some(400));
    assert!(!error.is_retryable());
    assert_eq!(stage.issuer.token_requests(), 1);
    // A loop that asks on and on gets the same answer, and the server is spared.
    client.get_token().await.unwrap_err();
    assert_eq!(stage.issuer.token_requests(), 1);
    stage.advance(seconds(1)).await;
    client.get_token().await.unwrap_err();
    assert_eq!(stage.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_carries_everything_that_the_server_said() {
    let server = Scripted::new(|_| {
        let body = json!({"error": "rate_limit_exceeded", "error_description": "slow\u{1b} down",
            "error_uri": "https://auth.test/errors"});
        let mut response = json(429, &body);
        for (name, value) in [
            ("retry-after", "120"),
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1790000120"),
            (
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    });
    let client = client_of(&server).build().unwrap();
    let error = client.get_token().await.unwrap_err();
    let answer = error.answer().unwrap();
    assert!(matches!(error, Error::RateLimited(_)));
    assert_eq!(error.code(), Some(&ErrorCode::RateLimitExceeded));
    assert_eq!(answer.description.as_deref(), Some("slow\u{fffd} down"));
    assert_eq!(error.retry_after(), Some(seconds(120)));
    assert_eq!(error.rate_limit().unwrap().limit, 100);
    assert_eq!(
        answer.trace_id.as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
    // Two minutes are more than the client's time, so it was not asked again; nor is it within them.
    assert_eq!(server.forms().len(), 1);
    stage_advance(seconds(60)).await;
    let paused = client.get_token().await.unwrap_err();
    assert!(matches!(paused, Error::Paused { .. }), "{paused}");
    assert_eq!(paused.status(), Some(429));
    assert_eq!(server.forms().len(), 1);
    stage_advance(seconds(60)).await;
    client.get_token().await.unwrap_err();
    assert_eq!(server.forms().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_where_there_is_time() {
    let stage = Stage::new();
    let client = stage.client();
    stage.issuer.set_outage(Some(Outage::Status(429, Some(7))));
    let begun = Instant::now();
    let asked = tokio::spawn(async move { client.get_token().await.map(|_| begun.elapsed()) });
    settle().await;
    stage.issuer.set_outage(None);
    let elapsed = asked.await.unwrap().unwrap();
    assert!(elapsed >= seconds(7), "{elapsed:?}");
}

/// No server and no setting names a moment that the clock cannot tell.
#[tokio::test(start_paused = true)]
async fn the_longest_times_of_all_are_no_accident() {
    let server = Scripted::new(|_| {
        let mut answer = json(503, &json!({"error": "temporarily_unavailable"}));
        let longest = u64::MAX.to_string().parse().unwrap();
        answer.headers_mut().insert("retry-after", longest);
        answer
    });
    let client = client_of(&server)
        .retry(Backoff::default())
        .threshold(Duration::MAX)
        .timeout(Duration::MAX)
        .request_timeout(Duration::MAX)
        .circuit_breaker(CircuitBreaker::new(1, Duration::MAX))
        .build()
        .unwrap();
    for _ in 0..2 {
        let error = client.get_token().await.unwrap_err();
        let told = matches!(error, Error::Unavailable(_) | Error::Paused { .. });
        assert!(told, "{error}");
        assert!(client.valid_token(Duration::MAX).await.is_err());
        stage_advance(seconds(3_601)).await;
    }
    assert!(server.forms().len() >= 2, "an hour is the longest pause");
    let stage = Stage::new();
    let eager = stage.builder().threshold(Duration::MAX).build().unwrap();
    let first = eager.get_token().await.unwrap();
    let next = eager.valid_token(Duration::MAX).await.unwrap();
    assert_eq!(next.reveal(), first.reveal());
    stage.advance(seconds(1_800)).await;
    assert_ne!(eager.get_token().await.unwrap().reveal(), first.reveal());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let stage = Stage::new();
    stage.issuer.set_outage(Some(Outage::Silent));
    let client = stage.builder().timeout(seconds(12)).build().unwrap();
    let begun = Instant::now();
    let error = client.get_token().await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(begun.elapsed() <= seconds(12), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_on_is_left_alone_and_then_tried_by_one() {
    let stage = Stage::new();
    let client = stage
        .builder()
        .retry(Backoff::never())
        .circuit_breaker(CircuitBreaker::new(3, seconds(30)))
        .build()
        .unwrap();
    client.get_token().await.unwrap();
    client.clear_cache().await;
    stage.issuer.set_outage(Some(Outage::Status(500, None)));
    for _ in 0..10 {
        client.get_token().await.unwrap_err();
    }
    assert_eq!(stage.issuer.token_requests(), 1 + 3);
    let error = client.get_token().await.unwrap_err();
    assert!(matches!(error, Error::Paused { .. }), "{error}");
    // After the pause one tries; it fails, and the pause begins anew.
    stage.advance(seconds(38)).await;
    for _ in 0..10 {
        client.get_token().await.unwrap_err();
    }
    assert_eq!(stage.issuer.token_requests(), 1 + 4);
    stage.issuer.set_outage(None);
    stage.advance(seconds(38)).await;
    client.get_token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn refusals_do_not_open_the_circuit() {
    let stage = Stage::new();
    let client = stage.client();
    let wrong = chancery_sdk::TokenRequest::new().scopes("orders:delete");
    for _ in 0..10 {
        client.get_token_for(&wrong).await.unwrap_err();
        stage.advance(seconds(2)).await;
    }
    client.get_token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_call_fails_while_a_token_lives_and_the_server_is_away() {
    for outage in [
        Outage::Unreachable,
        Outage::Silent,
        Outage::Status(500, None),
    ] {
        let stage = Stage::new();
        stage.issuer.set_lifetime(seconds(600));
        let client = stage.client();
        let token = client.get_token().await.unwrap();
        stage.issuer.set_outage(Some(outage));
        for _ in 0..119 {
            stage.advance(seconds(5)).await;
            let begun = Instant::now();
            assert_eq!(client.get_token().await.unwrap().reveal(), token.reveal());
            // A silent server costs a moment at most. The time of day stands still meanwhile.
            assert!(begun.elapsed() <= seconds(2), "{outage:?}");
            settle().await;
        }
        // Not many requests were spent on it.
        assert!(
            stage.issuer.token_requests() < 40,
            "{}",
            stage.issuer.token_requests()
        );
        stage.advance(seconds(5)).await;
        client.get_token().await.unwrap_err();
        stage.issuer.set_outage(None);
        stage.advance(seconds(60)).await;
        client.get_token().await.unwrap();
    }
}

/// All calls together wait for it, and not each of them anew.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_takes_long_is_waited_for_once() {
    for outage in [Outage::Silent, Outage::Status(429, Some(20))] {
        let stage = Stage::new();
        stage.issuer.set_lifetime(seconds(3_600));
        let client = stage.client();
        let token = client.get_token().await.unwrap();
        stage.clock.advance(seconds(3_575));
        stage.issuer.set_outage(Some(outage));
        let mut waited = Duration::ZERO;
        for number in 0..40 {
            let begun = Instant::now();
            assert_eq!(client.get_token().await.unwrap().reveal(), token.reveal());
            waited += begun.elapsed();
            // At first at once, and then beyond the end of the refresh, and of those that follow.
            if number >= 10 {
                stage_advance(seconds(4)).await;
                settle().await;
            }
        }
        assert!(waited <= seconds(2), "{outage:?}: {waited:?}");
        // It goes on in the background.
        stage.issuer.set_outage(None);
        for _ in 0..2 {
            stage_advance(seconds(60)).await;
            settle().await;
            client.get_token().await.unwrap();
            settle().await;
        }
        let next = client.get_token().await.unwrap();
        assert_ne!(next.reveal(), token.reveal(), "{outage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_gets_no_token_that_is_about_to_end() {
    let stage = Stage::new();
    let client = stage
        .builder()
        .refresh_ahead(Duration::ZERO)
        .build()
        .unwrap();
    client.get_token().await.unwrap();
    stage.issuer.remove("billing");
    stage.advance(seconds(3_580)).await;
    let error = client.get_token().await.unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::InvalidClient));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_the_background_does_not_lengthen_the_life_of_a_token() {
    let stage = Stage::new();
    let client = stage.client();
    client.get_token().await.unwrap();
    stage.issuer.remove("billing");
    stage.advance(seconds(3_569)).await;
    client.get_token().await.unwrap();
    settle().await;
    assert_eq!(stage.issuer.token_requests(), 2);
    stage.advance(seconds(2)).await;
    let error = client.get_token().await.unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::InvalidClient));
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_picked_up_from_its_file() {
    let stage = Stage::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "s3cret\n").unwrap();
    let client = stage
        .builder()
        .secret(Credential::file(&path))
        .build()
        .unwrap();
    client.get_token().await.unwrap();
    stage
        .issuer
        .register(TestClient::new("billing", "n3w").grant(ORDERS, "orders:read"));
    std::fs::write(&path, "n3w\n").unwrap();
    client.clear_cache().await;
    client.get_token().await.unwrap();
    // While the file is being replaced, the last secret is good enough.
    std::fs::remove_file(&path).unwrap();
    client.clear_cache().await;
    client.get_token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_refused_is_loaded_again_at_once() {
    #[derive(Debug)]
    struct Remembering(AtomicUsize);

    impl chancery_sdk::CredentialSource for Remembering {
        fn load<'a>(
            &'a self,
            refused: Option<&'a chancery_sdk::Secret>,
        ) -> chancery_sdk::transport::BoxFuture<
            'a,
            Result<chancery_sdk::Secret, chancery_sdk::transport::BoxError>,
        > {
            // Looks only when told that what it remembers is refused.
            if refused.is_some() {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            let secret = if self.0.load(Ordering::Relaxed) == 0 {
                "old"
            } else {
                "s3cret"
            };
            Box::pin(async move { Ok(secret.into()) })
        }
    }

    let stage = Stage::new();
    let notes = Notes::default();
    let source = Credential::new(Remembering(AtomicUsize::new(0)));
    let client = stage
        .builder()
        .secret(source)
        .hooks(notes.clone())
        .build()
        .unwrap();
    let begun = Instant::now();
    client.get_token().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(stage.issuer.token_requests(), 2);
    assert_eq!(
        notes
            .all()
            .iter()
            .filter(|note| note.starts_with("error"))
            .count(),
        1
    );
    client.clear_cache().await;
    client.get_token().await.unwrap();
    assert_eq!(stage.issuer.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_stays_the_same_is_refused_once() {
    let stage = Stage::new();
    let client = stage.builder().secret("wrong").build().unwrap();
    let error = client.get_token().await.unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::InvalidClient));
    assert_eq!(stage.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_no_token_are_not_taken_for_one() {
    for body in [
        json!({}),
        json!({"access_token": "t"}),
        json!({"access_token": "t", "token_type": "DPoP"}),
        json!({"access_token": "", "token_type": "Bearer"}),
        json!({"access_token": "a\nb", "token_type": "Bearer"}),
        json!({"access_token": ["t"], "token_type": "Bearer"}),
        json!("t"),
    ] {
        let shown = body.clone();
        let server = Scripted::new(move |_| json(200, &body));
        let error = client_of(&server)
            .build()
            .unwrap()
            .get_token()
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Unreadable { .. }),
            "{shown}: {error}"
        );
    }
    let server = Scripted::new(|_| json(302, &json!({})));
    let error = client_of(&server)
        .build()
        .unwrap()
        .get_token()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("redirects are not followed"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn lifetimes_are_read_as_servers_write_them() {
    for (expires_in, life) in [
        (json!(300), 300),
        (json!("300"), 300),
        (json!(300.9), 300),
        (json!(null), 60),
        (json!("soon"), 60),
    ] {
        let body =
            json!({"access_token": "opaque", "token_type": "bearer", "expires_in": expires_in});
        let server = Scripted::new(move |_| json(200, &body));
        let token = client_of(&server)
            .build()
            .unwrap()
            .get_token()
            .await
            .unwrap();
        assert_eq!(token.lifetime(), seconds(life));
        assert!(TokenClient::parse_token(&token).is_none());
    }
}

/// There are no metadata that could name it.
#[tokio::test]
async fn who_can_revoke_nowhere_is_told_what_to_configure() {
    let server = Scripted::new(|_| {
        json(
            200,
            &json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60}),
        )
    });
    let client = client_of(&server).build().unwrap();
    let token = client.get_token().await.unwrap();
    let error = client.revoke(&token).await.unwrap_err();
    assert!(matches!(error, Error::Configuration(_)), "{error}");
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(
        text.contains("`revocation_endpoint`") && text.contains("`issuer`"),
        "{text}"
    );
    assert_eq!(server.forms().len(), 1);
}

fn client_of(server: &Scripted) -> chancery_sdk::TokenClientBuilder {
    TokenClient::builder()
        .token_endpoint("https://auth.test/token")
        .client_id("billing")
        .secret("s3cret")
        .transport(Arc::new(server.clone()))
}

async fn stage_advance(by: Duration) {
    tokio::time::advance(by).await;
}

/// One with whom the token outlives the wait is not given a dead one.
#[tokio::test(start_paused = true)]
async fn no_token_is_given_out_that_has_ended_while_somebody_waited() {
    let stage = Stage::new();
    stage.issuer.set_lifetime(seconds(60));
    let client = stage.builder().build().unwrap();
    client.get_token().await.unwrap();
    stage.issuer.set_outage(Some(Outage::Silent));
    stage.advance(seconds(59)).await;
    // A second is left, less than anybody waits; the server takes three.
    let asking = {
        let client = client.clone();
        tokio::spawn(async move { client.get_token().await })
    };
    settle().await;
    stage.advance(seconds(1)).await;
    settle().await;
    stage.issuer.set_outage(None);
    let token = asking.await.unwrap().unwrap();
    assert!(!token.is_expired_at(stage.clock.now()));
}

/// Work that needs the time is not begun with less of it.
#[tokio::test(start_paused = true)]
async fn a_token_for_long_work_is_one_or_an_error() {
    let stage = Stage::new();
    let client = stage.client();
    client.get_token().await.unwrap();
    stage.issuer.set_outage(Some(Outage::Unreachable));
    stage.advance(seconds(3_500)).await;
    for _ in 0..2 {
        let error = client.valid_token(seconds(1_000)).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        client.get_token().await.unwrap();
        client.valid_token(seconds(90)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_for_people_is_no_refusal() {
    let page = Arc::new(Mutex::new(None));
    let server = Scripted::new({
        let page = Arc::clone(&page);
        move |_| match *page.lock().unwrap() {
            None => json(
                200,
                &json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60}),
            ),
            Some(status) => {
                let mut answer = http::Response::new("<html>Sorry".into());
                *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
                answer
            }
        }
    });
    for status in [200, 302, 403, 404] {
        let clock = TestClock::default();
        let client = client_of(&server)
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        client.get_token().await.unwrap();
        *page.lock().unwrap() = Some(status);
        clock.advance(seconds(45));
        tokio::time::advance(seconds(45)).await;
        for _ in 0..3 {
            client.get_token().await.unwrap();
        }
        clock.advance(seconds(15));
        client.get_token().await.unwrap_err();
        *page.lock().unwrap() = None;
    }
}

#[derive(Debug)]
struct Panicking;

impl Hooks for Panicking {
    fn on_request(&self, _: &Exchange<'_>) {
        panic!("a defect of the program's");
    }

    fn on_response(&self, _: &Exchange<'_>, _: Duration) {
        panic!("a defect of the program's");
    }

    fn on_error(&self, _: &Exchange<'_>, _: &Error, _: Duration) {
        panic!("a defect of the program's");
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_that_panic_cost_no_token_and_keep_no_circuit_closed() {
    let stage = Stage::new();
    let client = stage
        .builder()
        .hooks(Panicking)
        .retry(Backoff::never())
        .circuit_breaker(CircuitBreaker::new(3, seconds(30)))
        .build()
        .unwrap();
    for _ in 0..3 {
        client.get_token().await.unwrap();
    }
    assert_eq!(stage.issuer.token_requests(), 1);
    client.clear_cache().await;
    stage.issuer.set_outage(Some(Outage::Status(500, None)));
    for _ in 0..10 {
        client.get_token().await.unwrap_err();
    }
    assert_eq!(stage.issuer.token_requests(), 1 + 3);
}

/// A strategy of the program's own: it waits a second after a limit, and gives up on anything else.
#[derive(Debug)]
struct Limited;

impl RetryStrategy for Limited {
    fn pause(&self, attempt: u32, error: &Error) -> Option<Duration> {
        (matches!(error, Error::RateLimited(_)) && attempt < 4).then_some(seconds(1))
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_of_ones_own_decides_and_is_told_what_happened() {
    for (outage, requests) in [
        (Outage::Status(429, None), 4),
        (Outage::Status(503, None), 1),
        (Outage::Unreachable, 1),
    ] {
        let stage = Stage::new();
        let client = stage.builder().retry(Arc::new(Limited)).build().unwrap();
        client.get_token().await.unwrap();
        client.clear_cache().await;
        stage.issuer.set_outage(Some(outage));
        let begun = Instant::now();
        client.get_token().await.unwrap_err();
        assert_eq!(stage.issuer.token_requests(), 1 + requests, "{outage:?}");
        assert_eq!(begun.elapsed(), seconds(requests as u64 - 1));
    }
    // Whoever writes one can try it without a server.
    let (limit, timeout) = (Answer::new(429).into(), Error::timeout(ISSUER, seconds(10)));
    let unreachable = Error::unreachable(ISSUER, TransportError::new("no route"));
    assert_eq!(Limited.pause(1, &limit), Some(seconds(1)));
    for error in [
        timeout,
        unreachable,
        Answer::new(500).into(),
        Answer::new(400).into(),
    ] {
        assert_eq!(Limited.pause(1, &error), None, "{error}");
    }
}

/// For a log of what is slow, also where it fails.
#[tokio::test(start_paused = true)]
async fn hooks_are_told_how_long_it_took() {
    let stage = Stage::new();
    let notes = Notes::default();
    let client = stage
        .builder()
        .hooks(notes.clone())
        .retry(Backoff::never())
        .build()
        .unwrap();
    client.get_token().await.unwrap();
    client.clear_cache().await;
    stage.issuer.set_outage(Some(Outage::Silent));
    client.get_token().await.unwrap_err();
    let told = notes.all();
    assert!(
        told[1].starts_with("response") && told[1].ends_with(" 0ns"),
        "{told:?}"
    );
    assert!(
        told[3].starts_with("error") && told[3].ends_with(" 10s"),
        "{told:?}"
    );
}

/// Whoever replaces a file in two steps is read in between.
#[tokio::test(start_paused = true)]
async fn half_of_a_key_is_not_taken_for_one() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der = pair.to_pkcs8v1().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let half = pem[..pem.len() / 2].to_owned();
    let loads = Arc::new(AtomicUsize::new(0));
    let key = Credential::from_fn(move || {
        let whole = loads.fetch_add(1, Ordering::Relaxed) == 0;
        let text = if whole { pem.clone() } else { half.clone() };
        async move { Ok(text.into()) }
    });
    let server = Scripted::new(|_| {
        json(
            200,
            &json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60}),
        )
    });
    let client = client_of(&server)
        .auth(ClientAuth::private_key_jwt(key))
        .build()
        .unwrap();
    for _ in 0..3 {
        client.get_token().await.unwrap();
        client.clear_cache().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_repeats_what_it_was_sent_gives_nothing_away() {
    let server = Scripted::new(|request| {
        let sent = String::from_utf8_lossy(request.body()).into_owned();
        let plain: Vec<_> = url_form(request.body())
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        let header = request.headers().get("authorization");
        let header = header.map_or("", |value| value.to_str().unwrap());
        let text = format!("not like this: {sent} {} {header}", plain.join(" "));
        json(
            400,
            &json!({"error": text, "error_description": text, "error_uri": text}),
        )
    });
    let pair = base64::engine::general_purpose::STANDARD.encode("billing:s3cr");
    let ways: [fn(Credential) -> ClientAuth; 3] =
        [ClientAuth::basic, ClientAuth::post, ClientAuth::secret_jwt];
    for way in ways {
        let notes = Notes::default();
        let client = client_of(&server)
            .auth(way(Credential::from("s3cret+ä/=")))
            .revocation_endpoint("https://auth.test/revoke")
            .hooks(notes.clone())
            .build()
            .unwrap();
        let asked = client.get_token().await.unwrap_err();
        let token = chancery_sdk::AccessToken::new("opaque+token/=", UNIX_EPOCH, seconds(60));
        let revoked = client.revoke(&token).await.unwrap_err();
        let all = format!("{asked} {asked:?} {revoked} {revoked:?} {:?}", notes.all());
        assert!(all.contains("not like this"), "{all}");
        // The last begins every assertion.
        for secret in ["s3cret", "opaque", &pair, "eyJ"] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_beyond_every_number_is_long() {
    let server = Scripted::new(|_| {
        let mut answer = json(503, &json!({"error": "temporarily_unavailable"}));
        let longest = "99999999999999999999999".parse().unwrap();
        answer.headers_mut().insert("retry-after", longest);
        answer
    });
    let client = client_of(&server)
        .retry(Backoff::default())
        .build()
        .unwrap();
    client.get_token().await.unwrap_err();
    assert_eq!(server.forms().len(), 1);
}

/// A page of a maintenance that is over, or a firewall's, says an hour as easily as a minute.
#[tokio::test(start_paused = true)]
async fn nobody_is_left_alone_for_longer_than_five_minutes_and_a_stranger_for_one() {
    let page = |status: u16, body: &'static str| {
        let first = AtomicUsize::new(0);
        Scripted::new(move |_| {
            if first.fetch_add(1, Ordering::Relaxed) > 0 {
                let token = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60});
                return json(200, &token);
            }
            let mut answer = http::Response::new(body.into());
            *answer.status_mut() = status.try_into().unwrap();
            answer.headers_mut().insert("retry-after", 3_600.into());
            answer
        })
    };
    let refusal = r#"{"error":"temporarily_unavailable"}"#;
    for (status, body, seconds_in_all) in [
        (503, "<html>Maintenance", 300),
        (429, refusal, 300),
        (403, "<html>Firewall", 60),
        (404, "<html>Not found", 60),
    ] {
        let server = page(status, body);
        let client = client_of(&server).retry(Backoff::never()).build().unwrap();
        client.get_token().await.unwrap_err();
        tokio::time::advance(seconds(seconds_in_all - 31)).await;
        let paused = client.get_token().await.unwrap_err();
        assert!(matches!(paused, Error::Paused { .. }), "{status}: {paused}");
        tokio::time::advance(seconds(31)).await;
        client.get_token().await.unwrap();
    }
    // Who knows the server better says so.
    let server = page(503, "");
    let breaker = CircuitBreaker::default().longest_pause(seconds(3_600));
    let client = client_of(&server).circuit_breaker(breaker).build().unwrap();
    client.get_token().await.unwrap_err();
    tokio::time::advance(seconds(3_000)).await;
    client.get_token().await.unwrap_err();
}

/// The life of a token that is none, or is shorter than what is said of it.
#[tokio::test(start_paused = true)]
async fn no_token_is_given_out_that_has_ended_when_it_comes() {
    let stage = Stage::new();
    let token = stage.issuer.token("billing").audience(ORDERS);
    let token = token.expires_in(60).sign();
    let said = Arc::new(Mutex::new(json!(0)));
    let server = Scripted::new({
        let said = Arc::clone(&said);
        move |_| {
            let life = said.lock().unwrap().clone();
            json(
                200,
                &json!({"access_token": token, "token_type": "Bearer", "expires_in": life}),
            )
        }
    });
    let client = || {
        let clock = Arc::new(stage.clock.clone());
        client_of(&server).clock(clock).build().unwrap()
    };
    for nothing in [json!(0), json!(-1), json!(0.5), json!("0")] {
        *said.lock().unwrap() = nothing;
        let client = client();
        let asked = server.forms().len();
        for _ in 0..5 {
            let error = client.get_token().await.unwrap_err();
            assert!(error.to_string().contains("has ended already"), "{error}");
        }
        assert_eq!(server.forms().len(), asked + 1);
    }
    *said.lock().unwrap() = json!(3_600);
    let kept = client().get_token().await.unwrap();
    assert_eq!(kept.lifetime(), seconds(60));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_with_a_good_status_is_a_refusal() {
    let server = Scripted::new(|_| {
        json(
            200,
            &json!({"error": "invalid_scope", "error_description": "not yours"}),
        )
    });
    let client = client_of(&server).build().unwrap();
    let error = client.get_token().await.unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::InvalidScope));
    assert!(error.to_string().contains("not yours"), "{error}");
}

/// In the middle of a deployment, and after a move.
#[tokio::test(start_paused = true)]
async fn metadata_of_no_use_are_not_believed_and_an_endpoint_that_moves_is_found() {
    let document = Arc::new(Mutex::new(json!({"issuer": ISSUER})));
    let server = Scripted::new({
        let document = Arc::clone(&document);
        move |request| {
            let document = document.lock().unwrap().clone();
            if request.method() == http::Method::GET {
                return json(200, &document);
            }
            // Only where it is just now.
            if document["token_endpoint"] == request.uri().to_string() {
                let token = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60});
                return json(200, &token);
            }
            json(404, &json!("gone"))
        }
    });
    let clock = TestClock::default();
    let client = TokenClient::builder()
        .issuer(ISSUER)
        .client_id("billing")
        .secret("s3cret")
        .clock(Arc::new(clock.clone()))
        .transport(Arc::new(server.clone()))
        .build()
        .unwrap();
    let to = |path: &str| {
        let endpoint = format!("https://auth.test/{path}");
        *document.lock().unwrap() = json!({"issuer": ISSUER, "token_endpoint": endpoint});
    };
    let gets = || {
        let requests = server.requests.lock().unwrap();
        requests
            .iter()
            .filter(|one| one.method() == http::Method::GET)
            .count()
    };
    for half in [
        json!({"issuer": ISSUER}),
        json!({"issuer": ISSUER, "token_endpoint": "http://auth.test/a"}),
    ] {
        *document.lock().unwrap() = half;
        client.get_token().await.unwrap_err();
        tokio::time::advance(seconds(1)).await;
    }
    to("before");
    client.get_token().await.unwrap();
    let asked = gets();
    client.clear_cache().await;
    client.get_token().await.unwrap();
    assert_eq!(gets(), asked, "they are believed");
    // Half a document hides no endpoint that is known, and what moves is found at the second try.
    to("after");
    client.clear_cache().await;
    client.get_token().await.unwrap_err();
    tokio::time::advance(seconds(1)).await;
    client.get_token().await.unwrap();
    clock.advance(seconds(3_601));
    *document.lock().unwrap() = json!({"issuer": ISSUER});
    let error = client.get_token().await.unwrap_err();
    assert_eq!(
        error.status(),
        Some(404),
        "it was asked where it was: {error}"
    );
}

/// Counts, and wants to be left alone when the test lets it answer.
#[derive(Debug)]
struct Counting(AtomicUsize, tokio::sync::watch::Receiver<bool>);

impl chancery_sdk::transport::Transport for Counting {
    fn send(
        &self,
        _: http::Request<bytes::Bytes>,
    ) -> chancery_sdk::transport::BoxFuture<'_, Result<http::Response<bytes::Bytes>, TransportError>>
    {
        self.0.fetch_add(1, Ordering::Relaxed);
        let mut open = self.1.clone();
        Box::pin(async move {
            open.wait_for(|open| *open).await.unwrap();
            let mut answer = json(429, &json!({"error": "rate_limit_exceeded"}));
            answer.headers_mut().insert("retry-after", 60.into());
            Ok(answer)
        })
    }
}

/// Tokens of so many kinds are asked for at once.
fn ask_for_kinds(
    transport: &Arc<Counting>,
    kinds: usize,
) -> tokio::task::JoinSet<Result<AccessToken, Error>> {
    let client = client_of(&Scripted::new(|_| unreachable!()))
        .transport(transport.clone())
        .request_timeout(seconds(60))
        .build()
        .unwrap();
    let mut asking = tokio::task::JoinSet::new();
    for kind in 0..kinds {
        let client = client.clone();
        asking.spawn(async move {
            let request = chancery_sdk::TokenRequest::new().scopes(format!("orders:{kind}"));
            client.get_token_for(&request).await
        });
    }
    asking
}

/// However many kinds of tokens there are.
#[tokio::test(start_paused = true)]
async fn so_many_requests_of_a_client_are_on_their_way_at_once() {
    let (gate, open) = tokio::sync::watch::channel(false);
    let counting = Arc::new(Counting(AtomicUsize::new(0), open));
    let _asking = ask_for_kinds(&counting, 400);
    settle().await;
    assert_eq!(counting.0.load(Ordering::Relaxed), 256);
    // Those that wait for their turn hear what was said.
    gate.send_replace(true);
    settle().await;
    assert_eq!(counting.0.load(Ordering::Relaxed), 256);
}

/// Whoever has no time left after waiting for a turn troubles a slow server with nothing, and hears why.
#[tokio::test(start_paused = true)]
async fn nobody_asks_who_cannot_wait_for_the_answer() {
    let (_gate, open) = tokio::sync::watch::channel(false);
    let counting = Arc::new(Counting(AtomicUsize::new(0), open));
    let outcomes = ask_for_kinds(&counting, 300).join_all().await;
    let busy = outcomes.iter().filter(|outcome| {
        let busy = matches!(outcome, Err(error @ Error::Busy { .. }) if error.is_retryable());
        busy || !matches!(outcome, Err(Error::Timeout { .. }))
    });
    assert_eq!(busy.count(), 300 - 256);
    assert_eq!(counting.0.load(Ordering::Relaxed), 256);
}
