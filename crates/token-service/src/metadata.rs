//! The metadata document (RFC 8414), also where `OpenID` Connect libraries look for it.

use std::{collections::BTreeSet, convert::Infallible};

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    response::{IntoResponse, Response},
};
use chancery_crypto::AssertionAlgorithm;
use chancery_directory::TenantEntry;
use chancery_domain::{
    Timestamp,
    api::ApiState,
    tenant::{SigningAlgorithm, TenantPolicy, TokenAuthMethod},
    value::ClientKeyAlgorithm,
};
use http::{header::CACHE_CONTROL, request::Parts};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    TokenService,
    published::{Published, kept_for, published},
};

/// The slug in the URL, whatever stands there; empty where it cannot be read.
pub(crate) struct TenantSlug(pub(crate) String);

impl FromRequestParts<TokenService> for TenantSlug {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &TokenService,
    ) -> Result<Self, Infallible> {
        let slug = Path::<String>::from_request_parts(parts, service).await;
        Ok(Self(slug.map(|Path(slug)| slug).unwrap_or_default()))
    }
}

/// The document.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Metadata {
    issuer: String,
    token_endpoint: String,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// With which algorithms assertions may be signed; left out where there are none (RFC 8414,
    /// section 2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    jwks_uri: String,
    /// `OpenID` Connect's name for it, and the only one that there is: what libraries take for the
    /// algorithms of the issuer's tokens, and without which some of them accept RS256 alone. There are
    /// no ID tokens.
    id_token_signing_alg_values_supported: Vec<&'static str>,
    grant_types_supported: Vec<&'static str>,
    response_types_supported: [&'static str; 0],
}

/// `GET {public_url}/.well-known/oauth-authorization-server/t/{slug}` and
/// `GET {issuer}/.well-known/openid-configuration`
pub(crate) async fn handle(State(service): State<TokenService>, slug: TenantSlug) -> Response {
    match published(&service, &slug).await {
        Ok(Published { tenant, good_for }) => {
            let issuer = service.issuer(&tenant.tenant.slug);
            let document = document(&issuer, &tenant, service.clock().now());
            ([(CACHE_CONTROL, kept_for(good_for))], Json(document)).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

fn document(issuer: &str, tenant: &TenantEntry, now: Timestamp) -> Metadata {
    let policy = &tenant.tenant.policy;
    let (methods, algorithms) = (auth_methods(policy), assertion_algorithms(policy));
    let refreshes = policy.refresh_token_seconds.map(|_| "refresh_token");
    Metadata {
        issuer: issuer.to_owned(),
        token_endpoint: format!("{issuer}/oauth2/token"),
        token_endpoint_auth_methods_supported: methods.clone(),
        token_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        introspection_endpoint: format!("{issuer}/oauth2/introspect"),
        introspection_endpoint_auth_methods_supported: methods.clone(),
        introspection_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        revocation_endpoint: format!("{issuer}/oauth2/revoke"),
        revocation_endpoint_auth_methods_supported: methods,
        revocation_endpoint_auth_signing_alg_values_supported: algorithms,
        jwks_uri: format!("{issuer}/oauth2/jwks"),
        id_token_signing_alg_values_supported: signing_algorithms(tenant, now),
        grant_types_supported: ["client_credentials"]
            .into_iter()
            .chain(refreshes)
            .collect(),
        response_types_supported: [],
    }
}

/// What tokens are signed with: the tenant's algorithm, those that APIs have of their own, and those of the
/// other keys in the key set, since what they signed lives on, or since they will sign soon.
fn signing_algorithms(tenant: &TenantEntry, now: Timestamp) -> Vec<&'static str> {
    let policy = &tenant.tenant.policy;
    let of_apis = tenant
        .apis
        .iter()
        .filter(|api| api.state == ApiState::Active)
        .map(|api| api.tokens.algorithm(policy));
    let of_keys = tenant.keys.in_set(now).map(|key| key.algorithm);
    let all: BTreeSet<_> = of_apis
        .chain(of_keys)
        .chain([policy.signing_algorithm])
        .collect();
    all.into_iter().map(SigningAlgorithm::as_str).collect()
}

/// The ways to authenticate that the tenant allows.
fn auth_methods(policy: &TenantPolicy) -> Vec<&'static str> {
    let allowed = policy.allowed_auth_methods.iter();
    allowed.map(|method| method.as_str()).collect()
}

/// What assertions may be signed with, in the ways that the tenant allows.
fn assertion_algorithms(policy: &TenantPolicy) -> Vec<&'static str> {
    let allowed = |way| policy.allowed_auth_methods.contains(&way);
    let mut algorithms = Vec::new();
    if allowed(TokenAuthMethod::PrivateKeyJwt) {
        algorithms.extend(ClientKeyAlgorithm::ALL.map(ClientKeyAlgorithm::as_str));
    }
    if allowed(TokenAuthMethod::ClientSecretJwt) {
        algorithms.push(AssertionAlgorithm::Hs256.as_str());
    }
    algorithms
}

