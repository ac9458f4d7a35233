//! What a flight does: it asks until there is a token, a refusal, or no time left.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::Response;
use tokio::{sync::SemaphorePermit, time::Instant};

use super::{
    AccessToken, CacheKey, Error, Exchange, Inner, Purpose, TokenRequest,
    cache::{in_time, kept},
    exchange,
};
use crate::{Secret, endpoint::Endpoint};

/// However long a configured time is: so long that nobody waits, and so short that every clock reaches it.
pub(super) const LONGEST: Duration = Duration::from_hours(24 * 365);

/// So many requests of a client are on their way at once, each for another kind of token. More wait.
pub(super) const AT_ONCE: usize = 256;

/// What a token in the cache must be like to make a request needless: somebody else may have got it
/// between the look at the cache and the flight.
#[derive(Debug)]
pub(super) enum Want {
    /// It lives for so long.
    Living(Duration),
    /// It is another one.
    Not(AccessToken),
}

/// What is asked of the server.
struct Errand<'a, T> {
    purpose: Purpose<'a>,
    form: Vec<(&'a str, String)>,
    read: fn(&Endpoint, &Response<Bytes>, SystemTime) -> Result<T, Error>,
}

impl Inner {
    pub(super) async fn fetch(
        &self,
        request: &TokenRequest,
        key: &CacheKey,
        want: &Want,
    ) -> Result<AccessToken, Error> {
        let deadline = self.deadline();
        let now = self.clock.now();
        if let Some(kept) = kept(&*self.cache, key).await {
            let serves = match want {
                Want::Living(life) => kept.serves(now, *life),
                Want::Not(refused) => !kept.is(refused) && kept.serves(now, self.threshold),
            };
            if serves {
                return Ok(kept);
            }
        }
        let errand = Errand {
            purpose: Purpose::Token(key),
            form: request.form(),
            read: exchange::granted,
        };
        let token = self.ask(&errand, deadline).await?;
        if !token.lives(self.clock.now(), Duration::ZERO) {
            let what = "the token ended before it was here";
            return Err(Error::unreadable(self.endpoints.name(), what));
        }
        // A cache that does not take it has been no help: the token is there all the same.
        let _ =
            tokio::time::timeout_at(deadline, in_time(self.cache.put(key, token.clone()))).await;
        Ok(token)
    }

    /// Revokes a token: asked for as tokens are, with the same patience.
    pub(super) async fn revoke(&self, token: &AccessToken) -> Result<(), Error> {
        let errand = Errand {
            purpose: Purpose::Revocation,
            form: vec![
                ("token", token.reveal().to_owned()),
                ("token_type_hint", "access_token".to_owned()),
            ],
            read: |_, _, _| Ok(()),
        };
        self.ask(&errand, self.deadline()).await
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout.min(LONGEST)
    }

