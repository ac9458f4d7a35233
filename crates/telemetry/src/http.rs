//! The layer around every route: its trace, its duration, its span.

use std::{
    hash::Hash,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    response::Response,
};
use http::{HeaderMap, Method, StatusCode};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Instrument, Span};

use crate::{
    family::{Family, Labels, Points},
    instruments::Histogram,
    table::Table,
    trace_context::TraceContext,
};

/// Draws the random bytes of a new trace.
pub type Draw = Box<dyn Fn() -> [u8; 24] + Send + Sync>;

/// Makes the span of a request whose method and route are these; it is called within the trace.
pub type MakeSpan = fn(&TraceContext, &'static str, &str) -> Span;

/// Whether a peer decides if its traces are sent.
type Believes = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// What the layer draws from and counts in. Every clone counts with the others.
#[derive(Clone)]
pub struct Http {
    draw: Arc<dyn Fn() -> [u8; 24] + Send + Sync>,
    span: MakeSpan,
    believes: Believes,
    durations: Arc<Table<Answered<Arc<str>>, Histogram>>,
    /// What is spoken at the address, as in a URL.
    scheme: &'static str,
}

/// A route's name where there is none.
pub const NO_ROUTE: &str = "none";

/// What the semantic conventions call what is not told apart.
const OTHER: &str = "_OTHER";

/// A request that is being answered.
pub struct Begun {
    at: Instant,
    trace: TraceContext,
    method: &'static str,
    span: Span,
}

impl Begun {
    /// Its trace.
    pub fn trace(&self) -> TraceContext {
        self.trace
    }
}

/// What requests are told apart by: words of this code alone.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Answered<Route> {
    scheme: &'static str,
    method: &'static str,
    route: Route,
    status: u16,
}

impl PartialEq<Answered<&str>> for Answered<Arc<str>> {
    fn eq(&self, other: &Answered<&str>) -> bool {
        (self.scheme, self.method, &*self.route, self.status)
            == (other.scheme, other.method, other.route, other.status)
    }
}

impl Answered<Arc<str>> {
    /// By the semantic conventions, which call an error what is the server's fault.
    fn labels(&self) -> Labels {
        let status = self.status.to_string();
        let fault = (self.status >= 500).then(|| ("error.type", status.clone().into()));
        [
            ("http.request.method", self.method.into()),
            ("http.route", self.route.to_string().into()),
            ("http.response.status_code", status.into()),
            ("url.scheme", self.scheme.into()),
        ]
        .into_iter()
        .chain(fault)
        .collect()
    }
}

impl Http {
    /// A layer that begins traces with these random bytes and whose requests have these spans.
    pub fn new(draw: Draw, span: MakeSpan) -> Self {
        Self {
            draw: draw.into(),
            span,
            believes: Arc::new(|_| false),
            durations: Arc::new(Table::new(Histogram::of_durations)),
            scheme: "http",
        }
    }

    /// A layer whose requests have no spans.
    pub fn untraced(draw: Draw) -> Self {
        Self::new(draw, |_, _, _| Span::none())
    }

    /// The same; peers for whose address this holds decide if their traces are sent. Of all others the id is
    /// taken and the flag is not: else any stranger could have everything sent.
    #[must_use]
    pub fn believing(mut self, believes: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.believes = Arc::new(believes);
        self
    }

