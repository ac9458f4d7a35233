use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use chancery_sdk::{
    Algorithm, Error, Exchange, Hooks, TokenClient, TokenClientBuilder, Trouble, Verifier,
    VerifierBuilder,
    testing::{TestClient, TestClock, TestIssuer},
    transport::{BoxFuture, Transport, TransportError},
};
use http::{Request, Response};

pub(crate) const ISSUER: &str = "https://auth.test/t/acme";
pub(crate) const ORDERS: &str = "https://orders.test";

/// An issuer with a client `billing`, and a clock that stands still.
pub(crate) struct Stage {
    pub(crate) issuer: TestIssuer,
    pub(crate) clock: TestClock,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let clock = TestClock::default();
        let issuer = TestIssuer::with(ISSUER, Algorithm::Es256, Arc::new(clock.clone()));
        issuer.register(
            TestClient::new("billing", "s3cret")
                .grant(ORDERS, "orders:read orders:write")
                .grant("https://stock.test", "stock:read"),
        );
        Self { issuer, clock }
    }

    pub(crate) fn builder(&self) -> TokenClientBuilder {
        TokenClient::builder()
            .issuer(ISSUER)
            .client_id("billing")
            .secret("s3cret")
            .audience(ORDERS)
            .transport(self.issuer.transport())
            .clock(Arc::new(self.clock.clone()))
    }

    pub(crate) fn client(&self) -> TokenClient {
        self.builder().build().unwrap()
    }

    pub(crate) fn verifying(&self) -> VerifierBuilder {
        Verifier::builder()
            .issuer(ISSUER)
            .audience(ORDERS)
            .transport(self.issuer.transport())
            .clock(Arc::new(self.clock.clone()))
    }

    pub(crate) fn verifier(&self) -> Verifier {
        self.verifying().build().unwrap()
    }

    /// Moves the time of day and the timer.
    pub(crate) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        tokio::time::advance(by).await;
    }
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets tasks in the background run until they wait.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Notes every event as a text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(pub(crate) Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }
}

impl Hooks for Notes {
    fn on_request(&self, exchange: &Exchange<'_>) {
        self.add(format!("request {exchange:?}"));
    }

    fn on_response(&self, exchange: &Exchange<'_>, elapsed: Duration) {
        self.add(format!("response {exchange:?} {elapsed:?}"));
    }

    fn on_error(&self, exchange: &Exchange<'_>, error: &Error, elapsed: Duration) {
        self.add(format!("error {exchange:?} {error} {error:?} {elapsed:?}"));
    }
}

/// Remembers what verifiers tell.
#[derive(Clone, Default)]
pub(crate) struct Troubles(Arc<Mutex<Vec<Trouble>>>);

impl Troubles {
    pub(crate) fn listener(&self) -> impl Fn(&Trouble) + Send + Sync + 'static {
        let told = Arc::clone(&self.0);
        move |trouble| told.lock().unwrap().push(trouble.clone())
    }

    pub(crate) fn all(&self) -> Vec<Trouble> {
        self.0.lock().unwrap().clone()
    }
}

type Answer = dyn Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync;

/// A server that is a function, and remembers what it was asked.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) requests: Arc<Mutex<Vec<Request<Bytes>>>>,
    answer: Arc<Answer>,
}

impl Scripted {
    pub(crate) fn new(
        answer: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self {
            requests: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    /// The forms that were sent.
    pub(crate) fn forms(&self) -> Vec<Vec<(String, String)>> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|request| url_form(request.body()))
            .collect()
    }
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Transport for Scripted {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let response = (self.answer)(&request);
        self.requests.lock().unwrap().push(request);
        Box::pin(std::future::ready(Ok(response)))
    }
}

pub(crate) fn url_form(body: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

pub(crate) fn json(status: u16, body: &serde_json::Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status.try_into().unwrap();
    response
}
