//! How requests are authenticated, as an independent library reads them.

use std::sync::{Arc, Mutex};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use chancery_sdk::{
    BuildError, ClientAuth, DiscoveryError, Error, ErrorCode, TokenClient, TokenRequest,
    testing::TestClient,
    transport::{BoxFuture, Transport, TransportError},
};
use http::{Request, Response};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::support::{Scripted, Stage, json};

/// Sends one request and hands it over.
async fn sent(auth: ClientAuth) -> (http::HeaderMap, Vec<(String, String)>) {
    let server = granting();
    let client = TokenClient::builder()
        .issuer("https://auth.test/t/acme")
        .token_endpoint("https://auth.test/t/acme/oauth2/token")
        .client_id("client:one")
        .auth(auth)
        .scopes("b a")
        .audience("https://orders.test")
        .defaults(
            TokenRequest::new()
                .scopes("b a")
                .audience("https://orders.test")
                .resource("https://stock.test")
                .parameter("tenant", "acme & co")
                .unwrap(),
        )
        .transport(Arc::new(server.clone()))
        .build()
        .unwrap();
    client.get_token().await.unwrap();
    let headers = server.requests.lock().unwrap()[0].headers().clone();
    (headers, server.forms().remove(0))
}

fn granting() -> Scripted {
    Scripted::new(|_| {
        json(
            200,
            &json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60}),
        )
    })
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn basic_encodes_id_and_secret_as_a_form_does() {
    let (headers, form) = sent(ClientAuth::basic("p+ss word%:ü")).await;
    let header = &headers["authorization"];
    assert!(header.is_sensitive());
    let pair = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
    let pair = String::from_utf8(STANDARD.decode(pair).unwrap()).unwrap();
    assert_eq!(pair, "client%3Aone:p%2Bss+word%25%3A%C3%BC");
    assert_eq!(value(&form, "client_secret"), None);
    assert_eq!(
        form,
        [
            ("grant_type", "client_credentials"),
            ("scope", "a b"),
            ("audience", "https://orders.test"),
            ("resource", "https://stock.test"),
            ("tenant", "acme & co"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[tokio::test]
async fn post_puts_id_and_secret_into_the_body() {
    let (headers, form) = sent(ClientAuth::post("s3cret & more")).await;
    assert!(!headers.contains_key("authorization"));
    assert_eq!(value(&form, "client_id"), Some("client:one"));
    assert_eq!(value(&form, "client_secret"), Some("s3cret & more"));
}

#[tokio::test]
async fn a_secret_signs_an_assertion_and_stays_at_home() {
    let (headers, form) = sent(ClientAuth::secret_jwt("s3cret-s3cret-s3cret-s3cret-s3cret")).await;
    assert!(!headers.contains_key("authorization"));
    let assertion = value(&form, "client_assertion").unwrap();
    let key = DecodingKey::from_secret(b"s3cret-s3cret-s3cret-s3cret-s3cret");
    let claims = assertion_claims(assertion, Algorithm::HS256, &key);
    assert_eq!(claims["aud"], "https://auth.test/t/acme");
    assert!(form.iter().all(|(_, value)| !value.contains("s3cret")));
}

#[tokio::test]
async fn a_private_key_of_every_kind_signs_an_assertion() {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::signature::{self as sig, KeyPair};

    let p256 = sig::EcdsaKeyPair::generate(&sig::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let p384 = sig::EcdsaKeyPair::generate(&sig::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let ed = sig::Ed25519KeyPair::generate().unwrap();
    let rsa = sig::RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let components = sig::RsaPublicKeyComponents::<Vec<u8>>::from(rsa.public_key());
    let rsa_der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let keys = [
        (
            Algorithm::ES256,
            p256.to_pkcs8v1().unwrap().as_ref().to_vec(),
            DecodingKey::from_ec_der(p256.public_key().as_ref()),
        ),
        (
            Algorithm::ES384,
            p384.to_pkcs8v1().unwrap().as_ref().to_vec(),
            DecodingKey::from_ec_der(p384.public_key().as_ref()),
        ),
        (
            Algorithm::EdDSA,
            ed.to_pkcs8().unwrap().as_ref().to_vec(),
            DecodingKey::from_ed_der(ed.public_key().as_ref()),
        ),
        (
            Algorithm::RS256,
            rsa_der.as_ref().to_vec(),
            DecodingKey::from_rsa_raw_components(&components.n, &components.e),
        ),
    ];
    for (algorithm, der, public) in keys {
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(&der)
        );
        // The same key with its name, which goes before the one that was configured.
        let mut jwk = jwk(algorithm, &der);
        jwk["kid"] = json!("key_2");
        for (key, named) in [(pem, "key_1"), (jwk.to_string(), "key_2")] {
            let auth = ClientAuth::private_key_jwt(key)
                .key_id("key_1")
                .assertion_audience("https://other.test");
            let (_, form) = sent(auth).await;
            let assertion = value(&form, "client_assertion").unwrap();
            let kid = decode_header(assertion).unwrap().kid;
            assert_eq!(kid.as_deref(), Some(named));
            let claims = assertion_claims(assertion, algorithm, &public);
            assert_eq!(claims["aud"], "https://other.test");
        }
        // An RSA key signs as its JWK says; for another algorithm than it can, it is no key.
        jwk["alg"] = json!("PS256");
        if algorithm == Algorithm::RS256 {
            let (_, form) = sent(ClientAuth::private_key_jwt(jwk.to_string())).await;
            let assertion = value(&form, "client_assertion").unwrap();
            assertion_claims(assertion, Algorithm::PS256, &public);
        } else {
            no_key(&jwk.to_string()).await;
        }
        jwk["alg"] = json!("PS512");
        no_key(&jwk.to_string()).await;
        jwk["alg"] = json!(algorithm);
        jwk["d"] = json!(URL_SAFE_NO_PAD.encode([7; 32]));
        no_key(&jwk.to_string()).await;
    }
}

/// A private key in PKCS #8 as a JWK, from where its numbers are there.
fn jwk(algorithm: Algorithm, der: &[u8]) -> Value {
    use aws_lc_rs::{
        encoding::AsBigEndian,
        signature::{self as sig, KeyPair},
    };

    let text = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));
    let ec = |way, curve: &str| {
        let pair = sig::EcdsaKeyPair::from_pkcs8(way, der).unwrap();
        let d = pair.private_key().as_be_bytes().unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(d.as_ref().len());
        json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y), "d": text(d.as_ref())})
    };
    match algorithm {
        Algorithm::ES256 => ec(&sig::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
        Algorithm::ES384 => ec(&sig::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
        Algorithm::EdDSA => {
            let pair = sig::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).unwrap();
            let seed = pair.seed().unwrap().as_be_bytes().unwrap();
            let x = text(pair.public_key().as_ref());
            json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": text(seed.as_ref())})
        }
        _ => {
            // PKCS #1, which PKCS #8 wraps in 26 bytes: a sequence of a version and these numbers.
            let mut rest = &der[26 + 4 + 3..];
            let mut jwk = json!({"kty": "RSA"});
            for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
                let (length, header) = match rest[1] {
                    0x82 => (usize::from(rest[2]) << 8 | usize::from(rest[3]), 4),
                    0x81 => (usize::from(rest[2]), 3),
                    short => (usize::from(short), 2),
                };
                let number = &rest[header..header + length];
                jwk[name] = text(number.strip_prefix(&[0]).unwrap_or(number));
                rest = &rest[header + length..];
            }
            jwk
        }
    }
}