    /// The same at an address that speaks TLS.
    #[must_use]
    pub fn secured(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// Begins to answer a request of this method that this peer sends with these headers, whose route has this
    /// name.
    pub fn begin(
        &self,
        method: &Method,
        headers: &HeaderMap,
        route: &str,
        peer: Option<IpAddr>,
    ) -> Begun {
        let at = Instant::now();
        let trace = match TraceContext::from_headers(headers) {
            Some(trace) => trace.of_caller(peer.is_some_and(|peer| (self.believes)(peer))),
            None => TraceContext::begin((self.draw)()),
        };
        let method = word(method);
        Begun {
            at,
            trace,
            method,
            span: trace.within(|| (self.span)(&trace, method, route)),
        }
    }

    /// Answers a request that was begun as the layer does: for a route that is known before any router has
    /// looked for it.
    pub async fn answer(
        &self,
        begun: Begun,
        route: &str,
        answering: impl Future<Output = Response>,
    ) -> Response {
        let trace = begun.trace;
        let mut response = trace.scope(answering.instrument(begun.span.clone())).await;
        self.end(&begun, route, &mut response);
        response
    }

    fn end(&self, begun: &Begun, route: &str, response: &mut Response) {
        let status = response.status();
        begun
            .span
            .record("http.response.status_code", status.as_u16());
        if status >= StatusCode::INTERNAL_SERVER_ERROR {
            begun.span.record("otel.status_code", "ERROR");
        }
        begun.trace.name_in(response.headers_mut());
        self.answered(begun.method, route, status, begun.at.elapsed());
    }

    /// Of what found no place among what is told apart.
    fn labels_of_the_rest(&self) -> Labels {
        vec![
            ("http.request.method", OTHER.into()),
            ("http.route", OTHER.into()),
            ("url.scheme", self.scheme.into()),
        ]
    }

    /// A request was answered. By which method nobody can ask is not told apart: whoever tried them all on every route
    /// would take the places of others.
    fn answered(&self, method: &'static str, route: &str, status: StatusCode, took: Duration) {
        let is_none_of_its = status == StatusCode::METHOD_NOT_ALLOWED;
        let answered = Answered {
            scheme: self.scheme,
            method: if is_none_of_its { OTHER } else { method },
            route,
            status: status.as_u16(),
        };
        let durations = self.durations.at(&answered, |it| Answered {
            scheme: it.scheme,
            method: it.method,
            route: it.route.into(),
            status: it.status,
        });
        durations.took(took);
    }

    /// How long requests took.
    pub fn families(&self) -> Vec<Family> {
        let told = self.durations.iter();
        let told = told.map(|(answered, durations)| (answered.labels(), durations.distribution()));
        let rest = self.durations.rest().distribution();
        let rest = (rest.count() > 0).then(|| (self.labels_of_the_rest(), rest));
        let mut points: Vec<_> = told.chain(rest).collect();
        points.sort_by(|(one, _), (other, _)| one.cmp(other));
        vec![Family {
            name: "http.server.request.duration",
            unit: "s",
            help: "How long requests took, from their head to the head of their answer.",
            points: Points::Histograms(points),
        }]
    }
}

/// What gives every request its trace, as an extension and for the task; names it in the response; measures.
/// Lay it around the routes: it tells them apart by their names.
pub fn layer(http: Arc<Http>) -> HttpLayer {
    HttpLayer(http)
}

/// See [`layer`]. A function in the place of a layer would cost each request some copies of what lies
/// below it.
#[derive(Clone)]
pub struct HttpLayer(Arc<Http>);

impl<S> Layer<S> for HttpLayer {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured {
            http: self.0.clone(),
            inner,
        }
    }
}

/// A service within the layer.
#[derive(Clone)]
pub struct Measured<S> {
    http: Arc<Http>,
    inner: S,
}

type Answering<E> = Pin<Box<dyn Future<Output = Result<Response, E>> + Send>>;

impl<S> Service<Request> for Measured<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Answering<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let name = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip());
        let begun = self
            .http
            .begin(request.method(), request.headers(), name, peer);
        let trace = begun.trace;
        request.extensions_mut().insert(trace);
        let answering = trace.within(|| self.inner.call(request));
        let answering = trace.scope(answering.instrument(begun.span.clone()));
        let http = self.http.clone();
        Box::pin(async move {
            let mut response = answering.await?;
            let name = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
            http.end(&begun, name, &mut response);
            Ok(response)
        })
    }
}

