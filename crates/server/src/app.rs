//! What is served at an address: the endpoints that tokens come from, and behind them everything else.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    response::Response,
};
use chancery_telemetry::http::Http;
use chancery_token_service::{Asked, TokenService};
use http::Request;
use tower::ServiceExt as _;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is served at an address. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    /// Where clients are served.
    clients: Option<Clients>,
    router: Router,
}

/// What clients ask for most, which is told before the router is asked.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) tokens: TokenService,
    /// The layer that lies around the routes.
    pub(crate) http: Arc<Http>,
}

impl App {
    /// Everything that is routed; with `clients`, their endpoints before it, which are among the routes too.
    pub(crate) fn new(clients: Option<Clients>, router: Router) -> Self {
        Self(Arc::new(Parts { clients, router }))
    }

    /// Every route.
    pub fn router(&self) -> &Router {
        &self.0.router
    }

    /// Answers a request of this peer.
    pub(crate) async fn answer<B>(self, request: Request<B>, peer: SocketAddr) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if let Some(Clients { tokens, http }) = &self.0.clients
            && let Some(asked) = Asked::at(request.method(), request.uri().path())
        {
            let (head, body) = request.into_parts();
            let (method, headers, route) = (head.method, head.headers, asked.route());
            let begun = http.begin(&method, &headers, route);
            let answering = asked.answer(tokens, peer, begun.trace(), headers, body);
            // In a box, since whoever passes it on copies it.
            return http.answer(begun, route, Box::pin(answering)).await;
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let routed = Box::pin(self.0.router.clone().oneshot(request));
        routed
            .await
            .unwrap_or_else(|never: Infallible| match never {})
    }
}