async fn no_key(text: &str) {
    let client = TokenClient::builder()
        .token_endpoint("https://auth.test/token")
        .client_id("billing")
        .auth(ClientAuth::private_key_jwt(text))
        .transport(Arc::new(granting()))
        .build()
        .unwrap();
    let error = client.get_token().await.unwrap_err();
    assert!(matches!(error, Error::Credential(_)), "{error}");
    assert!(!error.is_retryable());
}

/// What tests without a server see of it: each way is one of the test issuer's, and nothing else is.
#[tokio::test]
async fn the_test_issuer_takes_each_way_and_an_assertion_once() {
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};

    let pem = || {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let text = STANDARD.encode(pair.to_pkcs8v1().unwrap().as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    };
    let (key, other) = (pem(), pem());
    let stage = Stage::new();
    let with_key =
        TestClient::new("signer", key.as_str()).grant("https://orders.test", "orders:read");
    stage.issuer.register(with_key);
    let ask = async |id: &str, auth: ClientAuth| {
        let client = stage.builder().client_id(id).auth(auth).build().unwrap();
        client
            .get_token()
            .await
            .map_err(|error| error.code().cloned())
    };
    for (id, auth) in [
        ("billing", ClientAuth::basic("s3cret")),
        ("billing", ClientAuth::post("s3cret")),
        ("billing", ClientAuth::secret_jwt("s3cret")),
        ("signer", ClientAuth::private_key_jwt(key.as_str())),
    ] {
        ask(id, auth).await.unwrap();
    }
    for (id, auth) in [
        ("billing", ClientAuth::secret_jwt("another")),
        ("billing", ClientAuth::private_key_jwt(key.as_str())),
        ("signer", ClientAuth::private_key_jwt(other)),
        ("signer", ClientAuth::secret_jwt(key.as_str())),
        ("signer", ClientAuth::post(key.as_str())),
        ("nobody", ClientAuth::private_key_jwt(key.as_str())),
        (
            "billing",
            ClientAuth::secret_jwt("s3cret").assertion_audience("https://auth.test/t/other"),
        ),
    ] {
        let refused = ask(id, auth).await.unwrap_err();
        assert_eq!(refused, Some(ErrorCode::InvalidClient), "{id}");
    }
    // The same request a second time is a replay.
    let (network, sent) = (stage.issuer.transport(), Arc::new(Mutex::new(None)));
    let client = stage
        .builder()
        .auth(ClientAuth::secret_jwt("s3cret"))
        .transport(Arc::new(Recording(network.clone(), sent.clone())))
        .build()
        .unwrap();
    client.get_token().await.unwrap();
    let again = sent.lock().unwrap().take().unwrap();
    assert_eq!(network.send(again).await.unwrap().status(), 401);
}

