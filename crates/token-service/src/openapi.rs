//! What the endpoints take and answer, for the `OpenAPI` document: the schemas are those of the types
//! that are sent, and the errors of an endpoint are its codes, by their status.

use chancery_domain::Timestamp;
use chancery_telemetry::TraceContext;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    claims::TokenId,
    endpoint::Endpoint,
    error::{Code, Problem},
    introspect::Introspection,
    metadata::Metadata,
    parameters::{KNOWN, MAX_BODY, is_list},
    token::Issued,
};

/// The bytes of the trace that the examples are in.
const TRACE: [u8; 24] = *b"the trace of an example.";

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The paths of [`crate::router`], each with its operations.
pub fn paths() -> Value {
    json!({
        "/t/{slug}/oauth2/token": posted(Endpoint::Token),
        "/t/{slug}/oauth2/introspect": posted(Endpoint::Introspection),
        "/t/{slug}/oauth2/revoke": posted(Endpoint::Revocation),
        "/t/{slug}/oauth2/jwks": jwks(),
        "/.well-known/oauth-authorization-server/t/{slug}": metadata("metadata", "Metadata of a tenant (RFC 8414)"),
        "/t/{slug}/.well-known/openid-configuration":
            metadata("metadataAppended", "The same document, for libraries that append the path"),
    })
}

/// The schemas that the paths name.
pub fn schemas() -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = SchemaGenerator::new(settings);
    generator.subschema_for::<Issued>();
    generator.subschema_for::<Introspection>();
    generator.subschema_for::<Metadata>();
    generator.subschema_for::<Problem>();
    let mut schemas = generator.take_definitions(true);
    for endpoint in [
        Endpoint::Token,
        Endpoint::Introspection,
        Endpoint::Revocation,
    ] {
        schemas.insert(format!("{}Request", title(endpoint)), request(endpoint));
    }
    schemas.insert("JwkSet".to_owned(), json!({
        "type": "object",
        "description": "Public keys (RFC 7517): those that sign, those that will, and those that signed what still lives.",
        "required": ["keys"],
        "properties": {"keys": {"type": "array", "items": {
            "type": "object",
            "required": ["kty", "kid", "alg", "use"],
            "properties": {
                "kty": {"enum": ["EC", "RSA", "OKP"]}, "kid": {"type": "string"},
                "alg": {"enum": ["ES256", "RS256", "EdDSA"]}, "use": {"const": "sig"},
            },
        }}},
    }));
    schemas
}

/// An answer outside OAuth: `application/problem+json` (RFC 9457).
pub fn problem(description: &str) -> Value {
    let mut headers = json!({
        "Cache-Control": header("no-store"),
        "traceparent": reference("headers", "traceparent"),
    });
    if description.contains("Retry-After") {
        headers["Retry-After"] = reference("headers", "Retry-After");
    }
    json!({
        "description": description,
        "headers": headers,
        "content": {"application/problem+json": {"schema": reference("schemas", "Problem")}},
    })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn header(value: &str) -> Value {
    json!({"schema": {"type": "string", "const": value}})
}

fn title(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Token => "Token",
        Endpoint::Introspection => "Introspection",
        Endpoint::Revocation => "Revocation",
    }
}

/// The codes that an endpoint answers with.
fn codes(endpoint: Endpoint) -> Vec<Code> {
    let mut codes = vec![Code::InvalidRequest];
    if endpoint == Endpoint::Token {
        codes.extend([
            Code::InvalidGrant,
            Code::UnauthorizedClient,
            Code::UnsupportedGrantType,
            Code::InvalidScope,
            Code::InvalidTarget,
        ]);
    }
    codes.extend([
        Code::InvalidClient,
        Code::RateLimitExceeded,
        Code::ServerError,
        Code::TemporarilyUnavailable,
    ]);
    codes
}

