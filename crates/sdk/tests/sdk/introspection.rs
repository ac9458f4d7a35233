//! Immediate revocation.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use chancery_sdk::{
    ClientAuth, ErrorCode, InvalidToken, Rejection, Trouble, Verifier, VerifierBuildError,
    clock::Clock,
    introspection::{Introspection, OnOutage},
    testing::{Outage, TestClient},
    transport::{BoxFuture, Transport, TransportError},
};
use http::{Request, Response};
use tokio::sync::watch;

use crate::support::{ISSUER, ORDERS, Scripted, Stage, Troubles, json, seconds, settle};

fn introspection() -> Introspection {
    Introspection::new("orders", ClientAuth::basic("api-s3cret")).remember_for(seconds(10))
}

fn verifier(stage: &Stage, introspection: Introspection) -> Verifier {
    stage
        .issuer
        .register(TestClient::new("orders", "api-s3cret").serves(ORDERS));
    stage
        .verifying()
        .introspection(introspection)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_revoked_client_is_refused_within_the_time_of_the_cache() {
    let stage = Stage::new();
    let verifier = verifier(&stage, introspection());
    let token = stage.client().get_token().await.unwrap();
    verifier.verify(token.reveal()).await.unwrap();
    stage.issuer.remove("billing");
    stage.advance(seconds(9)).await;
    verifier.verify(token.reveal()).await.unwrap();
    assert_eq!(stage.issuer.introspection_requests(), 1);
    stage.advance(seconds(1)).await;
    let refused = verifier.verify(token.reveal()).await.unwrap_err();
    assert_eq!(refused, InvalidToken::Revoked.into());
    assert_eq!(stage.issuer.introspection_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_question_is_on_its_way_for_each_token() {
    let stage = Stage::new();
    let verifier = verifier(&stage, introspection());
    let token = stage.client().get_token().await.unwrap();
    let callers: Vec<_> = (0..200)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(token.reveal()).await.unwrap() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(stage.issuer.introspection_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_bad_by_itself_is_not_asked_about() {
    let stage = Stage::new();
    let verifier = verifier(&stage, introspection());
    let expired = stage
        .issuer
        .token("billing")
        .audience(ORDERS)
        .expires_in(-60)
        .sign();
    verifier.verify(&expired).await.unwrap_err();
    assert_eq!(stage.issuer.introspection_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_answers_it_is_refused_or_accepted_as_configured() {
    let stage = Stage::new();
    let strict = verifier(&stage, introspection());
    let lenient = verifier(&stage, introspection().on_outage(OnOutage::Accept));
    let token = stage.client().get_token().await.unwrap();
    for verifier in [&strict, &lenient] {
        verifier.verify(token.reveal()).await.unwrap();
    }
    stage.issuer.set_outage(Some(Outage::Unreachable));
    stage.advance(seconds(10)).await;
    let refused = strict.verify(token.reveal()).await.unwrap_err();
    assert!(
        matches!(refused, Rejection::Unavailable { .. }),
        "{refused}"
    );
    lenient.verify(token.reveal()).await.unwrap();
    // What is broken for good is not an outage.
    stage.issuer.set_outage(None);
    stage.issuer.register(TestClient::new("orders", "rotated"));
    stage.advance(seconds(10)).await;
    assert!(lenient.verify(token.reveal()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_issuer_without_a_client_to_ask_as_is_not_trusted_blindly() {
    let stage = Stage::new();
    let verifier = verifier(&stage, Introspection::by_issuer());
    let token = stage.client().get_token().await.unwrap();
    let refused = verifier.verify(token.reveal()).await.unwrap_err();
    assert!(
        matches!(refused, Rejection::Unavailable { .. }),
        "{refused}"
    );
    let own = Introspection::by_issuer().at(ISSUER, "orders", ClientAuth::basic("api-s3cret"));
    let verifier = self::verifier(&stage, own);
    verifier.verify(token.reveal()).await.unwrap();
}

/// It is not the issuer's fault, and not the caller's.
#[tokio::test(start_paused = true)]
async fn an_api_whose_own_credential_is_refused_says_so() {
    let stage = Stage::new();
    let troubles = Troubles::default();
    let telling = |introspection| {
        let verifying = stage.verifying().introspection(introspection);
        verifying.on_error(troubles.listener()).build().unwrap()
    };
    let token = stage.client().get_token().await.unwrap();
    stage.issuer.register(TestClient::new("orders", "rotated"));
    for introspection in [introspection(), Introspection::by_issuer()] {
        let refused = telling(introspection)
            .verify(token.reveal())
            .await
            .unwrap_err();
        assert_eq!(refused.status(), 503);
        assert!(refused.to_string().contains("own credential"), "{refused}");
    }
    let told = troubles.all();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        matches!(&told[0], Trouble::Introspection { issuer, error, .. }
        if issuer == ISSUER && error.code() == Some(&ErrorCode::InvalidClient))
    );
    assert!(matches!(&told[1], Trouble::NoClient { issuer, .. } if issuer == ISSUER));

    // An issuer that cannot be asked is another matter; while it is left alone, nothing is told.
    let verifier = telling(introspection());
    stage
        .issuer
        .register(TestClient::new("orders", "api-s3cret").serves(ORDERS));
    verifier.verify(token.reveal()).await.unwrap();
    stage.issuer.set_outage(Some(Outage::Status(500, Some(60))));
    stage.advance(seconds(10)).await;
    for _ in 0..3 {
        let refused = verifier.verify(token.reveal()).await.unwrap_err();
        assert!(refused.to_string().contains("cannot be asked"), "{refused}");
    }
    let told = format!("{:?} {}", &troubles.all()[2..], troubles.all()[2]);
    assert_eq!(troubles.all().len(), 3, "{told}");
    for secret in ["api-s3cret", token.reveal()] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_hangs_does_not_hold_up_the_api() {
    let stage = Stage::new();
    let token = stage.client().get_token().await.unwrap();
    let vault = chancery_sdk::Credential::from_fn(std::future::pending);
    let verifier = verifier(
        &stage,
        Introspection::new("orders", ClientAuth::basic(vault)),
    );
    let begun = tokio::time::Instant::now();
    let refused = verifier.verify(token.reveal()).await.unwrap_err();
    assert!(refused.to_string().contains("own credential"), "{refused}");
    assert_eq!(begun.elapsed(), seconds(2));
}

/// The secret of a client at one issuer would go to every other.
#[tokio::test(start_paused = true)]
async fn one_secret_is_not_for_several_issuers() {
    let stage = Stage::new();
    let several = stage.verifying().issuer("https://other.test");
    let every = stage.verifying().tenants_of("https://auth.test");
    for verifying in [several, every] {
        let refused = verifying.introspection(introspection()).build();
        assert!(matches!(refused, Err(VerifierBuildError::OneClient)));
    }
    // Whom to ask as may be found out when a tenant comes.
    stage
        .issuer
        .register(TestClient::new("orders", "api-s3cret").serves(ORDERS));
    let own = Introspection::by_issuer().others(|issuer| {
        (issuer == ISSUER).then(|| ("orders".to_owned(), ClientAuth::basic("api-s3cret")))
    });
    let verifier = Verifier::builder()
        .tenants_of("https://auth.test")
        .audience(ORDERS)
        .transport(stage.issuer.transport())
        .clock(std::sync::Arc::new(stage.clock.clone()))
        .introspection(own)
        .build()
        .unwrap();
    let token = stage.client().get_token().await.unwrap();
    verifier.verify(token.reveal()).await.unwrap();
    assert_eq!(stage.issuer.introspection_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_keeps_no_revoked_token_alive() {
    let stage = Stage::new();
    let verifier = verifier(&stage, introspection());
    let token = stage.client().get_token().await.unwrap();
    stage.advance(seconds(1_800)).await;
    verifier.verify(token.reveal()).await.unwrap();
    stage.issuer.remove("billing");
    stage.clock.set(stage.clock.now() - seconds(1_700));
    tokio::time::advance(seconds(10)).await;
    let refused = verifier.verify(token.reveal()).await.unwrap_err();
    assert_eq!(refused, InvalidToken::Revoked.into());
}

/// However many tokens there are, and however impatient those who bring them.
#[tokio::test(start_paused = true)]
async fn a_silent_issuer_is_given_up_by_all_together() {
    let stage = Stage::new();
    let made = |number: usize| {
        let client = format!("client-{number}");
        stage.issuer.token(&client).audience(ORDERS).sign()
    };
    // The keys are known, and where to introspect is not.
    let keys = serde_json::json!({"keys": stage.issuer.published()}).to_string();
    let verifier = Verifier::builder()
        .issuer_with_keys(ISSUER, keys)
        .audience(ORDERS)
        .transport(stage.issuer.transport())
        .clock(std::sync::Arc::new(stage.clock.clone()))
        .introspection(introspection())
        .build()
        .unwrap();
    stage.issuer.set_outage(Some(Outage::Silent));
    let begun = tokio::time::Instant::now();
    let callers: Vec<_> = (0..30)
        .map(|number| {
            let (verifier, token) = (verifier.clone(), made(number));
            tokio::spawn(async move {
                // Half of them hang up.
                let patience = seconds(if number % 2 == 0 { 1 } else { 60 });
                tokio::time::timeout(patience, verifier.verify(&token)).await
            })
        })
        .collect();
    for caller in callers {
        if let Ok(answer) = caller.await.unwrap() {
            assert_eq!(answer.unwrap_err().status(), 503);
        }
    }
    assert!(
        begun.elapsed() <= seconds(4) + Duration::from_millis(10),
        "{:?}",
        begun.elapsed()
    );
    // The failures of those who hung up count: it is left alone.
    let asked = stage.issuer.metadata_requests();
    verifier.verify(&made(99)).await.unwrap_err();
    assert_eq!(stage.issuer.metadata_requests(), asked);
}

/// Gives the answers of another, from when the test says so.
#[derive(Debug)]
struct Held {
    by: Arc<dyn Transport>,
    open: watch::Receiver<bool>,
}

impl Transport for Held {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let mut open = self.open.clone();
        Box::pin(async move {
            open.wait_for(|open| *open).await.unwrap();
            self.by.send(request).await
        })
    }
}

/// What is here is the keys alone: the rest comes from this transport.
fn verifier_over(
    stage: &Stage,
    transport: Arc<dyn Transport>,
    introspection: Introspection,
) -> Verifier {
    let keys = serde_json::json!({"keys": stage.issuer.published()}).to_string();
    Verifier::builder()
        .issuer_with_keys(ISSUER, keys)
        .audience(ORDERS)
        .transport(transport)
        .clock(Arc::new(stage.clock.clone()))
        .introspection(introspection)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn callers_that_hang_up_ask_once_and_the_answer_is_remembered() {
    let stage = Stage::new();
    stage
        .issuer
        .register(TestClient::new("orders", "api-s3cret").serves(ORDERS));
    let token = stage.client().get_token().await.unwrap();
    let (gate, open) = watch::channel(false);
    let by = stage.issuer.transport();
    let verifier = verifier_over(&stage, Arc::new(Held { by, open }), introspection());
    for _ in 0..50 {
        let (verifier, token) = (verifier.clone(), token.clone());
        let caller = tokio::spawn(async move { verifier.verify(token.reveal()).await });
        settle().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    gate.send_replace(true);
    settle().await;
    assert_eq!(stage.issuer.introspection_requests(), 1);
    let begun = tokio::time::Instant::now();
    verifier.verify(token.reveal()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(stage.issuer.introspection_requests(), 1);
}

/// An issuer whose introspection endpoint answers as the test says: a status, a body and `Retry-After`.
type Page = (u16, &'static str, Option<u64>);

fn answering(page: &Arc<Mutex<Page>>) -> Scripted {
    let page = Arc::clone(page);
    Scripted::new(move |request| {
        if request.method() == http::Method::GET {
            let endpoint = format!("{ISSUER}/oauth2/introspect");
            return json(
                200,
                &serde_json::json!({"issuer": ISSUER, "introspection_endpoint": endpoint}),
            );
        }
        let (status, body, retry_after) = *page.lock().unwrap();
        let mut answer = Response::new(Bytes::from_static(body.as_bytes()));
        *answer.status_mut() = status.try_into().unwrap();
        if let Some(seconds) = retry_after {
            answer.headers_mut().insert("retry-after", seconds.into());
        }
        answer
    })
}

/// How many questions there were.
fn questions(server: &Scripted) -> usize {
    let requests = server.requests.lock().unwrap();
    let posts = requests
        .iter()
        .filter(|request| request.method() == http::Method::POST);
    posts.count()
}

#[tokio::test(start_paused = true)]
async fn a_page_in_the_place_of_the_issuer_is_an_outage_and_a_refusal_is_none() {
    let stage = Stage::new();
    let token = stage.issuer.token("billing").audience(ORDERS).sign();
    let html = "<html>Sorry";
    for (status, body, accepted) in [
        (200, html, true),
        (302, html, true),
        (403, html, true),
        (404, html, true),
        (408, html, true),
        (503, html, true),
        (401, html, false),
        // It takes no such question, or gives no such answer.
        (405, html, false),
        (415, html, false),
        (200, "{}", false),
        (200, r#"{"active":"false"}"#, false),
        (
            200,
            "eyJ0eXAiOiJ0b2tlbi1pbnRyb3NwZWN0aW9uK2p3dCJ9.e30.x",
            false,
        ),
        (400, r#"{"error":"invalid_request"}"#, false),
        (401, r#"{"error":"invalid_client"}"#, false),
        (403, r#"{"error":"unauthorized_client"}"#, false),
        (200, r#"{"active":false}"#, false),
    ] {
        let server = Arc::new(answering(&Arc::new(Mutex::new((status, body, None)))));
        let over = |introspection| verifier_over(&stage, server.clone(), introspection);
        let lenient = over(introspection().on_outage(OnOutage::Accept));
        let let_in = lenient.verify(&token).await.is_ok();
        assert_eq!(let_in, accepted, "{status} {body}");
        over(introspection()).verify(&token).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_in_the_place_of_the_issuer_is_no_sign_of_its_health() {
    let stage = Stage::new();
    let token = stage.issuer.token("billing").audience(ORDERS).sign();
    let page = Arc::new(Mutex::new((500, "", None)));
    let server = answering(&page);
    let verifier = verifier_over(&stage, Arc::new(server.clone()), introspection());
    for status in [500, 500, 500, 500, 404, 500, 500] {
        *page.lock().unwrap() = (status, "", None);
        verifier.verify(&token).await.unwrap_err();
    }
    assert_eq!(questions(&server), 6, "five failures are enough");
    // When to come back is heeded, whoever says it.
    tokio::time::advance(seconds(10)).await;
    *page.lock().unwrap() = (403, "<html>Sorry", Some(60));
    verifier.verify(&token).await.unwrap_err();
    *page.lock().unwrap() = (200, r#"{"active":true}"#, None);
    tokio::time::advance(seconds(59)).await;
    let refused = verifier.verify(&token).await.unwrap_err();
    assert_eq!(refused.status(), 503);
    assert_eq!(questions(&server), 7);
    tokio::time::advance(seconds(1)).await;
    verifier.verify(&token).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_moves_is_found_within_the_hour_and_one_that_comes_at_once() {
    let stage = Stage::new();
    let token = || stage.issuer.token("billing").audience(ORDERS).sign();
    let named = Arc::new(Mutex::new(None));
    let where_to = Arc::clone(&named);
    let server = Scripted::new(move |request| {
        if request.method() == http::Method::GET {
            let endpoint: Option<&str> = *where_to.lock().unwrap();
            let endpoint = endpoint.map(|path| format!("{ISSUER}{path}"));
            return json(
                200,
                &serde_json::json!({"issuer": ISSUER, "introspection_endpoint": endpoint}),
            );
        }
        json(200, &serde_json::json!({"active": true}))
    });
    let asked = || {
        let requests = server.requests.lock().unwrap();
        let last = requests.last().unwrap();
        (last.method().clone(), last.uri().path().to_owned())
    };
    let verifier = verifier_over(&stage, Arc::new(server.clone()), introspection());
    verifier.verify(&token()).await.unwrap_err();
    *named.lock().unwrap() = Some("/before");
    verifier.verify(&token()).await.unwrap();
    assert_eq!(asked(), (http::Method::POST, "/t/acme/before".to_owned()));
    *named.lock().unwrap() = Some("/after");
    stage.advance(seconds(3_599)).await;
    verifier.verify(&token()).await.unwrap();
    assert_eq!(asked().1, "/t/acme/before");
    stage.advance(seconds(1)).await;
    verifier.verify(&token()).await.unwrap();
    assert_eq!(asked().1, "/t/acme/after");
}

/// That is no outage of the issuer's: revocation would be off for good, and nobody would know.
#[tokio::test(start_paused = true)]
async fn without_a_credential_to_ask_with_nobody_is_let_in() {
    let stage = Stage::new();
    let token = stage.issuer.token("billing").audience(ORDERS).sign();
    let nowhere = chancery_sdk::Credential::file("/nowhere/at/all");
    let asking = Introspection::new("orders", ClientAuth::basic(nowhere));
    let lenient = verifier(&stage, asking.on_outage(OnOutage::Accept));
    let refused = lenient.verify(&token).await.unwrap_err();
    assert!(refused.to_string().contains("own credential"), "{refused}");
}

/// Who brings many tokens can bring that about.
#[tokio::test(start_paused = true)]
async fn a_limit_of_the_issuer_is_bridged_for_a_minute_and_lets_nobody_in() {
    let stage = Stage::new();
    let token = || stage.issuer.token("billing").audience(ORDERS).sign();
    for (on_outage, later_on) in [(OnOutage::Refuse, false), (OnOutage::Accept, true)] {
        let page = Arc::new(Mutex::new((200, r#"{"active":true}"#, None)));
        let server = Arc::new(answering(&page));
        let verifier = verifier_over(&stage, server, introspection().on_outage(on_outage));
        let (good, revoked, new) = (token(), token(), token());
        verifier.verify(&good).await.unwrap();
        *page.lock().unwrap() = (200, r#"{"active":false}"#, None);
        verifier.verify(&revoked).await.unwrap_err();
        *page.lock().unwrap() = (429, r#"{"error":"rate_limit_exceeded"}"#, Some(120));
        for _ in 0..3 {
            tokio::time::advance(seconds(15)).await;
            verifier.verify(&good).await.unwrap();
            let refused = verifier.verify(&revoked).await.unwrap_err();
            assert_eq!(refused, InvalidToken::Revoked.into());
            let refused = verifier.verify(&new).await.unwrap_err();
            assert_eq!(refused.status(), 503, "{on_outage:?}: {refused}");
        }
        tokio::time::advance(seconds(15)).await;
        let refused = verifier.verify(&revoked).await.unwrap_err();
        assert_eq!(refused, InvalidToken::Revoked.into());
        assert_eq!(
            verifier.verify(&good).await.is_ok(),
            later_on,
            "{on_outage:?}"
        );
    }
}
