//! The story's clock for the SDK, ways to the server that can be cut, and hooks that count.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chancery_sdk::{
    Error, Exchange, Hooks, TokenClient, TokenClientBuilder, Verifier, VerifierBuilder,
    clock::Clock,
    transport::{self, BoxFuture, Transport, TransportError},
};
use chancery_testkit::clock::TestClock;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};

use crate::support::World;

/// The clock of the story, as the SDK sees it.
#[derive(Debug)]
pub(super) struct StoryClock(pub(super) Arc<TestClock>);

impl Clock for StoryClock {
    fn now(&self) -> SystemTime {
        let now = chancery_domain::Clock::now(&*self.0);
        UNIX_EPOCH + Duration::from_micros(now.micros().try_into().unwrap())
    }
}

/// A client of a tenant, by the story's clock.
pub(super) fn client(world: &World, slug: &str, client_id: &str) -> TokenClientBuilder {
    TokenClient::builder()
        .issuer(issuer(world, slug))
        .client_id(client_id)
        .clock(Arc::new(StoryClock(world.clock.clone())))
}

/// A verifier of an API in every tenant, by the story's clock.
pub(super) fn verifying(world: &World) -> VerifierBuilder {
    Verifier::builder()
        .audience("https://orders.example")
        .clock(Arc::new(StoryClock(world.clock.clone())))
}

pub(super) fn issuer(world: &World, slug: &str) -> String {
    format!("{}/t/{slug}", world.url)
}

/// Counts requests and notes errors.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter {
    requests: Arc<AtomicUsize>,
    pub(super) errors: Arc<Mutex<Vec<String>>>,
}

impl Counter {
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Hooks for Counter {
    fn on_request(&self, _: &Exchange<'_>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn on_error(&self, _: &Exchange<'_>, error: &Error, _: Duration) {
        self.errors.lock().unwrap().push(error.to_string());
    }
}

/// A way to the server through a port of its own, which can be cut: then open connections break and
/// new ones are refused.
pub(super) struct Way {
    pub(super) url: String,
    to: String,
    at: std::net::SocketAddr,
    open: Option<JoinHandle<()>>,
    /// Nobody else is given the port while the way is cut.
    held: Option<TcpSocket>,
}

impl Way {
    pub(super) async fn to(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let to = world.url.trim_start_matches("http://").to_owned();
        Self {
            url: format!("http://{at}"),
            open: Some(carry(listener, to.clone())),
            to,
            at,
            held: None,
        }
    }

    /// Cuts it.
    pub(super) async fn cut(&mut self) {
        let open = self.open.take().unwrap();
        open.abort();
        let _ = open.await;
        let held = TcpSocket::new_v4().unwrap();
        held.set_reuseaddr(true).unwrap();
        held.bind(self.at).unwrap();
        self.held = Some(held);
    }

    /// Opens it again.
    pub(super) fn mend(&mut self) {
        let listener = self.held.take().unwrap().listen(1_024).unwrap();
        self.open = Some(carry(listener, self.to.clone()));
    }
}

fn carry(listener: TcpListener, to: String) -> JoinHandle<()> {
    tokio::spawn(async move {
        // They end with this task.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let to = to.clone();
            connections.spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    })
}

/// The network, which may fall silent, and remembers what was asked over it.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    network: Arc<dyn Transport>,
    silent: Arc<AtomicBool>,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            network: transport::built_in().unwrap(),
            silent: Arc::default(),
            paths: Arc::default(),
        }
    }

    /// Lets no answer through from now on, or lets them through again.
    pub(super) fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    pub(super) fn requests_to(&self, end: &str) -> usize {
        let paths = self.paths.lock().unwrap();
        paths.iter().filter(|path| path.ends_with(end)).count()
    }
}

impl Transport for Gate {
    fn send(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, TransportError>> {
        let path = request.uri().path().to_owned();
        self.paths.lock().unwrap().push(path);
        if self.silent.load(Ordering::Relaxed) {
            Box::pin(std::future::pending())
        } else {
            self.network.send(request)
        }
    }
}
