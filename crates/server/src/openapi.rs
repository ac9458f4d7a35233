//! The `OpenAPI` 3.1 document of every REST path: those of the token service, as it tells them, and those
//! of the server itself. `schema/openapi.json` is its text.

use chancery_token_service as tokens;
use serde_json::{Value, json};

/// The document as it is served and kept.
pub(crate) fn text() -> String {
    format!("{:#}\n", document())
}

fn document() -> Value {
    let mut paths = tokens::paths();
    let own = [
        (
            "/t/{slug}/roll/checkpoint",
            roll(
                "checkpoint",
                "The latest signed checkpoint of a tenant's roll",
            ),
        ),
        (
            "/t/{slug}/roll/key",
            roll("rollKey", "The key that verifies checkpoints"),
        ),
        (
            "/healthz",
            health("healthz", "Whether the process answers", false),
        ),
        (
            "/readyz",
            health("readyz", "Whether the process can do its work", true),
        ),
        ("/metrics", metrics()),
    ];
    for (path, item) in own {
        paths[path] = item;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Chancery",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "An OAuth 2.0 authorization server for machines. Every tenant has its own issuer, `/t/{slug}`. A path that is asked with another method answers 405, a path that does not exist 404, a request without one clear `Host` 400, all outside OAuth.",
        },
        "servers": [{"url": "/", "description": "This server."}],
        "tags": [
            {"name": "Tokens", "description": "What clients ask for."},
            {"name": "Metadata and keys", "description": "What resource servers read."},
            {"name": "Roll", "description": "What auditors keep."},
            {"name": "Operation", "description": "What whoever runs it watches. Where operators have an address of their own, `/metrics` is there alone."},
        ],
        "paths": paths,
        "components": {
            "schemas": tokens::schemas(),
            "parameters": {
                "slug": {"name": "slug", "in": "path", "required": true, "description": "The tenant's slug.", "schema": {"type": "string"}, "example": "acme"},
                "traceparent": {"name": "traceparent", "in": "header", "description": "The W3C trace to go on with.", "schema": {"type": "string"}},
            },
            "headers": {
                "traceparent": {"description": "The W3C trace of this request.", "schema": {"type": "string"}},
                "Retry-After": {"description": "After how many seconds to come again.", "schema": {"type": "integer", "minimum": 0}},
                "WWW-Authenticate": {"description": "Where the request had an `Authorization` header.", "schema": {"type": "string", "const": "Basic realm=\"chancery\""}},
                "x-ratelimit-limit": {"description": "How many requests the tightest limit allows; only where one applies, like the next two.", "schema": {"type": "integer", "minimum": 0}},
                "x-ratelimit-remaining": {"description": "How many are left of them.", "schema": {"type": "integer", "minimum": 0}},
                "x-ratelimit-reset": {"description": "When its window ends, in Unix seconds.", "schema": {"type": "integer", "minimum": 0}},
            },
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "`client_secret_basic`: the client's id and secret, each form-encoded (RFC 6749, section 2.3.1). The other ways to authenticate are members of the body, for which OpenAPI has no scheme."},
            },
        },
    })
}

fn traced() -> Value {
    json!({"traceparent": {"$ref": "#/components/headers/traceparent"}})
}

fn text_of(media: &str) -> Value {
    json!({media: {"schema": {"type": "string"}}})
}

fn roll(operation: &str, summary: &str) -> Value {
    json!({
        "parameters": [{"$ref": "#/components/parameters/slug"}],
        "get": {
            "operationId": operation, "tags": ["Roll"], "summary": summary, "security": [],
            "responses": {
                "200": {"description": "As text.", "headers": traced(), "content": text_of("text/plain")},
                "404": tokens::problem("There is no such tenant."),
                "500": tokens::problem("A fault of the server; its log has the details."),
                "503": tokens::problem("The store cannot be read; come again after the seconds in Retry-After."),
            },
        },
    })
}

fn health(operation: &str, summary: &str, may_fail: bool) -> Value {
    let answer = |description: &str, status: &[&str]| {
        let schema = json!({
            "type": "object",
            "required": ["status"],
            "properties": {
                "status": {"enum": status},
                "reason": {"type": "string"},
                "alarm": {"type": "string"},
                "rolls": {"type": "integer"},
            },
        });
        json!({"description": description, "headers": traced(), "content": {"application/json": {"schema": schema}}})
    };
    let mut responses = json!({"200": answer("Yes.", &[if may_fail { "ready" } else { "ok" }])});
    if may_fail {
        responses["503"] = answer("No; `reason` says why.", &["not ready"]);
    }
    json!({"get": {
        "operationId": operation, "tags": ["Operation"], "summary": summary, "security": [],
        "responses": responses,
    }})
}

fn metrics() -> Value {
    json!({"get": {
        "operationId": "metrics", "tags": ["Operation"], "summary": "What is counted, for Prometheus", "security": [],
        "responses": {"200": {"description": "As text.", "headers": traced(), "content": text_of("text/plain")}},
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_document_is_up_to_date() {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/openapi.json");
        let generated = text();
        if std::env::var_os("CHANCERY_BLESS").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == generated,
            "schema/openapi.json is not what the code says; run this test with CHANCERY_BLESS=1"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn follow(document: &Value, at: &Value) {
            match at {
                Value::Object(members) => {
                    if let Some(Value::String(target)) = members.get("$ref") {
                        let pointer = target.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{target}");
                    }
                    members.values().for_each(|value| follow(document, value));
                }
                Value::Array(items) => items.iter().for_each(|item| follow(document, item)),
                _ => {}
            }
        }
        let document = document();
        follow(&document, &document);
    }
}
