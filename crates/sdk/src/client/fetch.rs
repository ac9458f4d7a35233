//! What a flight does: it asks until there is a token, a refusal, or no time left.

use std::time::Duration;

use tokio::time::Instant;

use super::{AccessToken, CacheKey, Error, Exchange, Inner, TokenRequest, exchange};
use crate::Secret;

/// However long the configured timeout is: so long that nobody waits, and so short that every clock reaches it.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// What a token in the cache must be like to make a request needless: somebody else may have got it
/// between the look at the cache and the flight.
#[derive(Debug)]
pub(super) enum Want {
    /// It lives for so long.
    Living(Duration),
    /// It is another one.
    Not(AccessToken),
}

impl Inner {
    pub(super) async fn fetch(
        &self,
        request: &TokenRequest,
        key: &CacheKey,
        want: &Want,
    ) -> Result<AccessToken, Error> {
        let now = self.clock.now();
        if let Some(kept) = self.cache.get(key).await {
            let serves = match want {
                Want::Living(life) => kept.lives(now, *life),
                Want::Not(refused) => !kept.is(refused) && kept.lives(now, self.threshold),
            };
            if serves {
                return Ok(kept);
            }
        }
        let token = self.ask(request, key).await?;
        self.cache.put(key, token.clone()).await;
        Ok(token)
    }

    async fn ask(&self, request: &TokenRequest, key: &CacheKey) -> Result<AccessToken, Error> {
        let deadline = Instant::now() + self.timeout.min(LONGEST);
        let mut attempt = 1;
        let mut refused: Option<Secret> = None;
        loop {
            if let Err(paused) = self.breaker.enter() {
                self.wait_for_the_server(&paused, deadline).await?;
                continue;
            }
            let mut used = None;
            let asked = self.attempt(request, key, attempt, refused.as_ref(), &mut used);
            let error = match tokio::time::timeout_at(deadline, asked).await {
                Ok(Ok(token)) => {
                    self.breaker.answered();
                    return Ok(token);
                }
                Ok(Err(error)) => error,
                Err(_) => Error::Timeout {
                    endpoint: self.endpoints.name().to_owned(),
                    after: self.timeout,
                },
            };
            self.tell(key, attempt, &error);
            match &error {
                Error::Refused(_) => self.breaker.answered(),
                error => self.breaker.failed(error),
            }
            // A secret that has just been rotated: load it again, and try once with another one.
            if error.is_invalid_client()
                && refused.is_none()
                && let Some(used) = used
                && let Ok(loaded) = self.auth.load(Some(&used)).await
                && loaded != used
            {
                refused = Some(used);
                attempt += 1;
                continue;
            }
            let Some(pause) = self.retry.pause(attempt, &error) else {
                return Err(error);
            };
            // Neither sooner than the server asked for, nor while it is left alone.
            let pause = pause
                .max(error.retry_after().unwrap_or_default())
                .max(self.breaker.peek().unwrap_or_default());
            // Compared as it is: a server may say anything, also what no clock reaches.
            if pause >= deadline.saturating_duration_since(Instant::now()) {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Waits as long as the server has asked for, if there is time for it. A server that fails is not
    /// waited for.
    async fn wait_for_the_server(&self, paused: &Error, deadline: Instant) -> Result<(), Error> {
        match paused {
            Error::Paused { retry_in, cause }
                if !cause.is_outage()
                    && *retry_in < deadline.saturating_duration_since(Instant::now()) =>
            {
                tokio::time::sleep(*retry_in).await;
                Ok(())
            }
            paused => Err(paused.clone()),
        }
    }

    async fn attempt(
        &self,
        request: &TokenRequest,
        key: &CacheKey,
        attempt: u32,
        refused: Option<&Secret>,
        used: &mut Option<Secret>,
    ) -> Result<AccessToken, Error> {
        let credential = self.auth.load(refused).await?;
        *used = Some(credential.clone());
        let now = self.clock.now();
        let endpoint = self.endpoints.token(&self.link, now).await?;
        let exchange = Exchange {
            endpoint: endpoint.as_str(),
            client_id: &self.client_id,
            key,
            attempt,
        };
        self.hooks.on_request(&exchange);
        let begun = Instant::now();
        let asked_at = self.clock.now();
        let answer = exchange::post(
            &self.link,
            &endpoint,
            &exchange::Identity {
                auth: &self.auth,
                client_id: &self.client_id,
                credential: &credential,
                audience: self.endpoints.name(),
            },
            asked_at,
            &request.form(),
        )
        .await?;
        let token = exchange::granted(&endpoint, &answer, asked_at)?;
        self.hooks.on_response(&exchange, begun.elapsed());
        Ok(token)
    }

    fn tell(&self, key: &CacheKey, attempt: u32, error: &Error) {
        let exchange = Exchange {
            endpoint: self.endpoints.name(),
            client_id: &self.client_id,
            key,
            attempt,
        };
        self.hooks.on_error(&exchange, error);
    }

    pub(super) async fn revoke(&self, token: &AccessToken) -> Result<(), Error> {
        let now = self.clock.now();
        let credential = self.auth.load(None).await?;
        let endpoint = self.endpoints.revocation(&self.link, now).await?;
        let parameters = [
            ("token", token.reveal().to_owned()),
            ("token_type_hint", "access_token".to_owned()),
        ];
        let identity = exchange::Identity {
            auth: &self.auth,
            client_id: &self.client_id,
            credential: &credential,
            audience: self.endpoints.name(),
        };
        exchange::post(&self.link, &endpoint, &identity, now, &parameters).await?;
        Ok(())
    }
}