/// The method as a word of ours.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, routing::get};
    use tower::ServiceExt as _;

    use super::*;
    use crate::trace_context::TRACEPARENT;

    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn served() -> (Router, Arc<Http>) {
        let http = Http::untraced(Box::new(|| [7; 24]));
        (serves(http.clone()), Arc::new(http))
    }

    fn serves(http: Http) -> Router {
        let known = || async { TraceContext::current().unwrap().trace_id().to_owned() };
        Router::new()
            .route("/t/{slug}/known", get(known))
            .route("/away", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            .fallback(|| async { StatusCode::NOT_FOUND })
            .layer(layer(Arc::new(http)))
    }

    async fn asked(router: &Router, path: &str, trace: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(trace) = trace {
            request = request.header("traceparent", trace);
        }
        let request = request.body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_trace_is_echoed_or_begun_and_known_within() {
        let (router, _) = served();
        let echoed = asked(&router, "/t/acme/known", Some(SENT)).await;
        assert_eq!(echoed.headers()[TRACEPARENT], SENT);
        let body = axum::body::to_bytes(echoed.into_body(), 100).await.unwrap();
        assert_eq!(&*body, b"4bf92f3577b34da6a3ce929d0e0e4736");
        let begun = asked(&router, "/nowhere", None).await;
        let begun = begun.headers()[TRACEPARENT].to_str().unwrap();
        assert!(begun.starts_with("00-0707"), "{begun}");
    }

    #[tokio::test]
    async fn a_label_is_a_route_and_never_a_path() {
        let (router, http) = served();
        for path in ["/t/acme/known", "/t/other/known", "/made/up", "/chs_secret"] {
            asked(&router, path, None).await;
        }
        let families = http.families();
        let Points::Histograms(points) = &families[0].points else {
            panic!("{families:?}");
        };
        let counted: Vec<_> = points
            .iter()
            .map(|(labels, spread)| (&*labels[1].1, &*labels[2].1, spread.count()))
            .collect();
        assert_eq!(counted, [("/t/{slug}/known", "200", 2), ("none", "404", 2)]);
    }

    #[tokio::test]
    async fn strangers_take_no_places_by_methods_and_what_finds_none_is_told_together() {
        let (router, http) = served();
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            let request = Request::builder().method(method).uri("/away");
            let request = request.body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        }
        for route in 0..2_000 {
            http.answered("GET", &route.to_string(), StatusCode::OK, Duration::ZERO);
        }
        let families = http.families();
        let Points::Histograms(points) = &families[0].points else {
            panic!("{families:?}");
        };
        let others: Vec<_> = points
            .iter()
            .filter(|(labels, _)| labels[0].1 == OTHER)
            .map(|(labels, spread)| (&*labels[1].1, spread.count()))
            .collect();
        assert_eq!(others, [("/away", 3), (OTHER, 2_001 - 1_024)]);
    }

    #[tokio::test]
    async fn what_is_spoken_and_what_failed_are_told() {
        let (router, http) = served();
        let secured = serves((*http).clone().secured());
        asked(&router, "/away", None).await;
        asked(&secured, "/away", None).await;
        asked(&secured, "/t/acme/known", None).await;
        let families = http.families();
        let Points::Histograms(points) = &families[0].points else {
            panic!("{families:?}");
        };
        let of = |labels: &Labels, name: &str| {
            let found = labels.iter().find(|(label, _)| *label == name);
            found.map(|(_, value)| value.to_string())
        };
        let told: Vec<_> = points
            .iter()
            .map(|(labels, _)| (of(labels, "url.scheme"), of(labels, "error.type")))
            .collect();
        let told: Vec<_> = told
            .iter()
            .map(|(scheme, fault)| (scheme.as_deref(), fault.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                (Some("http"), Some("503")),
                (Some("https"), Some("503")),
                (Some("https"), None),
            ]
        );
    }
}
