//! A job that runs by the clock, and goes on through an outage and a rotation of its secret.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chancery_sdk::{
    Caller, Credential, Error, Exchange, Hooks, TokenClient, Verifier,
    clock::{Clock, SystemClock},
};
use serde_json::json;

use crate::{
    BoxError,
    setup::{Created, Operator},
};

const TENANT: &str = "nightly";
const AUDIENCE: &str = "https://ledger.example";

/// Makes the tenant, the API, and the job's client. Its tokens live for a minute, so that something
/// happens.
pub async fn set_up(operator: &Operator) -> Result<Created, BoxError> {
    operator
        .tenant(TENANT, json!({"accessTokenSeconds": 60}))
        .await?;
    operator
        .api(json!({
            "tenant": TENANT,
            "identifier": AUDIENCE,
            "name": "Ledger",
            "scopes": [{"name": "write:entries"}],
        }))
        .await?;
    operator
        .client(json!({
            "tenant": TENANT,
            "name": "closing the books",
            "grants": [{"api": AUDIENCE, "scopes": ["write:entries"]}],
        }))
        .await
}

/// The job.
#[derive(Debug)]
pub struct Job {
    tokens: TokenClient,
    /// In the place of the service that it would call.
    service: Verifier,
}

impl Job {
    /// A job whose secret is in a file: whoever rotates it replaces the file.
    pub fn new(operator: &Operator, client_id: &str, secret: &Path) -> Result<Self, BoxError> {
        Self::by_clock(operator, client_id, secret, Arc::new(SystemClock))
    }

    /// The same, by another clock than the machine's.
    pub fn by_clock(
        operator: &Operator,
        client_id: &str,
        secret: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BoxError> {
        let issuer = operator.issuer(TENANT);
        Ok(Self {
            tokens: TokenClient::builder()
                .issuer(issuer.as_str())
                .client_id(client_id)
                .secret(Credential::file(secret))
                .audience(AUDIENCE)
                .threshold(Duration::from_secs(10))
                .clock(clock)
                .hooks(Log)
                .build()?,
            service: Verifier::builder()
                .issuer(issuer)
                .audience(AUDIENCE)
                .build()?,
        })
    }

    /// Does the work once.
    pub async fn run(&self) -> Result<Caller, BoxError> {
        let token = self.tokens.get_token().await?;
        Ok(self.service.verify(token.reveal()).await?)
    }
}

/// How long the token of this caller still lives, in seconds.
pub fn seconds_left(caller: &Caller) -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "an example has no clock of its own"
    )]
    let now = SystemTime::now();
    caller
        .expires_at()
        .duration_since(now)
        .unwrap_or_default()
        .as_secs()
}

#[derive(Debug)]
struct Log;

impl Hooks for Log {
    fn on_response(&self, _: &Exchange<'_>, elapsed: Duration) {
        println!("         a new token, after {elapsed:?}");
    }

    fn on_error(&self, exchange: &Exchange<'_>, error: &Error, elapsed: Duration) {
        let attempt = exchange.attempt;
        println!("         attempt {attempt}, after {elapsed:?}: {error}");
    }
}
