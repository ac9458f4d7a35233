//! The built-in transport, against a server on a port.

use axum::{Json, Router, http::HeaderMap, response::Redirect, routing::post};
use chancery_sdk::{Backoff, Error, TokenClient};
use serde_json::json;

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn client(url: &str) -> TokenClient {
    TokenClient::builder()
        .token_endpoint(format!("{url}/token"))
        .client_id("billing")
        .secret("s3cret")
        .retry(Backoff::never())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_token_comes_over_the_network() {
    let app = Router::new().route(
        "/token",
        post(async |headers: HeaderMap, body: String| {
            assert!(
                headers["user-agent"]
                    .to_str()
                    .unwrap()
                    .starts_with("chancery-sdk/")
            );
            assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
            assert_eq!(body, "grant_type=client_credentials");
            Json(json!({"access_token": "opaque", "token_type": "Bearer", "expires_in": 60}))
        }),
    );
    let token = client(&serve(app).await).get_token().await.unwrap();
    assert_eq!(token.reveal(), "opaque");
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_secret_away() {
    let app = Router::new()
        .route("/token", post(async || Redirect::temporary("/elsewhere")))
        .route(
            "/elsewhere",
            post(async || Json(json!({"access_token": "stolen", "token_type": "Bearer"}))),
        );
    let error = client(&serve(app).await).get_token().await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let app = Router::new().route("/token", post(async || "x".repeat(3 << 20)));
    let error = client(&serve(app).await).get_token().await.unwrap_err();
    assert!(error.to_string().contains("mebibyte"), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_named_with_its_cause() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url).get_token().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

/// Once more what [`a_token_comes_over_the_network`] does, in a process with another environment.
#[test]
fn no_proxy_of_the_environment_sees_a_credential() {
    let nobody = "http://127.0.0.1:9";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "transport::a_token_comes_over_the_network"])
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, nobody)))
        .envs(["NO_PROXY", "no_proxy"].map(|name| (name, "")))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

/// As a caller that acts for many tenants needs it.
#[tokio::test]
async fn clients_that_share_a_transport_share_its_connections() {
    let from = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = from.clone();
    let token = async move |axum::extract::ConnectInfo(peer): axum::extract::ConnectInfo<
        std::net::SocketAddr,
    >| {
        seen.lock().unwrap().push(peer);
        Json(json!({"access_token": "opaque", "token_type": "Bearer", "expires_in": 60}))
    };
    let app = Router::new().route("/{tenant}/token", post(token));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let connections = chancery_sdk::transport::built_in().unwrap();
    for tenant in ["acme", "globex"] {
        let client = TokenClient::builder()
            .token_endpoint(format!("{url}/{tenant}/token"))
            .client_id("billing")
            .secret("s3cret")
            .transport(connections.clone())
            .build()
            .unwrap();
        client.get_token().await.unwrap();
    }
    let from = from.lock().unwrap();
    assert!(from.len() == 2 && from[0] == from[1], "{from:?}");
}
