use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chancery_sdk::{Credential, Error, ErrorCode, TokenRequest};
use serde_json::json;

use super::support::{Counter, client};
use crate::support::{World, story};

story! {
    /// However many callers begin at once, the server sees one request: its own count says so too.
    async fn a_thousand_callers_cause_one_token_request(world: World) {
        let acme = world.acme().await;
        let policy = json!({"rateLimit": {"client": {"requests": 10, "windowSeconds": 3600}}});
        let input = json!({"tenant": "acme", "policy": policy});
        world.operator().await.mutation("updateTenant", "tenant { id }", input).await.data();

        let counter = Counter::default();
        let tokens = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).hooks(counter.clone()).build().unwrap();
        let callers: Vec<_> = (0..1_000)
            .map(|_| {
                let tokens = tokens.clone();
                tokio::spawn(async move { tokens.get_token().await.unwrap().reveal().to_owned() })
            })
            .collect();
        let mut seen = std::collections::HashSet::new();
        for caller in callers {
            seen.insert(caller.await.unwrap());
        }
        assert_eq!((seen.len(), counter.requests()), (1, 1));
        let next = world.token("acme", &acme.client, &acme.secret).send().await;
        assert_eq!(next.headers["x-ratelimit-remaining"], "8");
    }
}

story! {
    /// A secret is revoked at once, and the vault has the next one: the first refusal is not the caller's.
    async fn a_revoked_secret_is_replaced_at_the_first_refusal(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let vault = Arc::new(Mutex::new(acme.secret.clone()));
        let source = Credential::from_fn({
            let vault = Arc::clone(&vault);
            // A vault that is asked twice in one request may have changed in between.
            let looks = std::sync::atomic::AtomicUsize::new(0);
            let old = acme.secret.clone();
            move || {
                let look = looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let secret = if look < 2 { old.clone() } else { vault.lock().unwrap().clone() };
                async move { Ok(secret.into()) }
            }
        });
        let counter = Counter::default();
        let tokens = client(&world, "acme", &acme.client).secret(source).hooks(counter.clone()).build().unwrap();
        tokens.get_token().await.unwrap();

        let input = json!({"client": acme.client, "overlapSeconds": 0});
        let rotated = operator.mutation("rotateClientSecret", "secret { plaintext }", input).await.data();
        rotated["secret"]["plaintext"].as_str().unwrap().clone_into(&mut vault.lock().unwrap());
        tokens.clear_cache().await;
        tokens.get_token().await.unwrap();
        assert_eq!(counter.requests(), 3);
        let errors = counter.errors.lock().unwrap().clone();
        assert!(errors.len() == 1 && errors[0].contains("invalid_client"), "{errors:?}");
    }
}

story! {
    /// What the server says reaches the caller as types.
    async fn refusals_of_the_server_are_typed(world: World) {
        let acme = world.acme().await;
        let operator = world.operator().await;
        let tokens = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
        let ask = async |request: TokenRequest| tokens.get_token_for(&request).await.unwrap_err();

        let error = ask(TokenRequest::new().scopes("orders:burn")).await;
        assert_eq!((error.status(), error.code()), (Some(400), Some(&ErrorCode::InvalidScope)), "{error}");
        let answer = error.answer().unwrap();
        assert!(answer.description.as_ref().unwrap().contains("orders:burn"), "{error}");
        assert_eq!(answer.trace_id.as_ref().unwrap().len(), 32);
        let error = ask(TokenRequest::new().audience("https://stock.example")).await;
        assert_eq!(error.code(), Some(&ErrorCode::InvalidTarget));

        let policy = json!({"rateLimit": {"client": {"requests": 1, "windowSeconds": 1800}}});
        let input = json!({"tenant": "acme", "policy": policy});
        operator.mutation("updateTenant", "tenant { id }", input).await.data();
        let limited = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
        let error = limited.get_token().await.unwrap_err();
        assert!(matches!(error, Error::RateLimited(_)), "{error}");
        assert!(error.is_retryable() && error.retry_after().unwrap() > Duration::from_secs(30));
        assert_eq!(error.rate_limit().unwrap().limit, 1);

        let input = json!({"client": acme.client, "reason": "left"});
        operator.mutation("disableClient", "client { id }", input).await.data();
        let gone = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
        let error = gone.get_token().await.unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(401), Some(&ErrorCode::InvalidClient)));
        assert!(!error.is_retryable());
    }
}