/// What a parameter means; nothing for one that the endpoint ignores.
fn parameter(endpoint: Endpoint, name: &str) -> Option<Value> {
    let about = endpoint != Endpoint::Token;
    let mut schema = match name {
        "token" if about => {
            json!({"minLength": 1, "description": "The access token or refresh token that is meant."})
        }
        "client_id" => {
            json!({"description": "The client's id; beside Basic or an assertion it may be left out, and must be equal.", "examples": ["client_01h455vb4pex5vsknk084sn02q"]})
        }
        "client_secret" => {
            json!({"format": "password", "description": "The client's secret, where it authenticates by `client_secret_post`."})
        }
        "client_assertion" => {
            json!({"format": "password", "description": "A signed JWT, where it authenticates by `private_key_jwt` or `client_secret_jwt` (RFC 7523). `iss` and `sub` are the client's id, `aud` is the issuer, `exp` at most 300 s ahead, `jti` at most 128 characters and new."})
        }
        "client_assertion_type" => {
            json!({"enum": ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"], "description": "Comes with `client_assertion`."})
        }
        _ if about => return None,
        "grant_type" => {
            json!({"enum": ["client_credentials", "refresh_token"], "description": "RFC 6749, sections 4.4 and 6."})
        }
        "scope" => {
            json!({"description": "Space-separated. Left out: every scope that the client holds at the audiences.", "examples": ["orders:read orders:write"]})
        }
        "refresh_token" => {
            json!({"format": "password", "description": "With `grant_type=refresh_token`: the one that came last. It is used up."})
        }
        "audience" => {
            json!({"description": "Identifiers of APIs, space-separated or repeated.", "examples": ["https://orders.example"]})
        }
        "resource" => {
            json!({"description": "Identifiers of APIs, repeated (RFC 8707); united with `audience`.", "examples": ["https://orders.example"]})
        }
        _ => return None,
    };
    let one = json!({"type": "string"});
    if is_list(name) {
        schema["anyOf"] = json!([one, {"type": "array", "items": one}]);
    } else {
        schema["type"] = "string".into();
    }
    Some(schema)
}

fn request(endpoint: Endpoint) -> Value {
    let properties: Map<_, _> = KNOWN
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), parameter(endpoint, name)?)))
        .collect();
    let required = match endpoint {
        Endpoint::Token => "grant_type",
        Endpoint::Introspection | Endpoint::Revocation => "token",
    };
    json!({
        "type": "object",
        "description": format!("At most {MAX_BODY} bytes. Empty parameters are absent, unknown ones are ignored, and only `audience` and `resource` may be repeated."),
        "required": [required],
        "properties": properties,
    })
}

fn posted(endpoint: Endpoint) -> Value {
    let (operation, summary, description) = match endpoint {
        Endpoint::Token => (
            "token",
            "Ask for an access token (RFC 6749)",
            "With neither `audience` nor `scope`, the token is for every API that the client is granted.",
        ),
        Endpoint::Introspection => (
            "introspect",
            "Ask what is known of a token (RFC 7662)",
            "A token is active for the client it was issued to and, if it is an access token, for those that serve an API in its `aud`. Every other answer is `{\"active\": false}`.",
        ),
        Endpoint::Revocation => (
            "revoke",
            "End a token before its time (RFC 7009)",
            "The answer is the same for every token; only the caller's own are touched.",
        ),
    };
    let schema = reference("schemas", &format!("{}Request", title(endpoint)));
    let example = match endpoint {
        Endpoint::Token => {
            json!({"grant_type": "client_credentials", "scope": "orders:read", "audience": "https://orders.example"})
        }
        Endpoint::Introspection | Endpoint::Revocation => {
            json!({"token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…"})
        }
    };
    let content = json!({"schema": schema, "example": example});
    json!({
        "parameters": [reference("parameters", "slug"), reference("parameters", "traceparent")],
        "post": {
            "operationId": operation,
            "tags": ["Tokens"],
            "summary": summary,
            "description": description,
            // With nothing here, the client authenticates in the body.
            "security": [{"basic": []}, {}],
            "requestBody": {"required": true, "content": {FORM: content, JSON: content}},
            "responses": answers(endpoint),
        },
    })
}

fn answers(endpoint: Endpoint) -> Value {
    let mut done = json!({"description": "Done.", "headers": counted()});
    let content = match endpoint {
        Endpoint::Token => {
            Some(json!({"schema": reference("schemas", "Token"), "example": issued()}))
        }
        Endpoint::Introspection => {
            let inactive = Introspection {
                active: false,
                token: None,
            };
            Some(json!({"schema": reference("schemas", "Introspection"), "example": inactive}))
        }
        Endpoint::Revocation => None,
    };
    if let Some(content) = content {
        done["content"] = json!({JSON: content});
    }
    let mut answers = json!({
        "200": done,
        "408": problem("The body took too long: send it again, all at once."),
    });
    let trace = TraceContext::begin(TRACE);
    for code in codes(endpoint) {
        let status = code.status();
        let answer = &mut answers[status.as_str()];
        if answer.is_null() {
            let mut headers = counted();
            match status.as_u16() {
                401 => headers["WWW-Authenticate"] = reference("headers", "WWW-Authenticate"),
                429 | 503 => headers["Retry-After"] = reference("headers", "Retry-After"),
                _ => {}
            }
            *answer = json!({
                "description": status.canonical_reason(),
                "headers": headers,
                "content": {JSON: {"schema": {
                    "type": "object",
                    "required": ["error", "error_description"],
                    "properties": {
                        "error": {"type": "string", "enum": []},
                        "error_description": {"type": "string", "description": "What happened and what to do."},
                    },
                }, "examples": {}}},
            });
        }
        let body = &mut answer["content"][JSON];
        if let Value::Array(known) = &mut body["schema"]["properties"]["error"]["enum"] {
            known.push(code.as_str().into());
        }
        body["examples"][code.as_str()] = json!({"value": code.example().body(&trace)});
    }
    answers
}

