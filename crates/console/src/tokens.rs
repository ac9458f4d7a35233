//! The token endpoint, called within the process, as its caller would from outside.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{ConnectInfo, FromRequestParts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chancery_domain::value::Slug;
use chancery_telemetry::TraceContext;
use http::{
    Extensions, HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT},
    request::Parts,
};
use serde_json::Value;
use tower::ServiceExt;
use url::form_urlencoded;

use crate::{Console, Tokens, stop::Stop};

/// More than any answer of the endpoint holds.
const LARGEST: usize = 256 * 1024;

/// The token endpoint of every tenant.
#[derive(Clone)]
pub(crate) struct TokenEndpoint(Arc<Tokens>);

/// Who asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Somebody who signs in, with it.
    SigningIn,
    /// Somebody who tries it out.
    Trial,
}

/// Where a request came from: the endpoint counts failures by it and writes it down.
#[derive(Clone)]
pub(crate) struct Origin {
    peer: Option<SocketAddr>,
    headers: HeaderMap,
    trace: TraceContext,
}

/// What a request brings along beside its head: the peer's address, wherever the connection noted it.
pub(crate) struct Peer(pub(crate) Extensions);

impl FromRequestParts<Console> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.clone()))
    }
}

/// What the endpoint answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// After how many seconds it is worth asking again, where it says so.
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

impl Answer {
    /// The token, where there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        self.body["access_token"].as_str()
    }

    /// The name of the error, and what is the matter.
    pub(crate) fn error(&self) -> (&str, &str) {
        let text = |name: &str| self.body[name].as_str().unwrap_or_default();
        (text("error"), text("error_description"))
    }
}

impl Origin {
    /// That of a request to the console.
    pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap, trace: &TraceContext) -> Self {
        let mut kept = HeaderMap::new();
        for name in [http::HeaderName::from_static("x-forwarded-for"), USER_AGENT] {
            for value in headers.get_all(&name) {
                kept.append(name.clone(), value.clone());
            }
        }
        Self {
            trace: *trace,
            peer: extensions
                .get::<ConnectInfo<SocketAddr>>()
                .map(|ConnectInfo(peer)| *peer),
            headers: kept,
        }
    }
}

impl TokenEndpoint {
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self(Arc::new(tokens))
    }

    /// Asks for a token with a client's secret, in the way that the tenant allows.
    pub(crate) async fn ask(
        &self,
        (purpose, origin): (Purpose, &Origin),
        slug: &Slug,
        (client, secret): (&str, &str),
        parameters: &[(&str, &str)],
    ) -> Result<Answer, Stop> {
        let by_post = !self.allows_basic(origin, slug).await?;
        let request = token_request(slug, (client, secret), parameters, by_post);
        self.send((purpose, origin), request).await
    }

    /// Whether clients of this tenant may send their secret in the header: its metadata says it.
    async fn allows_basic(&self, origin: &Origin, slug: &Slug) -> Result<bool, Stop> {
        let request = Request::builder()
            .uri(format!("/.well-known/oauth-authorization-server/t/{slug}"))
            .body(Body::empty());
        let metadata = self.send((Purpose::Trial, origin), request).await?.body;
        let ways = metadata["token_endpoint_auth_methods_supported"].as_array();
        Ok(ways.is_none_or(|ways| ways.iter().any(|way| way == "client_secret_basic")))
    }

    async fn send(
        &self,
        (purpose, origin): (Purpose, &Origin),
        request: http::Result<Request<Body>>,
    ) -> Result<Answer, Stop> {
        let mut request =
            request.map_err(|_| Stop::Unreadable("The client's id or secret is no text."))?;
        request.headers_mut().extend(origin.headers.clone());
        request.extensions_mut().insert(origin.trace);
        if let Some(peer) = origin.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let router = match purpose {
            Purpose::SigningIn => &self.0.signing_in,
            Purpose::Trial => &self.0.tried,
        };
        let answered = router.clone().oneshot(request).await;
        let response = answered.unwrap_or_else(|never| match never {});
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|after| after.to_str().ok()?.parse().ok());
        let body = axum::body::to_bytes(response.into_body(), LARGEST).await;
        let body = body
            .ok()
            .and_then(|body| serde_json::from_slice(&body).ok());
        Ok(Answer {
            status,
            retry_after,
            body: body.unwrap_or_default(),
        })
    }
}

/// RFC 6749, section 4.4.2, with the client's secret in the body or in the header (section 2.3.1).
fn token_request(
    slug: &Slug,
    (client, secret): (&str, &str),
    parameters: &[(&str, &str)],
    by_post: bool,
) -> http::Result<Request<Body>> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    form.extend_pairs(parameters);
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("/t/{slug}/oauth2/token"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if by_post {
        form.append_pair("client_id", client);
        form.append_pair("client_secret", secret);
    } else {
        let coded =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let pair = STANDARD.encode(format!("{}:{}", coded(client), coded(secret)));
        request = request.header(AUTHORIZATION, format!("Basic {pair}"));
    }
    request.body(Body::from(form.finish()))
}