/// Keeps the last request.
#[derive(Debug)]
struct Recording(Arc<dyn Transport>, Arc<Mutex<Option<Request<Bytes>>>>);

impl Transport for Recording {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        *self.1.lock().unwrap() = Some(request.clone());
        self.0.send(request)
    }
}

/// The claims, when everything is as RFC 7523 and the contract have it.
fn assertion_claims(assertion: &str, algorithm: Algorithm, key: &DecodingKey) -> Value {
    let mut validation = Validation::new(algorithm);
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
    let claims = decode::<Value>(assertion, key, &validation).unwrap().claims;
    assert_eq!(claims["iss"], "client:one");
    assert_eq!(claims["sub"], "client:one");
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        60
    );
    assert_eq!(
        URL_SAFE_NO_PAD
            .decode(claims["jti"].as_str().unwrap())
            .unwrap()
            .len(),
        16
    );
    claims
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_an_assertion_of_its_own() {
    let server = Scripted::new(|_| json(503, &json!({})));
    let client = TokenClient::builder()
        .token_endpoint("https://auth.test/token")
        .client_id("billing")
        .auth(ClientAuth::secret_jwt("s3cret"))
        .transport(Arc::new(server.clone()))
        .build()
        .unwrap();
    client.get_token().await.unwrap_err();
    let assertions: std::collections::HashSet<_> = server
        .forms()
        .iter()
        .map(|form| value(form, "client_assertion").unwrap().to_owned())
        .collect();
    assert_eq!(assertions.len(), 4);
}

#[tokio::test]
async fn a_text_that_is_no_key_is_said_to_be_none() {
    for text in [
        "",
        "chs_…",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "{",
        "{}",
        r#"{"kty": "oct", "k": "c2VjcmV0"}"#,
        r#"{"kty": "OKP", "crv": "X25519", "x": "AAAA", "d": "AAAA"}"#,
    ] {
        no_key(text).await;
    }
}

/// What the client sends by itself cannot be sent a second time, nor a secret into the key of a cache.
#[test]
fn a_parameter_that_the_client_sends_by_itself_is_refused() {
    for name in [
        "grant_type",
        "scope",
        "audience",
        "resource",
        "client_id",
        "client_secret",
        "client_assertion",
    ] {
        let refused = TokenRequest::new().parameter(name, "x").unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
    }
    TokenRequest::new().parameter("tenant", "acme").unwrap();
}