#[cfg(test)]
mod tests {
    use chancery_directory::{Apis, Keys, Stamp};
    use chancery_domain::{
        TenantId,
        tenant::{Tenant, TenantState},
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn it_names_what_there_is() {
        let mut tenant = TenantEntry {
            id: TenantId::from_bytes([1; 16]),
            stamp: Stamp {
                head: 1,
                recorded_at: Timestamp::from_micros(0),
            },
            newest: Timestamp::from_micros(0),
            tenant: Tenant {
                slug: "acme".parse().unwrap(),
                display_name: "Acme".parse().unwrap(),
                policy: TenantPolicy::default(),
                state: TenantState::Active,
            },
            apis: Apis::default(),
            keys: Keys::default(),
        };
        let named = document("https://auth.example/t/acme", &tenant, tenant.newest);
        assert_eq!(
            serde_json::to_value(named).unwrap(),
            json!({
                "issuer": "https://auth.example/t/acme",
                "token_endpoint": "https://auth.example/t/acme/oauth2/token",
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "RS256", "PS256"],
                "introspection_endpoint": "https://auth.example/t/acme/oauth2/introspect",
                "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
                "introspection_endpoint_auth_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "RS256", "PS256"],
                "revocation_endpoint": "https://auth.example/t/acme/oauth2/revoke",
                "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
                "revocation_endpoint_auth_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "RS256", "PS256"],
                "jwks_uri": "https://auth.example/t/acme/oauth2/jwks",
                "id_token_signing_alg_values_supported": ["ES256"],
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": [],
            })
        );
        tenant.tenant.policy.refresh_token_seconds = Some(60);
        let refreshing = document("https://auth.example/t/acme", &tenant, tenant.newest);
        assert_eq!(
            refreshing.grant_types_supported,
            ["client_credentials", "refresh_token"]
        );
    }

    #[test]
    fn ways_that_the_policy_forbids_are_not_named() {
        use TokenAuthMethod::{
            ClientSecretBasic, ClientSecretJwt, ClientSecretPost, PrivateKeyJwt,
        };
        let of_keys = ["ES256", "ES384", "EdDSA", "RS256", "PS256"];
        let with_hmac = ["ES256", "ES384", "EdDSA", "RS256", "PS256", "HS256"];
        for (allowed, methods, algorithms) in [
            (vec![ClientSecretPost], vec!["client_secret_post"], &[][..]),
            (
                vec![ClientSecretBasic, ClientSecretJwt],
                vec!["client_secret_basic", "client_secret_jwt"],
                &["HS256"],
            ),
            (vec![PrivateKeyJwt], vec!["private_key_jwt"], &of_keys),
            (
                vec![PrivateKeyJwt, ClientSecretJwt],
                vec!["client_secret_jwt", "private_key_jwt"],
                &with_hmac,
            ),
        ] {
            let policy = TenantPolicy {
                allowed_auth_methods: allowed.into_iter().collect(),
                ..TenantPolicy::default()
            };
            assert_eq!(auth_methods(&policy), methods);
            assert_eq!(assertion_algorithms(&policy), algorithms);
        }
    }
}
