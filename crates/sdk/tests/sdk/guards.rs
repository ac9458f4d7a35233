//! What the layer and the extractors answer.

use axum::{Router, body::Body, extract::Path, routing::get};
use chancery_sdk::{
    AuthLayer, Caller, Permission, Permitted, Rejection, Require,
    testing::{Outage, TestToken},
};
use http::{Request, Response, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use crate::support::{ORDERS, Stage};

struct Enrol;

impl Permission for Enrol {
    const REQUIRE: Require<'_> = Require::new()
        .all_scopes(&["students:read", "students:write"])
        .any_role(&["registrar", "admin"]);
}

fn app(stage: &Stage) -> Router {
    let admin = Require::new()
        .any_scope(&["admin", "root"])
        .all_roles(&["admin", "staff"]);
    Router::new()
        .route(
            "/me",
            get(|caller: Caller| async move { caller.client_id().to_owned() }),
        )
        .route(
            "/enrol",
            get(|caller: Permitted<Enrol>| async move { caller.client_id().to_owned() }),
        )
        .route("/admin", get(async || "in").layer(admin.layer()))
        .layer(AuthLayer::new(stage.verifier()))
}

fn token(stage: &Stage) -> TestToken {
    stage.issuer.token("billing").audience(ORDERS)
}

async fn ask(app: Router, path: &str, headers: &[(&str, &str)]) -> (Response<Body>, Value) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, body) = app
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
        .into_parts();
    let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    (Response::from_parts(parts, Body::from(body)), json)
}

async fn with(stage: &Stage, path: &str, token: &TestToken) -> (Response<Body>, Value) {
    ask(
        app(stage),
        path,
        &[("authorization", &format!("Bearer {}", token.sign()))],
    )
    .await
}

/// What is known only when a request comes can be required as well.
#[tokio::test]
async fn what_is_required_may_come_from_the_path() {
    let stage = Stage::new();
    let one = |caller: Caller, Path(number): Path<u64>| async move {
        let scope = format!("order:{number}");
        caller.require(&Require::new().any_scope(&["orders", &scope]))?;
        Ok::<_, Rejection>("yours")
    };
    let app = Router::new()
        .route("/orders/{number}", get(one))
        .layer(AuthLayer::new(stage.verifier()));
    let header = |scopes: &str| format!("Bearer {}", token(&stage).scopes(scopes).sign());
    let (seven, all) = (header("order:7"), header("orders"));
    for (path, header, status) in [
        ("/orders/7", &seven, 200),
        ("/orders/8", &seven, 403),
        ("/orders/8", &all, 200),
    ] {
        let (response, body) = ask(app.clone(), path, &[("authorization", header)]).await;
        assert_eq!(response.status(), status, "{path}");
        if status == 403 {
            let expected = r#"Bearer error="insufficient_scope", scope="order:8 orders""#;
            assert_eq!(challenge(&response), expected);
            let text = body["error_description"].as_str().unwrap();
            assert!(
                text.ends_with("one of the scopes orders, order:8"),
                "{text}"
            );
        }
    }
}

/// As from a configuration that names none.
#[tokio::test]
async fn of_an_empty_list_nobody_holds_one() {
    let stage = Stage::new();
    let token = token(&stage).scopes("orders").roles(["admin"]).sign();
    let caller = stage.verifier().verify(&token).await.unwrap();
    caller.require(&Require::new()).unwrap();
    let empty = Require::new().all_scopes(&[]).all_roles(&[]);
    caller.require(&empty).unwrap();
    for (require, text) in [
        (Require::new().any_scope(&[]), "a scope that nobody has"),
        (Require::new().any_role(&[]), "a role that nobody has"),
    ] {
        let refused = caller.require(&require).unwrap_err();
        assert!(refused.to_string().ends_with(text), "{refused}");
    }
}

fn challenge(response: &Response<Body>) -> &str {
    response.headers()["www-authenticate"].to_str().unwrap()
}

