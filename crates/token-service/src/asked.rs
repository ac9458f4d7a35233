//! The endpoints that clients authenticate at, told by method and path: what is asked for most need not be
//! looked for among all routes, nor go through what a router lays around each.

use std::net::SocketAddr;

use axum::response::Response;
use bytes::Bytes;
use chancery_domain::value::Slug;
use chancery_telemetry::TraceContext;
use http::{HeaderMap, Method};
use http_body::Body;

use crate::{
    TokenService,
    endpoint::{Arrival, Endpoint},
};

/// One of these endpoints of the tenant with some slug, which is asked by `POST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    endpoint: Endpoint,
    slug: String,
}

impl Asked {
    /// What is asked with this method at this path. `None`: something else, or something that only a router
    /// can tell.
    pub fn at(method: &Method, path: &str) -> Option<Self> {
        if *method != Method::POST {
            return None;
        }
        let (slug, endpoint) = path.strip_prefix("/t/")?.split_once('/')?;
        let endpoint = Endpoint::ALL
            .into_iter()
            .find(|known| known.route().strip_prefix("/t/{slug}/") == Some(endpoint))?;
        // Nothing in a slug is percent-encoded.
        Slug::is(slug).then(|| Self {
            endpoint,
            slug: slug.to_owned(),
        })
    }

    /// The name of its route.
    pub fn route(&self) -> &'static str {
        self.endpoint.route()
    }

    /// Answers as the route of [`router`](crate::router) does, a request from this peer with these headers
    /// and this body.
    pub async fn answer<B>(
        self,
        service: &TokenService,
        peer: SocketAddr,
        trace: TraceContext,
        headers: HeaderMap,
        body: B,
    ) -> Response
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Self { endpoint, slug } = self;
        let arrival = Arrival::read(service, slug, peer.ip(), trace, headers, body).await;
        endpoint.answer(service, &arrival).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(method: Method, path: &str) -> Option<(Endpoint, String)> {
        let Asked { endpoint, slug } = Asked::at(&method, path)?;
        Some((endpoint, slug))
    }

    #[test]
    fn each_endpoint_is_told_by_its_path() {
        for endpoint in Endpoint::ALL {
            let path = endpoint.route().replace("{slug}", "acme-1");
            let asked = Asked::at(&Method::POST, &path).unwrap();
            assert_eq!(asked.route(), endpoint.route());
            assert_eq!(
                at(Method::POST, &path),
                Some((endpoint, "acme-1".to_owned()))
            );
            assert_eq!(at(Method::GET, &path), None);
        }
    }

    #[test]
    fn what_only_a_router_can_tell_is_left_to_it() {
        for path in [
            "",
            "/",
            "/t/acme",
            "/t/acme/",
            "/t/acme/oauth2",
            "/t/acme/oauth2/",
            "/t/acme/oauth2/tokens",
            "/t/acme/oauth2/token/",
            "/t/acme/oauth2/Token",
            "/t/acme/oauth2/jwks",
            "/t/acme//oauth2/token",
            "/t//oauth2/token",
            "//t/acme/oauth2/token",
            "/t/acme%2doauth2/token",
            "/t/ac%6de/oauth2/token",
            "/t/Acme/oauth2/token",
            "/t/{slug}/oauth2/token",
            "/t/../oauth2/token",
            "t/acme/oauth2/token",
        ] {
            assert_eq!(at(Method::POST, path), None, "{path}");
        }
    }
}