#[tokio::test]
async fn what_is_missing_or_dangerous_is_said_before_anything_is_sent() {
    let builder = || TokenClient::builder().client_id("billing").secret("s3cret");
    let fault = |built: Result<TokenClient, BuildError>| built.unwrap_err().to_string();
    assert!(fault(builder().build()).contains("issuer"));
    assert!(fault(TokenClient::builder().issuer("https://auth.test").build()).contains("id"));
    // An environment variable that is set and empty.
    for empty in ["", " "] {
        let shown = fault(
            builder()
                .issuer("https://auth.test")
                .client_id(empty)
                .build(),
        );
        assert!(shown.contains("the client's id"), "{shown}");
    }
    assert!(
        fault(
            TokenClient::builder()
                .issuer("https://auth.test")
                .client_id("x")
                .build()
        )
        .contains("secret")
    );
    assert!(fault(builder().issuer("http://auth.test").build()).contains("https"));
    let shown = fault(builder().issuer("https://user:pa55@auth.test").build());
    assert!(
        shown.contains("password") && !shown.contains("pa55"),
        "{shown}"
    );
    assert!(
        builder()
            .issuer("http://auth.test")
            .dangerously_allow_http()
            .build()
            .is_ok()
    );
    assert!(
        builder()
            .issuer("http://127.0.0.1:8080/t/acme")
            .build()
            .is_ok()
    );
}

#[tokio::test]
async fn metadata_of_another_issuer_are_not_believed() {
    let server = Scripted::new(|_| {
        json(
            200,
            &json!({"issuer": "https://evil.test", "token_endpoint": "https://evil.test/token"}),
        )
    });
    let stage = Stage::new();
    let client = stage
        .builder()
        .transport(Arc::new(server.clone()))
        .build()
        .unwrap();
    let error = client.get_token().await.unwrap_err();
    assert!(matches!(error, Error::Discovery(_)), "{error}");
    assert!(
        server
            .requests
            .lock()
            .unwrap()
            .iter()
            .all(|request| request.method() == "GET")
    );
    // Nor an endpoint that would carry the secret in the clear.
    let server = Scripted::new(|_| {
        json(
            200,
            &json!({"issuer": "https://auth.test/t/acme", "token_endpoint": "http://auth.test/token"}),
        )
    });
    let client = stage.builder().transport(Arc::new(server)).build().unwrap();
    assert!(
        client
            .get_token()
            .await
            .unwrap_err()
            .to_string()
            .contains("https")
    );
}

/// A page for people in the place of the document of RFC 8414, or another issuer's document: what
/// `OpenID` Connect has is looked at before that is the answer.
#[tokio::test]
async fn metadata_are_looked_for_where_openid_connect_has_them_too() {
    let issuer = "https://auth.test/t/acme";
    let document = |issuer: &str| {
        let token_endpoint = "https://auth.test/t/acme/oauth2/token";
        json!({"issuer": issuer, "token_endpoint": token_endpoint}).to_string()
    };
    let html = "<!doctype html>".to_owned();
    let other = document("https://auth.test");
    let good = document(issuer);
    let ask = async |first: (u16, &String), second: (u16, &String)| {
        let answers = [(first.0, first.1.clone()), (second.0, second.1.clone())];
        let server = Scripted::new(move |request| {
            if request.method() == "POST" {
                let token = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60});
                return json(200, &token);
            }
            let openid = request.uri().path().ends_with("openid-configuration");
            let (status, body) = &answers[usize::from(openid)];
            let mut response = json(*status, &json!({}));
            *response.body_mut() = body.clone().into();
            response
        });
        let client = TokenClient::builder()
            .issuer(issuer)
            .client_id("billing")
            .secret("s3cret")
            .retry(chancery_sdk::Backoff::never())
            .transport(Arc::new(server))
            .build()
            .unwrap();
        client.get_token().await
    };
    for first in [(200, &html), (200, &other), (404, &html), (405, &html)] {
        ask(first, (200, &good)).await.unwrap();
    }
    // Where none serves, what was wrong with the first is told, and a document before none.
    for (first, second, why) in [
        ((200, &html), (404, &html), "not a metadata document"),
        (
            (200, &other),
            (200, &html),
            "is of the issuer `https://auth.test`",
        ),
        (
            (404, &html),
            (200, &other),
            "is of the issuer `https://auth.test`",
        ),
        ((404, &html), (404, &html), "answered 404"),
    ] {
        let error = ask(first, second).await.unwrap_err();
        assert!(matches!(error, Error::Discovery(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    // What may pass by itself is said to.
    let error = ask((200, &html), (503, &html)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Discovery(DiscoveryError::Absent { status: 503, .. })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_file_is_not_read() {
    let client = TokenClient::builder()
        .token_endpoint("https://auth.test/token")
        .client_id("billing")
        .secret(chancery_sdk::Credential::file("/dev/zero"))
        .transport(Arc::new(granting()))
        .build()
        .unwrap();
    let error = client.get_token().await.unwrap_err();
    assert!(error.to_string().contains("no regular file"), "{error}");
}
