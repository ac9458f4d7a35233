//! What happens when the server is in trouble, and when it refuses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chancery_sdk::{
    Backoff, CircuitBreaker, Credential, Error, ErrorCode, TokenClient,
    testing::{Outage, TestClient},
};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Notes, ORDERS, Scripted, Stage, json, seconds, settle};

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

/// A token that ends while its successor is waited for is no better than an error.
#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_meanwhile_is_not_given_out() {
    let stage = Stage::new();
    stage.issuer.set_lifetime(seconds(600));
    let client = stage.client();
    client.get_token().await.unwrap();
    stage.issuer.set_outage(Some(Outage::Silent));
    stage.advance(seconds(599)).await;
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.get_token().await }
    });
    settle().await;
    stage.clock.advance(seconds(2));
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

/// A gateway that has lost its way to the server, or keeps somebody off, speaks for itself.
#[tokio::test(start_paused = true)]
async fn a_page_for_people_ends_no_token_that_lives() {
    for status in [200, 302, 403, 404] {
        let stage = Stage::new();
        let granted = Arc::new(AtomicUsize::new(0));
        let server = Scripted::new({
            let granted = Arc::clone(&granted);
            let token = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 600});
            move |_| match granted.fetch_add(1, Ordering::Relaxed) {
                0 => json(200, &token),
                _ => json(status, &json!("a page")),
            }
        });
        let clock = Arc::new(stage.clock.clone());
        let client = client_of(&server).clock(clock).build().unwrap();
        client.get_token().await.unwrap();
        for _ in 0..119 {
            stage.advance(seconds(5)).await;
            let token = client.get_token().await;
            assert!(token.is_ok(), "{status}: {token:?}");
            settle().await;
        }
        stage.advance(seconds(5)).await;
        assert!(client.get_token().await.is_err(), "{status}");
        let asked = granted.load(Ordering::Relaxed);
        assert!(asked < 40, "{status}: {asked} requests");
    }
}
