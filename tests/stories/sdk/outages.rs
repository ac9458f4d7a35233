//! The server goes away, and calls go on.

use std::{sync::Arc, time::Duration};

use chancery_sdk::{
    Backoff, CircuitBreaker, ClientAuth, Error, Verifier,
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

story! {
    /// The way to the server is cut for five minutes, in which tokens would be refreshed and keys too.
    async fn with_the_server_away_for_five_minutes_no_call_fails(world: World) {
        let acme = acme(&world).await;
        let mut way = Way::to(&world).await;
        let counter = Counter::default();
        let tokens = client(&world, "acme", &acme.client)
            .secret(acme.secret.as_str())
            .token_endpoint(format!("{}/t/acme/oauth2/token", way.url))
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
        let call = async || {
            let token = tokens.get_token().await.unwrap();
            verifier.verify(token.reveal()).await.unwrap();
            token
        };
        let first = call().await;
        world.clock.advance(295);
        call().await;
        way.cut().await;
        for _ in 0..30 {
            world.clock.advance(10);
            assert_eq!(call().await.reveal(), first.reveal());
        }
        // It was asked in vain, in the background.
        assert!(!counter.errors.lock().unwrap().is_empty());
        // And when the token has ended, the error says what the matter is.
        world.clock.advance(10);
        let error = tokens.get_token().await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. } | Error::Paused { .. }), "{error}");
        assert!(error.is_retryable());

        way.mend().await;
        let fresh = client(&world, "acme", &acme.client)
            .secret(acme.secret.as_str())
            .token_endpoint(format!("{}/t/acme/oauth2/token", way.url))
            .build()
            .unwrap();
        verifier.verify(fresh.get_token().await.unwrap().reveal()).await.unwrap();
    }
}

story! {
    /// The server is there and says nothing for five minutes, as behind a wall that lets no packets through:
    /// neither to who asks for tokens, nor to who looks for keys, nor to who asks about tokens. Afterwards the
    /// same client and the same verifier go on by themselves.
    async fn with_the_server_silent_for_five_minutes_no_call_fails(world: World) {
        let acme = acme(&world).await;
        let gate = Gate::new();
        let counter = Counter::default();
        // All as by default, but for real times: nobody waits for seconds here.
        let tokens = client(&world, "acme", &acme.client)
            .secret(acme.secret.as_str())
            .transport(Arc::new(gate.clone()))
            .hooks(counter.clone())
            .fallback_after(Duration::from_millis(50))
            .request_timeout(Duration::from_millis(200))
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
            .request_timeout(Duration::from_millis(200))
            .introspection(asking)
            .build()
            .unwrap();
        let call = async || {
            let token = tokens.get_token().await.unwrap();
            verifier.verify(token.reveal()).await.unwrap();
            token
        };
        let first = call().await;
        world.clock.advance(295);
        call().await;
        gate.silence(true);
        for _ in 0..30 {
            world.clock.advance(10);
            assert_eq!(call().await.reveal(), first.reveal());
        }
        // Whoever asks for a token that lives for longer hears that there is none.
        let error = tokens.valid_token(Duration::from_mins(1)).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(!counter.errors.lock().unwrap().is_empty());

        gate.silence(false);
        world.clock.advance(5);
        let next = loop {
            match tokens.get_token().await {
                Ok(token) => break token,
                // It is left alone for a moment because it failed so often.
                Err(error) => assert!(matches!(error, Error::Paused { .. }), "{error}"),
            }
            tokio::task::yield_now().await;
        };
        assert_ne!(next.reveal(), first.reveal());
        verifier.verify(next.reveal()).await.unwrap();
    }
}
