//! The server goes away, and calls go on.

use std::{sync::Arc, time::Duration};

use chancery_sdk::{
    AccessToken, Backoff, CircuitBreaker, ClientAuth, Error, TokenClient, TokenClientBuilder,
    Verifier,
    introspection::{Introspection, OnOutage},
};
use serde_json::json;

use super::support::{Counter, Gate, StoryClock, Way, client, issuer, verifying};
use crate::support::{Acme, World, story};

/// Acme, whose tokens live for ten minutes.
async fn acme(world: &World) -> Acme {
    let acme = world.acme().await;
    let input = json!({"tenant": "acme", "policy": {"accessTokenSeconds": 600}});
    let operator = world.operator().await;
    let updated = operator.mutation("updateTenant", "tenant { id }", input);
    updated.await.data();
    acme
}

/// Acme's client.
fn ours(world: &World, acme: &Acme) -> TokenClientBuilder {
    client(world, "acme", &acme.client).secret(acme.secret.as_str())
}

/// Who calls, and who is called.
struct Services {
    tokens: TokenClient,
    verifier: Verifier,
}

impl Services {
    /// A call that does not fail.
    async fn call(&self) -> AccessToken {
        let token = self.tokens.get_token().await.unwrap();
        self.verifier.verify(token.reveal()).await.unwrap();
        token
    }

    /// Calls for five minutes with the server away, in which tokens would be refreshed and keys too; all with
    /// the same token.
    async fn call_without_the_server(
        &self,
        world: &World,
        take_away: impl AsyncFnOnce(),
    ) -> AccessToken {
        let first = self.call().await;
        world.clock.advance(295);
        self.call().await;
        take_away().await;
        for _ in 0..30 {
            world.clock.advance(10);
            assert_eq!(self.call().await.reveal(), first.reveal());
        }
        first
    }
}

story! {
    /// The way to the server is cut for five minutes.
    async fn with_the_server_away_for_five_minutes_no_call_fails(world: World) {
        let acme = acme(&world).await;
        let mut way = Way::to(&world).await;
        let counter = Counter::default();
        let endpoint = format!("{}/t/acme/oauth2/token", way.url);
        let tokens = ours(&world, &acme)
            .token_endpoint(&endpoint)
            .retry(Backoff::never())
            .hooks(counter.clone())
            .build()
            .unwrap();
        let verifier = Verifier::builder()
            .issuer_with_jwks_uri(issuer(&world, "acme"), format!("{}/t/acme/oauth2/jwks", way.url))
            .audience("https://orders.example")
            .clock(Arc::new(StoryClock(world.clock.clone())))
            .build()
            .unwrap();
        let services = Services { tokens, verifier };
        services.call_without_the_server(&world, async || way.cut().await).await;
        // It was asked in vain, in the background.
        assert!(!counter.errors.lock().unwrap().is_empty());
        // And when the token has ended, the error says what the matter is.
        world.clock.advance(10);
        let error = services.tokens.get_token().await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. } | Error::Paused { .. }), "{error}");
        assert!(error.is_retryable());

        way.mend();
        let fresh = ours(&world, &acme).token_endpoint(&endpoint).build().unwrap();
        services.verifier.verify(fresh.get_token().await.unwrap().reveal()).await.unwrap();
    }
}

story! {
    /// The server is there and says nothing for five minutes, as behind a wall that lets no packets through:
    /// neither to who asks for tokens, nor to who looks for keys, nor to who asks about tokens. Afterwards the
    /// same client and the same verifier go on by themselves.
    async fn with_the_server_silent_for_five_minutes_no_call_fails(world: World) {
        let acme = acme(&world).await;
        // The server knows the secret, which costs it a hash once: so the first answer comes in time.
        world.token("acme", &acme.client, &acme.secret).send().await.token();
        let gate = Gate::new();
        let counter = Counter::default();
        // All as by default, but for real times: nobody waits for many seconds here.
        let tokens = ours(&world, &acme)
            .transport(Arc::new(gate.clone()))
            .hooks(counter.clone())
            .fallback_after(Duration::from_millis(50))
            .request_timeout(Duration::from_secs(1))
            .retry(Backoff::default().pauses(Duration::from_millis(5), Duration::from_millis(20)))
            .circuit_breaker(CircuitBreaker::new(5, Duration::from_millis(100)))
            .build()
            .unwrap();
        let asking = Introspection::new(&acme.client, ClientAuth::basic(acme.secret.as_str()))
            .timeout(Duration::from_millis(50))
            .on_outage(OnOutage::Accept);
        let verifier = verifying(&world)
            .issuer(issuer(&world, "acme"))
            .transport(Arc::new(gate.clone()))
            .request_timeout(Duration::from_secs(5))
            .introspection(asking)
            .build()
            .unwrap();
        let services = Services { tokens, verifier };
        let first = services.call_without_the_server(&world, async || gate.silence(true)).await;
        // Whoever asks for a token that lives for longer hears that there is none.
        let error = services.tokens.valid_token(Duration::from_mins(1)).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(!counter.errors.lock().unwrap().is_empty());

        gate.silence(false);
        world.clock.advance(5);
        let next = loop {
            match services.tokens.get_token().await {
                Ok(token) => break token,
                // It is left alone for a moment because it failed so often.
                Err(error) => assert!(matches!(error, Error::Paused { .. }), "{error}"),
            }
            tokio::task::yield_now().await;
        };
        assert_ne!(next.reveal(), first.reveal());
        services.verifier.verify(next.reveal()).await.unwrap();
    }
}
