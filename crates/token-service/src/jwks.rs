//! A tenant's public keys (RFC 7517).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use chancery_domain::{Timestamp, key_ring::LEAD_SECONDS};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};

use crate::{
    TokenService,
    error::Problem,
    metadata::{TenantSlug, published},
};

/// How long a verifier may keep the set, in seconds. A key is in it for longer than that before it signs, so
/// who keeps it no longer never meets an unknown key; and a revoked one should be gone soon.
const MAX_AGE: i64 = 300;
const _: () = assert!(MAX_AGE < LEAD_SECONDS, "a set is older than its lead");

/// `GET {issuer}/oauth2/jwks`
pub(crate) async fn handle(
    State(service): State<TokenService>,
    slug: TenantSlug,
    headers: HeaderMap,
) -> Response {
    let tenant = match published(&service, &slug).await {
        Ok(tenant) => tenant,
        Err(problem) => return problem.into_response(),
    };
    let now = service.clock().now();
    // One that is ahead would take keys out whose tokens are good. Who has the set keeps it.
    if service.clock().trusted().is_err() {
        return Problem::CLOCK.into_response();
    }
    let set = tenant.keys.set(now);
    let tag = tag(tenant.keys.version, set.keys.len());
    let mut response = if headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|header| names(header, &tag))
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Json(&set).into_response();
        let kind = HeaderValue::from_static("application/jwk-set+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    };
    let max_age = max_age(tenant.keys.next_switch(now), now);
    if let Ok(cached) = HeaderValue::from_str(&format!("public, max-age={max_age}")) {
        response.headers_mut().insert(CACHE_CONTROL, cached);
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// For how many seconds the set may be kept: not past the next moment at which another key begins to sign.
fn max_age(switch: Option<Timestamp>, now: Timestamp) -> i64 {
    let until = switch.map_or(MAX_AGE, |switch| switch.seconds() - now.seconds());
    until.clamp(1, MAX_AGE)
}

/// The set is a function of the key ring and the time, which takes one key after the other out of it: so
/// the ring's version and how many there are name it, alike on every node. The first number is that of
/// the way it is written: raise it when the same set is written differently.
fn tag(version: i64, keys: usize) -> String {
    format!("\"2-{version}-{keys}\"")
}

/// Whether `If-None-Match` names the tag (RFC 9110, section 13.1.2), weakly compared.
fn names(header: &HeaderValue, tag: &str) -> bool {
    let listed = |one: &[u8]| {
        let one = one.trim_ascii();
        one == b"*" || one.strip_prefix(b"W/").unwrap_or(one) == tag.as_bytes()
    };
    header.as_bytes().split(|byte| *byte == b',').any(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_kept_no_longer_than_to_the_next_switch() {
        let now = Timestamp::from_micros(0);
        for (switch, kept) in [
            (None, 300),
            (Some(3_600), 300),
            (Some(20), 20),
            (Some(0), 1),
        ] {
            let switch = switch.map(|seconds| now.plus_seconds(seconds));
            assert_eq!(max_age(switch, now), kept);
        }
    }

    #[test]
    fn if_none_match_is_a_list_of_tags() {
        let tag = tag(7, 1);
        for (header, named) in [
            ("\"2-7-1\"", true),
            ("W/\"2-7-1\"", true),
            ("\"2-6-1\", \"2-7-1\"", true),
            ("*", true),
            ("\"2-6-1\"", false),
            ("2-7-1", false),
            ("", false),
        ] {
            assert_eq!(
                names(&HeaderValue::from_static(header), &tag),
                named,
                "{header}"
            );
        }
    }
}
