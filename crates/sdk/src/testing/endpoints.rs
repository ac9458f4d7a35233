//! What the test issuer answers.

use std::{collections::BTreeMap, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{TestClient, TestIssuer, issuer::Outage};
use crate::{
    Scopes, UnverifiedClaims,
    clock::unix_seconds,
    transport::{BoxFuture, Transport, TransportError},
};

/// Answers for several issuers.
#[derive(Debug)]
pub(super) struct InMemory(pub(super) Vec<TestIssuer>);

impl Transport for InMemory {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let url = request.uri().to_string();
            for issuer in &self.0 {
                if let Some(endpoint) = issuer.endpoint(&url) {
                    // As over a network: others run before there is an answer.
                    tokio::task::yield_now().await;
                    return issuer.answer(endpoint, &request).await;
                }
            }
            Ok(answer(StatusCode::NOT_FOUND, &json!({})))
        })
    }
}

impl TestIssuer {
    fn endpoint(&self, url: &str) -> Option<&'static str> {
        let issuer = Url::parse(&self.url).ok()?;
        let path = issuer.path().trim_end_matches('/');
        let mut well_known = issuer.clone();
        well_known.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
        if url == well_known.as_str() {
            return Some("metadata");
        }
        match url.strip_prefix(&*self.url)? {
            "/.well-known/openid-configuration" => Some("metadata"),
            "/oauth2/token" => Some("token"),
            "/oauth2/jwks" => Some("jwks"),
            "/oauth2/introspect" => Some("introspect"),
            "/oauth2/revoke" => Some("revoke"),
            _ => None,
        }
    }

    async fn answer(
        &self,
        endpoint: &'static str,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, TransportError> {
        let outage = {
            let mut state = self.state();
            *state.requests.entry(endpoint).or_default() += 1;
            state.outage
        };
        match outage {
            Some(Outage::Unreachable) => return Err(TransportError::new("connection refused")),
            Some(Outage::Silent) => {
                tokio::time::sleep(Duration::from_hours(24)).await;
            }
            Some(Outage::Status(status, retry_after)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
                let mut response = answer(status, &json!({"error": "temporarily_unavailable"}));
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert("retry-after", seconds.into());
                }
                return Ok(response);
            }
            None => {}
        }
        Ok(match endpoint {
            "metadata" => answer(StatusCode::OK, &self.metadata()),
            "jwks" => self.key_set(request),
            _ => {
                let form: Vec<_> = form_urlencoded::parse(request.body())
                    .into_owned()
                    .collect();
                match (self.authenticated(request, &form), endpoint) {
                    (None, _) => error(StatusCode::UNAUTHORIZED, "invalid_client"),
                    (Some(client), "token") => self.grant(&client, &form),
                    (Some(client), "introspect") => self.introspect(&client, &form),
                    (Some(client), _) => {
                        let token = first(&form, "token").unwrap_or_default();
                        let of = UnverifiedClaims::of(token).and_then(|claims| claims.client_id);
                        if of.as_ref() == Some(&client.id) {
                            self.revoke(token);
                        }
                        answer(StatusCode::OK, &json!({}))
                    }
                }
            }
        })
    }

    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}/oauth2/{path}", self.url);
        json!({
            "issuer": &*self.url,
            "token_endpoint": at("token"),
            "jwks_uri": at("jwks"),
            "introspection_endpoint": at("introspect"),
            "revocation_endpoint": at("revoke"),
        })
    }

    fn key_set(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let keys = json!({"keys": self.state().published});
        let digest = digest(&SHA256, keys.to_string().as_bytes());
        let tag = format!("\"{}\"", STANDARD.encode(digest));
        let known = request.headers().get("if-none-match");
        let mut response = if known.is_some_and(|known| known == tag.as_str()) {
            answer(StatusCode::NOT_MODIFIED, &json!({}))
        } else {
            answer(StatusCode::OK, &keys)
        };
        let headers = response.headers_mut();
        headers.insert(
            "cache-control",
            http::HeaderValue::from_static("public, max-age=300"),
        );
        if let Ok(tag) = tag.parse() {
            headers.insert("etag", tag);
        }
        response
    }

    /// As Chancery grants: what is asked for and granted, and nothing is silently dropped.
    fn grant(&self, client: &TestClient, form: &[(String, String)]) -> Response<Bytes> {
        let wanted: Scopes = first(form, "scope").unwrap_or_default().into();
        let named: Vec<_> = form
            .iter()
            .filter(|(name, _)| name == "audience" || name == "resource")
            .flat_map(|(_, value)| value.split_ascii_whitespace())
            .collect();
        if named
            .iter()
            .any(|audience| !client.grants.contains_key(*audience))
        {
            return error(StatusCode::BAD_REQUEST, "invalid_target");
        }
        let chosen: BTreeMap<_, _> = client
            .grants
            .iter()
            .filter(|(audience, scopes)| match named.as_slice() {
                [] => wanted.is_empty() || scopes.iter().any(|scope| wanted.contains(scope)),
                named => named.contains(&audience.as_str()),
            })
            .collect();
        let granted: Scopes = chosen.values().flat_map(|scopes| scopes.iter()).collect();
        if wanted.iter().any(|scope| !granted.contains(scope)) {
            return error(StatusCode::BAD_REQUEST, "invalid_scope");
        }
        let scopes = if wanted.is_empty() { granted } else { wanted };
        let mut token = self
            .token(&client.id)
            .scopes(scopes.to_string())
            .claim("credential_id", format!("secret_{}", client.id));
        for audience in chosen.keys() {
            token = token.audience(audience);
        }
        if !client.roles.is_empty() {
            token = token.claim("roles", json!(client.roles));
        }
        let lifetime = self.state().lifetime.as_secs();
        answer(
            StatusCode::OK,
            &json!({
                "access_token": token.sign(),
                "token_type": "Bearer",
                "expires_in": lifetime,
                "scope": scopes.to_string(),
            }),
        )
    }

    fn introspect(&self, client: &TestClient, form: &[(String, String)]) -> Response<Bytes> {
        let inactive = json!({"active": false});
        let claims = first(form, "token").and_then(UnverifiedClaims::of);
        let Some(claims) = claims else {
            return answer(StatusCode::OK, &inactive);
        };
        let now = self.clock.now();
        let state = self.state();
        let serves = claims
            .audiences
            .iter()
            .any(|audience| client.serves.contains(audience))
            || claims.client_id.as_ref() == Some(&client.id);
        let live = claims.issuer.as_deref() == Some(&*self.url)
            && claims.expires_at.is_some_and(|end| end > now)
            && claims
                .token_id
                .as_ref()
                .is_some_and(|id| !state.revoked.contains(id))
            && claims
                .client_id
                .as_ref()
                .is_some_and(|id| state.clients.contains_key(id));
        if !live || !serves {
            return answer(StatusCode::OK, &inactive);
        }
        answer(
            StatusCode::OK,
            &json!({"active": true, "iss": &*self.url, "client_id": claims.client_id,
                "exp": claims.expires_at.map(unix_seconds), "jti": claims.token_id}),
        )
    }

    /// Removes a client, as an operator who deletes or disables it.
    pub fn remove(&self, client_id: &str) {
        self.state().clients.remove(client_id);
    }
}

pub(super) fn first<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = form.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

fn answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response
}

fn error(status: StatusCode, code: &str) -> Response<Bytes> {
    answer(status, &json!({"error": code}))
}
