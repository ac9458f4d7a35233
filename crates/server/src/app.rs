//! What is served at an address: the endpoints that tokens come from, and behind them everything else.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    response::Response,
};
use chancery_telemetry::http::{Http, NO_ROUTE, layer};
use chancery_token_service::{Asked, TokenService};
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use crate::{
    host,
    late::{InTime, Late},
    places::Places,
    problem::last_problem,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is served at an address. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    /// What clients ask for most is told before the router is asked, where they are served.
    tokens: Option<TokenService>,
    /// The layer around the routes.
    http: Arc<Http>,
    router: Router,
    /// For how many connections at once.
    places: Arc<Places>,
}

impl App {
    /// Everything that is routed, each request with its trace, its measure and its span; with `tokens`, the
    /// endpoints of clients before it, which are among the routes too.
    pub(crate) fn new(
        tokens: Option<TokenService>,
        http: Arc<Http>,
        router: Router,
        places: Arc<Places>,
    ) -> Self {
        let router = router.layer(InTime).layer(layer(http.clone()));
        Self(Arc::new(Parts {
            tokens,
            http,
            router,
            places,
        }))
    }

    /// The places of its connections.
    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.0.places
    }

    /// Every route.
    pub fn router(&self) -> &Router {
        &self.0.router
    }

    /// Answers a request of this peer, whose body may come to be late.
    pub(crate) async fn answer<B>(
        self,
        request: Request<B>,
        late: Late,
        peer: SocketAddr,
    ) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Parts {
            tokens,
            http,
            router,
            ..
        } = &*self.0;
        if !host::is_clear(request.version(), request.headers()) {
            let begun = http.begin(
                request.method(),
                request.headers(),
                NO_ROUTE,
                Some(peer.ip()),
            );
            return http.answer(begun, NO_ROUTE, async { no_host() }).await;
        }
        if let Some(tokens) = tokens
            && let Some(asked) = Asked::at(request.method(), request.uri().path())
        {
            let (head, body) = request.into_parts();
            let (method, headers, route) = (head.method, head.headers, asked.route());
            let begun = http.begin(&method, &headers, route, Some(peer.ip()));
            // In a box, since whoever passes it on copies it, and keeps room for what was copied.
            let answering = Box::pin(asked.answer(tokens, peer, begun.trace(), headers, body));
            return http.answer(begun, route, late.or(answering)).await;
        }
        Box::pin(routed(router.clone(), request, late, peer)).await
    }
}

async fn routed<B>(router: Router, request: Request<B>, late: Late, peer: SocketAddr) -> Response
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(late);
    let answering: Result<_, Infallible> = router.oneshot(request).await;
    answering.unwrap_or_else(|never| match never {})
}

fn no_host() -> Response {
    last_problem(
        StatusCode::BAD_REQUEST,
        "give one Host header with the host and port of the URL (RFC 9112, section 3.2)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever serves a connection moves what answers a request, and each wait has room for what it may come to.
    #[test]
    fn what_answers_a_request_is_small() {
        let http = Arc::new(Http::untraced(Box::new(|| [7; 24])));
        let app = App::new(None, http, Router::new(), Places::new(1));
        let peer = ([127, 0, 0, 1], 1).into();
        let answering = app.answer(Request::new(Body::empty()), Late::default(), peer);
        assert!(
            size_of_val(&answering) < 3_072,
            "{}",
            size_of_val(&answering)
        );
    }
}
