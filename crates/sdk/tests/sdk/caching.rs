//! Which token is given out, and when the server is asked.

use std::{sync::Arc, time::Duration};

use chancery_sdk::{
    CacheKey, Credential, CredentialSource, ErrorCode, Hooks, MemoryCache, Secret, TokenCache,
    TokenClient, TokenRequest,
    clock::Clock,
    testing::TestClient,
    transport::{BoxError, BoxFuture},
};
use proptest::prelude::*;

use crate::support::{ISSUER, Notes, ORDERS, Stage, seconds, settle};

/// A client whose tokens are replaced when they have to be, and not before.
fn without_refresh_ahead(stage: &Stage) -> TokenClient {
    let builder = stage.builder().refresh_ahead(Duration::ZERO);
    builder.build().unwrap()
}

/// The client of this id that keeps its tokens there.
fn sharing(stage: &Stage, cache: &Arc<dyn TokenCache>, client_id: &str) -> TokenClient {
    let builder = stage.builder().client_id(client_id);
    builder.cache(Arc::clone(cache)).build().unwrap()
}

/// Its end lies as far ahead as the clock went back, and it has ended.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_keeps_no_ended_token_alive() {
    let stage = Stage::new();
    stage.issuer.set_lifetime(seconds(600));
    let client = stage.client();
    let first = client.get_token().await.unwrap();
    stage.clock.set(stage.clock.now() - seconds(3_600));
    assert!(client.cached_token().await.is_none());
    assert!(client.is_expired(Duration::ZERO).await);
    let second = client.get_token().await.unwrap();
    assert_ne!(second.reveal(), first.reveal());
    // Clocks of machines that share a cache differ by a little.
    stage.clock.set(stage.clock.now() - seconds(30));
    let same = client.get_token().await.unwrap();
    assert_eq!(same.reveal(), second.reveal());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_once_however_many_callers_there_are() {
    let stage = Stage::new();
    let client = stage.client();
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get_token().await.unwrap() })
        })
        .collect();
    let mut tokens = std::collections::HashSet::new();
    for caller in callers {
        tokens.insert(caller.await.unwrap().reveal().to_owned());
    }
    assert_eq!(tokens.len(), 1);
    assert_eq!(stage.issuer.token_requests(), 1);
    assert_eq!(stage.issuer.metadata_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_end_the_request_of_the_others() {
    let stage = Stage::new();
    let client = stage.client();
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.get_token().await }
    });
    tokio::task::yield_now().await;
    let second = tokio::spawn(async move { client.get_token().await });
    tokio::task::yield_now().await;
    first.abort();
    second.await.unwrap().unwrap();
    assert_eq!(stage.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_given_out_until_it_lives_for_less_than_the_threshold() {
    let stage = Stage::new();
    stage.issuer.set_lifetime(seconds(600));
    let client = without_refresh_ahead(&stage);
    let first = client.get_token().await.unwrap();
    stage.advance(seconds(569)).await;
    assert_eq!(client.get_token().await.unwrap().reveal(), first.reveal());
    assert!(!client.is_expired(seconds(30)).await);
    stage.advance(seconds(1)).await;
    assert!(client.is_expired(seconds(30)).await);
    assert!(!client.is_expired(seconds(29)).await);
    assert_ne!(client.get_token().await.unwrap().reveal(), first.reveal());
    assert_eq!(stage.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_in_the_background_before_anybody_has_to_wait() {
    let stage = Stage::new();
    let client = stage.client();
    let first = client.get_token().await.unwrap();
    // The window begins 30 to 60 s before the threshold: which second of it is chance.
    stage.advance(seconds(3_600 - 30 - 61)).await;
    client.get_token().await.unwrap();
    settle().await;
    assert_eq!(stage.issuer.token_requests(), 1);
    stage.advance(seconds(32)).await;
    assert_eq!(client.get_token().await.unwrap().reveal(), first.reveal());
    settle().await;
    assert_eq!(stage.issuer.token_requests(), 2);
    assert_ne!(client.get_token().await.unwrap().reveal(), first.reveal());
    assert_eq!(stage.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn processes_that_started_together_do_not_refresh_together() {
    let stage = Stage::new();
    let clients: Vec<_> = (0..40).map(|_| stage.client()).collect();
    for client in &clients {
        client.get_token().await.unwrap();
    }
    stage.advance(seconds(3_600 - 30 - 61)).await;
    let mut busiest = 0;
    for _ in 0..33 {
        stage.advance(seconds(1)).await;
        let before = stage.issuer.token_requests();
        for client in &clients {
            client.get_token().await.unwrap();
        }
        settle().await;
        busiest = busiest.max(stage.issuer.token_requests() - before);
    }
    assert_eq!(stage.issuer.token_requests(), 80);
    assert!(busiest < 15, "{busiest} at once");
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_token_is_kept_apart() {
    let stage = Stage::new();
    let client = stage.client();
    let read = TokenRequest::new().scopes("orders:read");
    let stock = TokenRequest::new().audience("https://stock.test");
    let all = client.get_token().await.unwrap();
    let narrow = client.get_token_for(&read).await.unwrap();
    let other = client.get_token_for(&stock).await.unwrap();
    assert_eq!(
        all.scopes().unwrap().to_string(),
        "orders:read orders:write"
    );
    assert_eq!(narrow.scopes().unwrap().to_string(), "orders:read");
    assert_eq!(other.scopes().unwrap().to_string(), "stock:read");
    assert_eq!(stage.issuer.token_requests(), 3);
    for request in [&read, &stock, &TokenRequest::new()] {
        assert!(client.cached_token_for(request).await.is_some());
        client.get_token_for(request).await.unwrap();
    }
    assert_eq!(stage.issuer.token_requests(), 3);
    client.clear_cache().await;
    assert!(client.cached_token_for(&read).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn work_that_takes_a_while_gets_a_token_that_lives_long_enough() {
    let stage = Stage::new();
    stage.issuer.set_lifetime(seconds(3_600));
    let client = stage.client();
    let first = client.get_token().await.unwrap();
    stage.advance(seconds(1_900)).await;
    assert_eq!(client.get_token().await.unwrap().reveal(), first.reveal());
    let long = client.valid_token(seconds(1_750)).await.unwrap();
    assert_ne!(long.reveal(), first.reveal());
    // More than half of any token's life is not promised, and not asked for over and over.
    let most = client.valid_token(seconds(100_000)).await.unwrap();
    assert_eq!(most.reveal(), long.reveal());
    assert_eq!(stage.issuer.token_requests(), 2);
}

/// Scopes are of an API, so whoever asks for another can leave those of the default out.
#[tokio::test(start_paused = true)]
async fn a_request_takes_what_it_leaves_out_and_not_what_it_says_there_is_none_of() {
    let stage = Stage::new();
    let client = stage.builder().scopes("orders:read").build().unwrap();
    let stock = TokenRequest::new().audience("https://stock.test");
    let refused = client.get_token_for(&stock).await.unwrap_err();
    assert_eq!(refused.code(), Some(&ErrorCode::InvalidScope));
    let token = client.get_token_for(&stock.without_scopes()).await.unwrap();
    assert_eq!(token.scopes().unwrap().to_string(), "stock:read");
    let all = TokenRequest::new().without_scopes();
    let token = client.get_token_for(&all).await.unwrap();
    assert_eq!(token.scopes().unwrap().len(), 2);
    // An empty text, as from a configuration, says nothing.
    let token = client.get_token_for(&TokenRequest::new().scopes("")).await;
    assert_eq!(token.unwrap().scopes().unwrap().to_string(), "orders:read");
}

/// Each question can be asked of every kind of token.
#[tokio::test(start_paused = true)]
async fn what_is_asked_of_one_kind_is_said_of_that_kind() {
    let stage = Stage::new();
    let client = stage.client();
    let read = TokenRequest::new().scopes("orders:read");
    client.get_token().await.unwrap();
    assert!(client.cached_token_for(&read).await.is_none());
    assert!(client.is_expired_for(&read, seconds(30)).await);
    assert!(!client.is_expired(seconds(30)).await);
    let token = client.valid_token_for(&read, seconds(60)).await.unwrap();
    assert_eq!(token.scopes().unwrap().to_string(), "orders:read");
    assert!(!client.is_expired_for(&read, seconds(30)).await);
    let kept = client.cached_token().await.unwrap();
    assert_eq!(kept.scopes().unwrap().len(), 2);
    let next = client.renew_for(&read, &token).await.unwrap();
    assert_eq!(next.scopes().unwrap().to_string(), "orders:read");
    let still = client.get_token().await.unwrap();
    assert_eq!(still.reveal(), kept.reveal());
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once_for_all_who_hold_it() {
    let stage = Stage::new();
    let client = stage.client();
    let refused = client.get_token().await.unwrap();
    let new = client.renew(&refused).await.unwrap();
    assert_ne!(new.reveal(), refused.reveal());
    assert_eq!(client.renew(&refused).await.unwrap().reveal(), new.reveal());
    assert_eq!(client.get_token().await.unwrap().reveal(), new.reveal());
    assert_eq!(stage.issuer.token_requests(), 2);
    // The API refuses everything: the next one too is not asked for at once.
    assert_eq!(client.renew(&new).await.unwrap().reveal(), new.reveal());
    assert_eq!(stage.issuer.token_requests(), 2);
    stage.advance(seconds(5)).await;
    assert_ne!(client.renew(&new).await.unwrap().reveal(), new.reveal());
    assert_eq!(stage.issuer.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_forgotten() {
    let stage = Stage::new();
    let client = stage.client();
    let token = client.get_token().await.unwrap();
    client.revoke(&token).await.unwrap();
    assert!(client.cached_token().await.is_none());
    assert_ne!(client.get_token().await.unwrap().reveal(), token.reveal());
    // Also one of another kind.
    let read = TokenRequest::new().scopes("orders:read");
    let token = client.get_token_for(&read).await.unwrap();
    client.revoke(&token).await.unwrap();
    assert!(client.cached_token_for(&read).await.is_none());
}

/// A cache is shared by the clients of many tenants, and what one of them does is no matter of the others.
#[tokio::test(start_paused = true)]
async fn a_client_forgets_its_own_tokens_alone() {
    let stage = Stage::new();
    stage
        .issuer
        .register(TestClient::new("other", "s3cret").grant(ORDERS, "orders:read"));
    let cache: Arc<dyn TokenCache> = Arc::new(MemoryCache::default());
    let client = sharing(&stage, &cache, "billing");
    let other = sharing(&stage, &cache, "other");
    let stock = TokenRequest::new().audience("https://stock.test");
    let kept = other.get_token().await.unwrap();
    let first = client.get_token().await.unwrap();
    let second = client.get_token_for(&stock).await.unwrap();

    client.revoke(&second).await.unwrap();
    assert!(client.cached_token_for(&stock).await.is_none());
    let still = client.get_token().await.unwrap();
    assert_eq!(still.reveal(), first.reveal());
    client.get_token_for(&stock).await.unwrap();
    client.clear_cache().await;
    for request in [TokenRequest::new(), stock] {
        assert!(client.cached_token_for(&request).await.is_none());
    }
    let others = other.cached_token().await.unwrap();
    assert_eq!(others.reveal(), kept.reveal());
}

/// A source or a hook of the program's own may show more of itself than is good.
#[test]
fn what_the_program_gives_is_not_shown() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "it is there to be shown")]
    struct Vault {
        token: &'static str,
    }
    impl CredentialSource for Vault {
        fn load<'a>(&'a self, _: Option<&'a Secret>) -> BoxFuture<'a, Result<Secret, BoxError>> {
            Box::pin(async { Ok("s".into()) })
        }
    }
    impl Hooks for Vault {}
    let vault = || Vault { token: "hvs.1234" };
    let builder = TokenClient::builder()
        .secret(Credential::new(vault()))
        .hooks(vault());
    let shown = format!("{builder:?} {:?}", Credential::new(vault()));
    assert!(!shown.contains("hvs"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn clients_share_tokens_through_a_cache_of_the_users() {
    let stage = Stage::new();
    let cache: Arc<dyn TokenCache> = Arc::new(MemoryCache::new(10));
    let [one, two] = [(); 2].map(|()| sharing(&stage, &cache, "billing"));
    let token = one.get_token().await.unwrap();
    assert_eq!(two.get_token().await.unwrap().reveal(), token.reveal());
    assert_eq!(stage.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_cache_makes_room_by_what_ends_first() {
    let stage = Stage::new();
    let clock = Arc::new(stage.clock.clone());
    let cache: Arc<dyn TokenCache> = Arc::new(MemoryCache::with_clock(2, clock));
    let client = sharing(&stage, &cache, "billing");
    let requests = ["orders:read", "orders:write", "orders:read orders:write"]
        .map(|scopes| TokenRequest::new().scopes(scopes));
    for request in &requests {
        client.get_token_for(request).await.unwrap();
        stage.clock.advance(seconds(1));
    }
    assert!(client.cached_token_for(&requests[0]).await.is_none());
    assert!(client.cached_token_for(&requests[1]).await.is_some());
    assert!(client.cached_token_for(&requests[2]).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn no_hook_and_no_debug_text_shows_a_secret() {
    let stage = Stage::new();
    let notes = Notes::default();
    let client = stage.builder().hooks(notes.clone()).build().unwrap();
    let token = client.get_token().await.unwrap();
    stage
        .issuer
        .register(chancery_sdk::testing::TestClient::new("billing", "another"));
    client.clear_cache().await;
    client.get_token().await.unwrap_err();
    let all = format!(
        "{:?} {client:?} {token:?} {:?} {:?}",
        notes.all(),
        stage.builder(),
        TokenClient::parse_token(&token),
    );
    assert!(all.contains("request Exchange") && all.contains("response") && all.contains("error"));
    assert!(all.contains("invalid_client"), "{all}");
    assert!(!all.contains("s3cret"), "{all}");
    assert!(!all.contains(token.reveal()), "{all}");
    // Nor its signature alone.
    assert!(!all.contains(token.reveal().rsplit('.').next().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_token_tells_what_it_says_of_itself() {
    let stage = Stage::new();
    let token = stage.client().get_token().await.unwrap();
    let claims = TokenClient::parse_token(&token).unwrap();
    assert_eq!(claims.issuer.as_deref(), Some(ISSUER));
    assert_eq!(claims.client_id.as_deref(), Some("billing"));
    assert_eq!(claims.audiences, [ORDERS]);
    assert_eq!(claims.claim::<String>("type").as_deref(), Some("m2m"));
    assert_eq!(claims.expires_at, Some(token.expires_at()));
}

fn words() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[a-c\" ,:]{1,3}", 0..3)
}

proptest! {
    /// The key depends on what is asked for, and not on the order in which it is said.
    #[test]
    fn keys_are_equal_exactly_where_requests_are(
        (scopes_a, audiences_a) in (words(), words()),
        (scopes_b, audiences_b) in (words(), words()),
    ) {
        fn build(scopes: &[String], audiences: &[String]) -> TokenRequest {
            let request = TokenRequest::new().scopes(scopes.join(" "));
            audiences.iter().fold(request, chancery_sdk::TokenRequest::audience)
        }
        let key = |request: &TokenRequest| CacheKey::of(ISSUER, "billing", request);
        let (a, b) = (build(&scopes_a, &audiences_a), build(&scopes_b, &audiences_b));
        prop_assert_eq!(a == b, key(&a) == key(&b));
        let mut reversed = (scopes_a.clone(), audiences_a.clone());
        reversed.0.reverse();
        reversed.1.reverse();
        prop_assert_eq!(key(&a), key(&build(&reversed.0, &reversed.1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lives_no_longer_than_the_threshold_is_used_for_half_of_its_life() {
    let stage = Stage::new();
    stage.issuer.set_lifetime(seconds(20));
    let client = without_refresh_ahead(&stage);
    let first = client.get_token().await.unwrap();
    for _ in 0..9 {
        stage.advance(seconds(1)).await;
        assert_eq!(client.get_token().await.unwrap().reveal(), first.reveal());
    }
    assert_eq!(stage.issuer.token_requests(), 1);
    // One that was refused is replaced by one that lives no longer.
    let next = client.renew(&first).await.unwrap();
    let renewed = client.renew(&first).await.unwrap();
    assert_eq!(renewed.reveal(), next.reveal());
    assert_eq!(stage.issuer.token_requests(), 2);
    stage.advance(seconds(10)).await;
    assert_ne!(client.get_token().await.unwrap().reveal(), next.reveal());
    assert_eq!(stage.issuer.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_interval_between_renewals_is_not_forgotten() {
    let stage = Stage::new();
    stage.issuer.set_lifetime(seconds(100));
    let client = stage
        .builder()
        .renewal_interval(seconds(300))
        .build()
        .unwrap();
    let refused = client.get_token().await.unwrap();
    client.renew(&refused).await.unwrap();
    // Tokens come and go meanwhile.
    stage.advance(seconds(120)).await;
    let refused = client.get_token().await.unwrap();
    assert_eq!(
        client.renew(&refused).await.unwrap().reveal(),
        refused.reveal()
    );
    assert_eq!(stage.issuer.token_requests(), 3);
    stage.advance(seconds(180)).await;
    let refused = client.get_token().await.unwrap();
    assert_ne!(
        client.renew(&refused).await.unwrap().reveal(),
        refused.reveal()
    );
}