/// A token that is cut short.
fn issued() -> Issued {
    Issued {
        access_token: "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…".to_owned(),
        token_type: "Bearer",
        expires_in: 3_600,
        scope: "orders:read".to_owned(),
        refresh_token: None,
        jti: TokenId::new(Timestamp::from_micros(0), &[0; 10]),
    }
}

/// What every answer carries here.
fn counted() -> Value {
    json!({
        "Cache-Control": header("no-store"),
        "traceparent": reference("headers", "traceparent"),
        "x-ratelimit-limit": reference("headers", "x-ratelimit-limit"),
        "x-ratelimit-remaining": reference("headers", "x-ratelimit-remaining"),
        "x-ratelimit-reset": reference("headers", "x-ratelimit-reset"),
    })
}

fn published(operation: &str, summary: &str, schema: &str, media: &str, etag: bool) -> Value {
    let mut headers = json!({
        "Cache-Control": {"schema": {"type": "string"}, "description": "For how many seconds it may be kept, 300 at most.", "example": "public, max-age=300"},
        "traceparent": reference("headers", "traceparent"),
    });
    if etag {
        headers["ETag"] = json!({"schema": {"type": "string"}});
    }
    json!({
        "parameters": [reference("parameters", "slug"), reference("parameters", "traceparent")],
        "get": {
            "operationId": operation,
            "tags": ["Metadata and keys"],
            "summary": summary,
            "security": [],
            "responses": {
                "200": {"description": "The document.", "headers": headers, "content": {media: {"schema": reference("schemas", schema)}}},
                "404": problem("There is no such tenant, or it is closed."),
                "500": problem("A fault of the server; its operator finds it by the trace id."),
                "503": problem("The store cannot be read; come again after the seconds in Retry-After."),
            },
        },
    })
}

fn metadata(operation: &str, summary: &str) -> Value {
    published(operation, summary, "Metadata", JSON, false)
}

fn jwks() -> Value {
    let mut path = published(
        "jwks",
        "The keys that verify a tenant's tokens (RFC 7517)",
        "JwkSet",
        "application/jwk-set+json",
        true,
    );
    let headers = path["get"]["responses"]["200"]["headers"].clone();
    path["get"]["parameters"] = json!([{"name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "description": "The ETag of the set that is kept."}]);
    path["get"]["responses"]["304"] =
        json!({"description": "The set that is kept is still the set.", "headers": headers});
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_that_is_read_is_documented_somewhere() {
        for name in KNOWN {
            let endpoints = [Endpoint::Token, Endpoint::Introspection];
            assert!(
                endpoints
                    .iter()
                    .any(|endpoint| parameter(*endpoint, name).is_some()),
                "{name}"
            );
        }
    }

    /// What the document shows of an error is what its refusal answers, in the same trace.
    #[tokio::test]
    async fn every_example_of_an_error_is_what_is_answered() {
        for endpoint in [
            Endpoint::Token,
            Endpoint::Introspection,
            Endpoint::Revocation,
        ] {
            let documented = answers(endpoint);
            for code in codes(endpoint) {
                let refusal = code.example();
                assert_eq!(refusal.code(), code);
                let response = refusal.response(true, &TraceContext::begin(TRACE));
                assert_eq!(response.status(), code.status());
                let headers = &documented[code.status().as_str()]["headers"];
                let told = response.headers().contains_key("retry-after");
                assert_eq!(headers.get("Retry-After").is_some(), told, "{code:?}");
                let body = axum::body::to_bytes(response.into_body(), 10_000);
                let body: Value = serde_json::from_slice(&body.await.unwrap()).unwrap();
                let examples = &documented[code.status().as_str()]["content"][JSON]["examples"];
                assert_eq!(examples[code.as_str()]["value"], body, "{code:?}");
            }
        }
    }
}
