//! Which token is given out: the one that is kept, or another.

use std::{pin::pin, sync::Arc, time::Duration};

use super::{
    AccessToken, CacheKey, Error, TokenClient, TokenRequest, cache::kept, fetch::Want, flights,
};

impl TokenClient {
    pub(super) async fn replace(
        &self,
        wanted: &Arc<(TokenRequest, CacheKey)>,
        refused: &AccessToken,
    ) -> Result<AccessToken, Error> {
        if let Some(token) = self.kept(&wanted.1).await
            && !token.is(refused)
            && token.serves(self.0.clock.now(), self.0.threshold)
        {
            return Ok(token);
        }
        if !self.0.flights.may_renew(&wanted.1, self.0.renewal_interval) {
            return Ok(refused.clone());
        }
        self.join(wanted, Want::Not(refused.clone()))?
            .outcome()
            .await
    }

    pub(super) fn wanted(&self, request: &TokenRequest) -> Arc<(TokenRequest, CacheKey)> {
        if *request == TokenRequest::default() {
            return Arc::clone(&self.0.defaults);
        }
        let request = request.or(&self.0.defaults.0);
        let key = CacheKey::of(self.0.endpoints.name(), &self.0.client_id, &request);
        self.0.kinds.add(&key);
        Arc::new((request, key))
    }

    async fn kept(&self, key: &CacheKey) -> Option<AccessToken> {
        kept(&*self.0.cache, key).await
    }

    pub(super) async fn living(&self, key: &CacheKey) -> Option<AccessToken> {
        let now = self.0.clock.now();
        let token = self.kept(key).await?;
        token.lives(now, Duration::ZERO).then_some(token)
    }

    /// Whether a token is kept that lives for so long.
    pub(super) async fn is_kept(&self, key: &CacheKey, life: Duration) -> bool {
        let token = self.kept(key).await;
        token.is_some_and(|token| token.lives(self.0.clock.now(), life))
    }

    /// A token that lives for so long; and while the server is in trouble, one that lives for `least`.
    pub(super) async fn obtain(
        &self,
        wanted: &Arc<(TokenRequest, CacheKey)>,
        life: Duration,
        least: Duration,
    ) -> Result<AccessToken, Error> {
        let inner = &self.0;
        let key = &wanted.1;
        let now = inner.clock.now();
        let kept = self
            .kept(key)
            .await
            .filter(|token| token.serves(now, least));
        let Some(kept) = kept else {
            return self.join(wanted, Want::Living(life))?.outcome().await;
        };
        let failed = inner.flights.failed_lately(key);
        if kept.serves(now, life) {
            let ahead = inner.refresh_ahead.min(kept.lifetime() / 4);
            if kept.is_due(now, inner.threshold, ahead) && failed.is_none() {
                // Nobody waits for it. What goes wrong is told to the hooks.
                let _ = self.join(wanted, Want::Not(kept.clone()));
            }
            return Ok(kept);
        }
        // A refusal is no outage: it is asked for again, or comes from memory.
        if failed.is_some_and(|error| error.is_trouble()) {
            return Ok(kept);
        }
        let mut outcome = pin!(async { self.join(wanted, Want::Living(life))?.outcome().await });
        // What is kept is an answer for as long as it is good: not for a moment longer.
        let left = kept.time_to(now, least);
        let outcome = match tokio::time::timeout(self.patience(key).min(left), &mut outcome).await {
            Ok(outcome) => outcome,
            Err(_) if kept.serves(inner.clock.now(), least) => return Ok(kept),
            Err(_) => outcome.await,
        };
        match outcome {
            Err(error) if error.is_trouble() && kept.serves(inner.clock.now(), least) => Ok(kept),
            outcome => outcome,
        }
    }

    /// For how long a caller whose token is still good waits for another. A server that is left alone is waited
    /// for by nobody.
    fn patience(&self, key: &CacheKey) -> Duration {
        let inner = &self.0;
        if inner.breaker.peek().is_some_and(|pause| !pause.is_zero()) {
            return Duration::ZERO;
        }
        inner.flights.patience(key, inner.fallback_after)
    }

    fn join(
        &self,
        wanted: &Arc<(TokenRequest, CacheKey)>,
        want: Want,
    ) -> Result<flights::Seat, Error> {
        self.0.flights.join(&wanted.1, || {
            let inner = Arc::clone(&self.0);
            let wanted = Arc::clone(wanted);
            async move { inner.fetch(&wanted.0, &wanted.1, &want).await }
        })
    }
}
