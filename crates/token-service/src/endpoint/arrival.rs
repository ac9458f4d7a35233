//! What comes in: a request to one of the endpoints, read but not judged.

use std::{error::Error, net::IpAddr};

use axum::{
    Extension,
    extract::{FromRequest, FromRequestParts, Request, rejection::ExtensionRejection},
};
use bytes::Bytes;
use chancery_telemetry::TraceContext;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT},
};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::{
    TokenService,
    address::peer,
    charset, form, json_body,
    metadata::TenantSlug,
    parameters::{MAX_BODY, Malformed, Parameters},
};

/// A request as it came.
pub(crate) struct Arrival {
    /// What stands in the URL where the tenant's slug should.
    pub(super) slug: String,
    pub(super) address: IpAddr,
    pub(super) trace: TraceContext,
    pub(super) headers: HeaderMap,
    pub(super) parameters: Result<Parameters, Malformed>,
    /// Whether somebody signs in to the console.
    pub(super) signs_in: bool,
}

/// Says of a request, in the process, that somebody signs in with it to the console: it has limits of its own.
#[derive(Clone, Copy, Debug)]
pub struct SignIn;

impl FromRequest<TokenService> for Arrival {
    type Rejection = ExtensionRejection;

    async fn from_request(
        request: Request,
        service: &TokenService,
    ) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let Ok(TenantSlug(slug)) = TenantSlug::from_request_parts(&mut parts, service).await;
        let Extension(trace) = Extension::from_request_parts(&mut parts, service).await?;
        let peer = peer(&parts.extensions);
        let signs_in = parts.extensions.get::<SignIn>().is_some();
        let read = Self::read(service, slug, peer, trace, parts.headers, body).await;
        Ok(Self { signs_in, ..read })
    }
}

impl Arrival {
    /// Reads a request from this peer.
    pub(crate) async fn read<B>(
        service: &TokenService,
        slug: String,
        peer: IpAddr,
        trace: TraceContext,
        headers: HeaderMap,
        body: B,
    ) -> Self
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let address = service.config().trusted_proxies.client(peer, &headers);
        let body = read(&headers, body).await;
        let parameters = body.and_then(|body| parameters(&headers, &body));
        Self {
            slug,
            address,
            trace,
            headers,
            parameters,
            signs_in: false,
        }
    }
}

/// The whole body, where it is not too large. Who waits to be asked for one that is so is not asked.
async fn read<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Malformed>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if headers.contains_key(EXPECT) && body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Malformed::TooLarge);
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Malformed::TooLarge),
        Err(_) => Err(Malformed::Interrupted),
    }
}

/// Reads the body as what it says it is.
fn parameters(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, Malformed> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Malformed::Encoded);
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    // No form begins so: there it would be percent-encoded.
    let unsaid = if body.trim_ascii_start().starts_with(b"{") {
        Malformed::UnsaidJson
    } else {
        Malformed::ContentType
    };
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return Err(unsaid);
    };
    let mut said = content_type.as_bytes().split(|byte| *byte == b';');
    let essence = said.next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        if let Malformed::UnsaidJson = unsaid {
            return Err(unsaid);
        }
        charset::check(said, body)?;
        form::parse(body)
    } else if essence.eq_ignore_ascii_case(b"application/json") {
        charset::check(said, body)?;
        json_body::parse(body)
    } else {
        Err(unsaid)
    }
}