    /// Asks until the deadline. Whatever belongs to the user, like a vault or a cache, is waited for no
    /// longer than the server is.
    async fn ask<T>(&self, errand: &Errand<'_, T>, deadline: Instant) -> Result<T, Error> {
        let mut attempt = 1;
        let mut refused: Option<Secret> = None;
        loop {
            // First a place, and then the look whether the server is left alone: who waits for one hears of it.
            let place = self.place(deadline).await?;
            if let Err(paused) = self.breaker.enter() {
                drop(place);
                self.wait_for_the_server(&paused, deadline).await?;
                continue;
            }
            let mut begun = Instant::now();
            let loaded = self.load(refused.as_ref(), deadline).await;
            let asked = match &loaded {
                Ok(credential) => {
                    let sent = &mut begun;
                    self.attempt(errand, attempt, credential, deadline, sent)
                        .await
                }
                Err(error) => Err(error.clone()),
            };
            drop(place);
            let error = match asked {
                Ok(answer) => {
                    self.breaker.answered();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            self.tell(errand.purpose, attempt, &error, begun.elapsed());
            self.breaker.heard(&error);
            if error.is_of_another() || matches!(error, Error::Unreachable { .. }) {
                self.endpoints.doubt();
            }
            // A secret that has just been rotated: load it again, and try once with another one.
            if error.is_invalid_client()
                && refused.is_none()
                && let Ok(used) = loaded
                && let Ok(other) = self.load(Some(&used), deadline).await
                && other != used
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
            if pause >= left(deadline) {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// One of the places for requests that are on their way. Waited for only as long as a request has time after it:
    /// what would be given up as soon as it is sent troubles a server that is slow already.
    async fn place(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Error> {
        let last = deadline - self.timeout.min(LONGEST) / 10;
        let place = tokio::time::timeout_at(last, self.at_once.acquire()).await;
        let busy = Error::Busy { requests: AT_ONCE };
        place.map_err(|_| busy)?.map_err(|_| Error::Interrupted)
    }

    /// Waits as long as the server has asked for, if there is time for it. A server that fails is not
    /// waited for.
    async fn wait_for_the_server(&self, paused: &Error, deadline: Instant) -> Result<(), Error> {
        match paused {
            Error::Paused { retry_in, cause }
                if !cause.is_outage() && *retry_in < left(deadline) =>
            {
                tokio::time::sleep(*retry_in).await;
                Ok(())
            }
            paused => Err(paused.clone()),
        }
    }

    /// The credential. That its source is silent is not the server's fault.
    async fn load(&self, refused: Option<&Secret>, deadline: Instant) -> Result<Secret, Error> {
        let within = self.link.timeout().min(left(deadline));
        Ok(self.auth.load(refused, within).await?)
    }

    async fn attempt<T>(
        &self,
        errand: &Errand<'_, T>,
        attempt: u32,
        credential: &Secret,
        deadline: Instant,
        sent: &mut Instant,
    ) -> Result<T, Error> {
        let asked = self.exchange(errand, attempt, credential, sent);
        let asked = tokio::time::timeout_at(deadline, asked).await;
        asked.unwrap_or_else(|_| Err(Error::timeout(self.endpoints.name(), self.timeout)))
    }

    async fn exchange<T>(
        &self,
        errand: &Errand<'_, T>,
        attempt: u32,
        credential: &Secret,
        sent: &mut Instant,
    ) -> Result<T, Error> {
        let now = self.clock.now();
        let endpoint = match errand.purpose {
            Purpose::Token(_) => self.endpoints.token(&self.link, now).await?,
            Purpose::Revocation => self.endpoints.revocation(&self.link, now).await?,
        };
        let exchange = Exchange {
            attempt,
            ..Exchange::new(endpoint.as_str(), &self.client_id, errand.purpose)
        };
        quietly(|| self.hooks.on_request(&exchange));
        *sent = Instant::now();
        let asked_at = self.clock.now();
        let identity = exchange::Identity {
            auth: &self.auth,
            client_id: &self.client_id,
            credential,
            audience: self.endpoints.name(),
        };
        let answer =
            exchange::post(&self.link, &endpoint, &identity, asked_at, &errand.form).await?;
        let answer = (errand.read)(&endpoint, &answer, asked_at)?;
        quietly(|| self.hooks.on_response(&exchange, sent.elapsed()));
        Ok(answer)
    }

    fn tell(&self, purpose: Purpose<'_>, attempt: u32, error: &Error, elapsed: Duration) {
        let known = self.endpoints.known(purpose);
        let endpoint = known
            .as_ref()
            .map_or(self.endpoints.name(), Endpoint::as_str);
        let exchange = Exchange {
            attempt,
            ..Exchange::new(endpoint, &self.client_id, purpose)
        };
        quietly(|| self.hooks.on_error(&exchange, error, elapsed));
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Whoever panics in a hook has told of it already, and shall cost nobody a token.
fn quietly(hook: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(hook));
}
