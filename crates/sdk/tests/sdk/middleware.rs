//! The middleware, against a resource server on a port.

use std::sync::{Arc, Mutex};

use axum::{Router, http::HeaderMap, routing::post};
use chancery_sdk::{TokenRequest, UrlFault, middleware::BearerToken, testing::Outage};
use http::StatusCode;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

use crate::support::Stage;

/// An API that notes the tokens it is shown, and refuses those that are on its list.
#[derive(Clone, Default)]
struct Api {
    seen: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Api {
    async fn serve(&self) -> String {
        let api = self.clone();
        let handler = async move |headers: HeaderMap, body: String| {
            let token = headers
                .get("authorization")
                .map_or("", |value| value.to_str().unwrap())
                .to_owned();
            api.seen.lock().unwrap().push(token.clone());
            api.bodies.lock().unwrap().push(body);
            if api
                .refused
                .lock()
                .unwrap()
                .iter()
                .any(|one| token.ends_with(one))
            {
                StatusCode::UNAUTHORIZED
            } else {
                StatusCode::OK
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/orders", listener.local_addr().unwrap());
        let app = Router::new().route("/orders", post(handler));
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn http(middleware: BearerToken) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new())
        .with(middleware.dangerously_everywhere())
        .build()
}

/// Whoever gets a token can use it.
#[tokio::test]
async fn before_servers_are_named_the_token_goes_nowhere() {
    let (stage, api) = (Stage::new(), Api::default());
    let url = api.serve().await;
    let bearer = BearerToken::new(stage.client());
    let http = ClientBuilder::new(reqwest::Client::new())
        .with(bearer)
        .build();
    let error = http.post(&url).send().await.unwrap_err();
    assert!(error.to_string().contains("only_for"), "{error}");
    assert_eq!(stage.issuer.token_requests(), 0);
    assert!(api.seen().is_empty());
}

#[tokio::test]
async fn a_token_is_put_into_every_request() {
    let (stage, api) = (Stage::new(), Api::default());
    let url = api.serve().await;
    let tokens = stage.client();
    let request = TokenRequest::new().scopes("orders:read");
    let http = http(BearerToken::new(tokens.clone()).with_request(request.clone()));
    for _ in 0..3 {
        assert_eq!(
            http.post(&url).send().await.unwrap().status(),
            StatusCode::OK
        );
    }
    let token = tokens.cached_token_for(&request).await.unwrap();
    assert_eq!(api.seen(), vec![format!("Bearer {}", token.reveal()); 3]);
    assert_eq!(stage.issuer.token_requests(), 1);
}

#[tokio::test]
async fn after_401_another_token_is_tried_once() {
    let (stage, api) = (Stage::new(), Api::default());
    let url = api.serve().await;
    let tokens = stage.client();
    let old = tokens.get_token().await.unwrap();
    api.refused.lock().unwrap().push(old.reveal().to_owned());
    let http = http(BearerToken::new(tokens));
    let response = http.post(&url).body("order").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(api.seen().len(), 2);
    assert_ne!(api.seen()[0], api.seen()[1]);
    assert_eq!(*api.bodies.lock().unwrap(), ["order", "order"]);
    assert_eq!(stage.issuer.token_requests(), 2);
}

/// It cannot be sent again, and the next one goes well.
#[tokio::test]
async fn a_stream_that_is_refused_is_reason_enough_for_another_token() {
    let (stage, api) = (Stage::new(), Api::default());
    let url = api.serve().await;
    let tokens = stage.client();
    let old = tokens.get_token().await.unwrap();
    api.refused.lock().unwrap().push(old.reveal().to_owned());
    let http = http(BearerToken::new(tokens));
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let body = reqwest::Body::wrap(http_body_util::Full::new(bytes::Bytes::from("order")));
        let response = http.post(&url).body(body).send().await.unwrap();
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [401, 200]);
    assert_eq!(api.seen().len(), 2);
}

/// What an API says is not held back until the issuer is.
#[tokio::test]
async fn while_the_issuer_is_silent_the_answer_of_the_api_is_the_answer() {
    let (stage, api) = (Stage::new(), Api::default());
    let url = api.serve().await;
    let patience = std::time::Duration::from_millis(1);
    let tokens = stage.builder().fallback_after(patience).build().unwrap();
    let old = tokens.get_token().await.unwrap();
    api.refused.lock().unwrap().push(old.reveal().to_owned());
    stage.issuer.set_outage(Some(Outage::Silent));
    let answer = http(BearerToken::new(tokens)).post(&url).send();
    // The client's own time is 30 s.
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), answer).await;
    assert_eq!(answer.unwrap().unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_api_that_refuses_everything_does_not_make_us_ask_on_and_on() {
    let (stage, api) = (Stage::new(), Api::default());
    let url = api.serve().await;
    api.refused.lock().unwrap().push(String::new());
    let http = http(BearerToken::new(stage.client()));
    for _ in 0..10 {
        let response = http.post(&url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(stage.issuer.token_requests(), 2);
}

#[tokio::test]
async fn strangers_get_no_token_and_a_header_of_ones_own_stays() {
    let (stage, api) = (Stage::new(), Api::default());
    let url = api.serve().await;
    let only = BearerToken::new(stage.client())
        .only_for(["https://orders.test/api"])
        .unwrap();
    http(only).post(&url).send().await.unwrap();
    let mine = BearerToken::new(stage.client()).only_for([&url]).unwrap();
    http(mine)
        .post(&url)
        .header("authorization", "Bearer mine")
        .send()
        .await
        .unwrap();
    assert_eq!(api.seen(), ["", "Bearer mine"]);
    assert_eq!(stage.issuer.token_requests(), 0);
    let here = BearerToken::new(stage.client()).only_for([&url]).unwrap();
    http(here).post(&url).send().await.unwrap();
    assert!(api.seen()[2].starts_with("Bearer ey"));
}

#[tokio::test]
async fn without_a_token_the_request_is_not_sent() {
    let (stage, api) = (Stage::new(), Api::default());
    let url = api.serve().await;
    stage.issuer.remove("billing");
    let error = http(BearerToken::new(stage.client()))
        .post(&url)
        .send()
        .await
        .unwrap_err();
    // The typed error is still there.
    let reqwest_middleware::Error::Middleware(error) = error else {
        panic!("{error}")
    };
    let error = error.downcast_ref::<chancery_sdk::Error>().unwrap();
    assert_eq!(error.code(), Some(&chancery_sdk::ErrorCode::InvalidClient));
    assert!(api.seen().is_empty());
}

/// As from a configuration that names nobody: nobody is not everybody.
#[tokio::test]
async fn an_empty_list_lets_the_token_go_nowhere() {
    let (stage, api) = (Stage::new(), Api::default());
    let url = api.serve().await;
    let nobody = BearerToken::new(stage.client())
        .only_for(Vec::<String>::new())
        .unwrap();
    http(nobody.clone()).post(&url).send().await.unwrap();
    assert_eq!(api.seen(), [""]);
    assert_eq!(stage.issuer.token_requests(), 0);
    // Said again, it adds.
    let here = nobody.only_for([&url]).unwrap();
    http(here).post(&url).send().await.unwrap();
    assert!(api.seen()[1].starts_with("Bearer ey"));
}

/// They would match no request, and nobody would know why.
#[tokio::test]
async fn what_is_no_server_is_not_taken_for_one() {
    let stage = Stage::new();
    for wrong in [
        "orders.test:443",
        "orders.test",
        "localhost:8080",
        "ftp://orders.test",
        "file:///orders",
        "",
    ] {
        let fault = BearerToken::new(stage.client())
            .only_for([wrong])
            .unwrap_err();
        assert!(
            matches!(fault, UrlFault::Scheme | UrlFault::Unreadable(_)),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn tokens_go_over_tls_or_to_this_machine() {
    let stage = Stage::new();
    let bearer = || BearerToken::new(stage.client());
    for far in ["http://orders.test", "http://127.0.0.1.test"] {
        assert_eq!(bearer().only_for([far]).unwrap_err(), UrlFault::Plain);
        let open = bearer().dangerously_allow_http();
        open.only_for([far]).unwrap();
    }
    bearer()
        .only_for(["http://localhost:1", "https://orders.test"])
        .unwrap();
    // Nor where nobody was named.
    let refused = http(bearer())
        .get("http://orders.test")
        .send()
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("https://"), "{refused}");
    assert_eq!(stage.issuer.token_requests(), 0);
}
