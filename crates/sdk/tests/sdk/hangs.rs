//! Who asks for a token gets an answer in time, also where something of the user's own does not answer.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chancery_sdk::{
    AccessToken, Backoff, CacheKey, CircuitBreaker, Credential, Error, Secret, TokenCache,
    TokenRequest,
    testing::TestClient,
    transport::{BoxError, BoxFuture},
};
use tokio::time::Instant;

use crate::support::{Notes, ORDERS, Stage, seconds};

/// A vault that answers these and then no more.
fn vault(answers: &'static [&'static str]) -> (Credential, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let credential = Credential::from_fn({
        let asked = Arc::clone(&asked);
        move || {
            let secret = answers.get(asked.fetch_add(1, Ordering::Relaxed));
            async move {
                match secret {
                    Some(secret) => Ok::<Secret, BoxError>((*secret).into()),
                    None => pending().await,
                }
            }
        }
    });
    (credential, asked)
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_hangs_after_a_refusal_holds_nobody() {
    let stage = Stage::new();
    let (credential, _) = vault(&["old"]);
    let client = stage.builder().secret(credential).build().unwrap();
    let begun = Instant::now();
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get_token().await.unwrap_err() })
        })
        .collect();
    for caller in callers {
        let error = caller.await.unwrap();
        assert!(matches!(error, Error::Refused(_)), "{error}");
    }
    assert!(begun.elapsed() <= seconds(30), "{:?}", begun.elapsed());
    assert_eq!(stage.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_hangs_is_not_taken_for_a_server_that_does() {
    let stage = Stage::new();
    let notes = Notes::default();
    let (credential, asked) = vault(&[]);
    let client = stage
        .builder()
        .secret(credential)
        .retry(Backoff::never())
        .circuit_breaker(CircuitBreaker::new(1, seconds(600)))
        .timeout(seconds(30))
        .request_timeout(seconds(4))
        .hooks(notes.clone())
        .build()
        .unwrap();
    for round in 1..=3 {
        let begun = Instant::now();
        let error = client.get_token().await.unwrap_err();
        assert!(matches!(error, Error::Credential(_)), "{error}");
        assert!(
            error.is_retryable() && error.to_string().contains("4s"),
            "{error}"
        );
        assert_eq!(begun.elapsed(), seconds(4));
        // The server is not to blame: it would be asked.
        assert_eq!(asked.load(Ordering::Relaxed), round);
    }
    let told = notes.all();
    assert!(
        told.len() == 3 && told.iter().all(|note| note.contains("credential")),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn while_a_vault_hangs_its_last_secret_is_good_enough() {
    let stage = Stage::new();
    let (credential, _) = vault(&["s3cret"]);
    let client = stage.builder().secret(credential).build().unwrap();
    client.get_token().await.unwrap();
    client.clear_cache().await;
    client.get_token().await.unwrap();
}

/// Where there is no time left for another request either.
#[tokio::test(start_paused = true)]
async fn the_whole_time_holds_for_the_vault_too() {
    let stage = Stage::new();
    let (credential, _) = vault(&[]);
    let client = stage
        .builder()
        .secret(credential)
        .timeout(seconds(7))
        .build()
        .unwrap();
    let begun = Instant::now();
    let error = client.get_token().await.unwrap_err();
    assert!(matches!(error, Error::Credential(_)), "{error}");
    assert_eq!(begun.elapsed(), seconds(7));
}

/// A cache that does not answer.
#[derive(Debug)]
struct Hanging;

impl TokenCache for Hanging {
    fn get<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, Option<AccessToken>> {
        Box::pin(pending())
    }

    fn put<'a>(&'a self, _: &'a CacheKey, _: AccessToken) -> BoxFuture<'a, ()> {
        Box::pin(pending())
    }

    fn remove<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, ()> {
        Box::pin(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_hangs_is_a_cache_that_has_nothing() {
    let stage = Stage::new();
    let client = stage.builder().cache(Arc::new(Hanging)).build().unwrap();
    let begun = Instant::now();
    client.get_token().await.unwrap();
    assert!(begun.elapsed() <= seconds(4), "{:?}", begun.elapsed());
    assert!(client.cached_token().await.is_none());
    assert!(client.is_expired(seconds(30)).await);
    let token = client.valid_token(seconds(60)).await.unwrap();
    client.renew(&token).await.unwrap();
    // It is revoked, and whether it is forgotten nobody knows.
    let error = client.revoke(&token).await.unwrap_err();
    assert!(error.to_string().contains("the cache"), "{error}");
    assert_eq!(stage.issuer.revocation_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn revoking_is_done_as_asking_is() {
    // A secret that is refused is loaded again.
    let stage = Stage::new();
    let notes = Notes::default();
    let (credential, _) = vault(&["s3cret", "s3cret", "n3w", "n3w"]);
    let client = stage
        .builder()
        .secret(credential)
        .hooks(notes.clone())
        .circuit_breaker(CircuitBreaker::new(1, seconds(600)))
        .retry(Backoff::never())
        .build()
        .unwrap();
    let token = client.get_token().await.unwrap();
    stage
        .issuer
        .register(TestClient::new("billing", "n3w").grant(ORDERS, "orders:read"));
    client.revoke(&token).await.unwrap();
    assert_eq!(stage.issuer.revocation_requests(), 2);
    let told = notes.all();
    let kinds: Vec<_> = told
        .iter()
        .map(|note| note.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "request", "response", "request", "error", "request", "response"
        ]
    );
    assert!(!told.iter().any(|note| note.contains(token.reveal())));

    // A server that is left alone is not asked.
    stage
        .issuer
        .set_outage(Some(chancery_sdk::testing::Outage::Unreachable));
    let other = TokenRequest::new().scopes("orders:read");
    client.get_token_for(&other).await.unwrap_err();
    let error = client.revoke(&token).await.unwrap_err();
    assert!(matches!(error, Error::Paused { .. }), "{error}");
    assert_eq!(stage.issuer.revocation_requests(), 2);
}

/// The vault hangs when a token is to be revoked.
#[tokio::test(start_paused = true)]
async fn revoking_ends_in_time_too() {
    let stage = Stage::new();
    let token = stage.client().get_token().await.unwrap();
    let (credential, _) = vault(&[]);
    let client = stage.builder().secret(credential).build().unwrap();
    let begun = Instant::now();
    let error = client.revoke(&token).await.unwrap_err();
    assert!(matches!(error, Error::Credential(_)), "{error}");
    assert!(begun.elapsed() <= seconds(30), "{:?}", begun.elapsed());
}
