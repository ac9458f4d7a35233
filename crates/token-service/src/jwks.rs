//! A tenant's public keys (RFC 7517).

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chancery_crypto::fingerprint;
use chancery_domain::{Timestamp, key_ring::LEAD_SECONDS};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};

use crate::{
    TokenService,
    error::Problem,
    metadata::TenantSlug,
    published::{MAX_AGE, Published, kept_for, published},
};

// A key is in the set for longer than that before it signs, so who keeps it no longer never meets an unknown key;
// and a revoked one should be gone soon.
const _: () = assert!(MAX_AGE < LEAD_SECONDS, "a set is older than its lead");

/// `GET {issuer}/oauth2/jwks`
pub(crate) async fn handle(
    State(service): State<TokenService>,
    slug: TenantSlug,
    headers: HeaderMap,
) -> Response {
    let Published { tenant, good_for } = match published(&service, &slug).await {
        Ok(published) => published,
        Err(problem) => return problem.into_response(),
    };
    let now = service.clock().now();
    // One that is ahead would take keys out whose tokens are good. Who has the set keeps it.
    if service.clock().trusted().is_err() {
        return Problem::CLOCK.into_response();
    }
    let set = match serde_json::to_string(&tenant.keys.set(now)) {
        Ok(set) => set,
        Err(error) => {
            tracing::error!(%error, "a key set could not be written");
            return Problem::defect().into_response();
        }
    };
    let tag = tag(&set);
    let mut response = if headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|header| names(header, &tag))
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = HeaderValue::from_static("application/jwk-set+json");
        ([(CONTENT_TYPE, kind)], set).into_response()
    };
    let cached = kept_for(max_age(tenant.keys.next_switch(now), now).min(good_for));
    response.headers_mut().insert(CACHE_CONTROL, cached);
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

/// It names what is sent and nothing else: alike on every node, and another for each other set, also of an
/// installation that was made anew or put back, whose key ring counts as another one did.
fn tag(set: &str) -> String {
    format!("\"{}\"", fingerprint(set))
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
        let tag = "\"abc\"";
        for (header, named) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"abd\", \"abc\"", true),
            ("*", true),
            ("\"abd\"", false),
            ("abc", false),
            ("", false),
        ] {
            assert_eq!(
                names(&HeaderValue::from_static(header), tag),
                named,
                "{header}"
            );
        }
    }
}