#[tokio::test]
async fn a_good_token_lets_in_however_its_scheme_is_spelt() {
    let stage = Stage::new();
    let token = token(&stage).sign();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let (response, _) = ask(
            app(&stage),
            "/me",
            &[("authorization", &format!("{scheme} {token}"))],
        )
        .await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn without_a_token_the_answer_is_401_without_an_error() {
    let stage = Stage::new();
    for headers in [
        &[][..],
        &[("authorization", "Basic YTpi")],
        &[("x-authorization", "Bearer x")],
    ] {
        let (response, body) = ask(app(&stage), "/me", headers).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenge(&response), "Bearer realm=\"api\"");
        assert!(body.get("error").is_none());
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    // Nor does one in the URL count, where it would end up in logs.
    let path = format!("/me?access_token={}", token(&stage).sign());
    let (response, _) = ask(app(&stage), &path, &[]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_bad_token_is_401_and_says_why() {
    let stage = Stage::new();
    let (response, body) = with(&stage, "/me", &token(&stage).expires_in(-3_600)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        challenge(&response),
        r#"Bearer error="invalid_token", error_description="the token has expired""#
    );
    assert_eq!(body["error"], "invalid_token");
    let (response, _) = ask(app(&stage), "/me", &[("authorization", "Bearer <script>")]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_header_that_makes_no_sense_is_400() {
    let stage = Stage::new();
    let good = format!("Bearer {}", token(&stage).sign());
    for headers in [
        &[
            ("authorization", good.as_str()),
            ("authorization", good.as_str()),
        ][..],
        &[
            ("authorization", "Basic YTpi"),
            ("authorization", good.as_str()),
        ],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer   ")],
        &[("authorization", "Bearer ü")],
    ] {
        let (response, body) = ask(app(&stage), "/me", headers).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{headers:?}");
        assert_eq!(body["error"], "invalid_request");
    }
}

#[tokio::test]
async fn a_good_token_for_something_else_is_403_and_says_what_is_needed() {
    let stage = Stage::new();
    let read = token(&stage).scopes("students:read");
    let both = token(&stage).scopes("students:read students:write");
    for (token, status) in [
        (token(&stage), 403),
        (read.clone().roles(["registrar"]), 403),
        (both.clone(), 403),
        (both.clone().roles(["janitor"]), 403),
        (both.clone().roles(["registrar"]), 200),
        (both.roles(["janitor", "admin"]), 200),
    ] {
        let (response, body) = with(&stage, "/enrol", &token).await;
        assert_eq!(response.status(), status);
        if status == 403 {
            assert_eq!(
                challenge(&response),
                r#"Bearer error="insufficient_scope", scope="students:read students:write""#
            );
            assert_eq!(body["error"], "insufficient_scope");
            assert!(
                body["error_description"]
                    .as_str()
                    .unwrap()
                    .contains("registrar")
            );
        }
    }
    for (scopes, roles, status) in [
        ("", vec![], 403),
        ("admin", vec!["admin"], 403),
        ("admin", vec!["admin", "staff"], 200),
        ("root x", vec!["staff", "admin"], 200),
        ("x", vec!["staff", "admin"], 403),
    ] {
        let token = token(&stage).scopes(scopes).claim("roles", roles);
        let (response, _) = with(&stage, "/admin", &token).await;
        assert_eq!(response.status(), status, "{scopes}");
    }
}

#[tokio::test]
async fn while_the_issuer_is_away_the_answer_is_503_and_when_to_come_back() {
    let stage = Stage::new();
    stage.issuer.set_outage(Some(Outage::Unreachable));
    let (response, body) = with(&stage, "/me", &token(&stage)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!response.headers().contains_key("www-authenticate"));
    assert_eq!(body["error"], "temporarily_unavailable");
}

#[tokio::test]
async fn an_optional_layer_lets_in_who_has_no_token_and_not_who_has_a_bad_one() {
    let stage = Stage::new();
    let app = || {
        let hello = async |caller: Option<Caller>| match caller {
            Some(caller) => caller.client_id().to_owned(),
            None => "nobody".to_owned(),
        };
        Router::new()
            .route("/", get(hello))
            .route("/needs", get(async || "in").layer(Require::new().layer()))
            .layer(AuthLayer::new(stage.verifier()).optional())
    };
    let (response, _) = ask(app(), "/", &[]).await;
    assert_eq!(text(response).await, "nobody");
    let good = format!("Bearer {}", token(&stage).sign());
    let (response, _) = ask(app(), "/", &[("authorization", &good)]).await;
    assert_eq!(text(response).await, "billing");
    let (response, _) = ask(app(), "/", &[("authorization", "Bearer bad")]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let (response, _) = ask(app(), "/needs", &[]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

/// What needs a caller needs a token, also where others do not.
#[tokio::test]
async fn behind_an_optional_layer_who_has_no_token_is_told_that_one_is_needed() {
    let stage = Stage::new();
    let app = Router::new()
        .route("/caller", get(async |_: Caller| "in"))
        .route("/permitted", get(async |_: Permitted<Enrol>| "in"))
        .route("/require", get(async || "in").layer(Require::new().layer()))
        .layer(AuthLayer::new(stage.verifier()).optional());
    for path in ["/caller", "/permitted", "/require"] {
        let (response, body) = ask(app.clone(), path, &[]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(challenge(&response), "Bearer realm=\"api\"", "{path}");
        assert!(body.get("error").is_none(), "{path}");
    }
}

/// The classic wrong order of two layers is a defect of the API, and not of the caller's token.
#[tokio::test]
async fn what_is_required_outside_of_the_layer_says_so() {
    let stage = Stage::new();
    let app = Router::new()
        .route("/", get(async || "in"))
        .layer(AuthLayer::new(stage.verifier()))
        .layer(Require::new().layer());
    let good = format!("Bearer {}", token(&stage).sign());
    let (response, body) = ask(app, "/", &[("authorization", &good)]).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = body["error_description"].as_str().unwrap();
    assert!(
        text.contains("AuthLayer, which has to be outside"),
        "{text}"
    );
}

#[tokio::test]
async fn a_route_without_the_layer_lets_nobody_in() {
    let app = Router::new()
        .route(
            "/me",
            get(|caller: Caller| async move { caller.client_id().to_owned() }),
        )
        .route("/enrol", get(|_: Permitted<Enrol>| async { "in" }))
        .route("/admin", get(async || "in").layer(Require::new().layer()));
    for (path, status) in [("/me", 500), ("/enrol", 500), ("/admin", 500)] {
        let (response, _) = ask(app.clone(), path, &[]).await;
        assert_eq!(response.status(), status);
    }
}

async fn text(response: Response<Body>) -> String {
    let body = axum::body::to_bytes(response.into_body(), 1 << 16)
        .await
        .unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// It would let nobody be somebody, and nobody would know.
#[tokio::test]
async fn who_may_be_nobody_needs_a_layer_as_well() {
    let stage = Stage::new();
    let name = async |caller: Option<Caller>| {
        caller.map_or("nobody".to_owned(), |it| it.client_id().to_owned())
    };
    let bare = Router::new().route("/", get(name));
    let layered = bare
        .clone()
        .layer(AuthLayer::new(stage.verifier()).optional());
    let (response, _) = ask(bare, "/", &[]).await;
    assert_eq!(response.status(), 500);
    let (response, _) = ask(layered, "/", &[]).await;
    assert_eq!(response.status(), 200);
}
