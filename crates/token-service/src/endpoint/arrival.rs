//! What comes in: a request to one of the endpoints, read but not judged.

use std::{mem, net::IpAddr};

use axum::{
    Extension,
    body::Bytes,
    extract::{
        DefaultBodyLimit, FromRequest, FromRequestParts, Request,
        rejection::{BytesRejection, ExtensionRejection},
    },
};
use chancery_telemetry::TraceContext;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};

use crate::{
    TokenService,
    address::ClientAddress,
    form, json_body,
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
}

impl FromRequest<TokenService> for Arrival {
    type Rejection = ExtensionRejection;

    async fn from_request(
        request: Request,
        service: &TokenService,
    ) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let Ok(TenantSlug(slug)) = TenantSlug::from_request_parts(&mut parts, service).await;
        let Ok(ClientAddress(address)) =
            ClientAddress::from_request_parts(&mut parts, service).await;
        let Extension(trace) = Extension::from_request_parts(&mut parts, service).await?;
        let headers = mem::take(&mut parts.headers);
        let mut request = Request::from_parts(parts, body);
        DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
        let body = Bytes::from_request(request, service).await;
        let parameters = parameters(&headers, body);
        Ok(Self {
            slug,
            address,
            trace,
            headers,
            parameters,
        })
    }
}

/// Reads the body as what it says it is.
fn parameters(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Parameters, Malformed> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Malformed::TooLarge,
        _ => Malformed::Interrupted,
    })?;
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
    let essence = content_type
        .as_bytes()
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    let essence = essence.trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        if let Malformed::UnsaidJson = unsaid {
            return Err(unsaid);
        }
        form::parse(&body)
    } else if essence.eq_ignore_ascii_case(b"application/json") {
        json_body::parse(&body)
    } else {
        Err(unsaid)
    }
}
