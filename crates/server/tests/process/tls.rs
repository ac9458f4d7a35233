//! TLS with files that change, and an address for operators alone.

use std::{fs, path::Path};

use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd, generate_simple_self_signed};
use reqwest::Certificate;
use serde_json::Value;

use crate::server::{Server, chancery, output};

/// A certificate of the first version, which rcgen makes none of: its key is nowhere.
const FIRST_VERSION: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBJTCBywIUMD4rp/ychE6GIPFXae1+Mb11NiYwCgYIKoZIzj0EAwIwFDESMBAG\n\
    A1UEAwwJMTI3LjAuMC4xMCAXDTI2MTIwMTAwMTg1MVoYDzIxMjYxMTA3MDAxODUx\n\
    WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
    AAR+1SSxGAd3ndayvMfABHoQi0TP92LF15OTu8JzVaOFbrCwxrxXvZ2QZdjuwrIh\n\
    SAJiNfO9jpJqagt+6v7KLHSIMAoGCCqGSM49BAMCA0kAMEYCIQD5RT4bux2uR1FP\n\
    8vCJosjTfnb/LJ3lo2pTOOqo4o86TAIhAIEY4HsCM42WXok3oG3dAnS3RUiC3wE7\n\
    vbm9hw62f3eL\n\
    -----END CERTIFICATE-----\n";

/// A certificate for this machine and its key, in PEM.
fn certified() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

/// The same, which has ended.
fn ended() -> (String, String) {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// The same, which begins in the year 3000.
fn early() -> (String, String) {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(3000, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A client that trusts this certificate, and keeps no connection.
fn trusting(pem: &str) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([Certificate::from_pem(pem.as_bytes()).unwrap()])
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

fn configure(directory: &Path, more: &str) {
    let config = format!("{more}\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n");
    fs::write(directory.join("chancery.toml"), config).unwrap();
}

/// Each file is exchanged as a whole: whoever reads one meanwhile never sees a half.
fn put(directory: &Path, cert: &str, key: &str) {
    for (name, text) in [("cert.pem", cert), ("key.pem", key)] {
        let next = directory.join("next.pem");
        fs::write(&next, text).unwrap();
        fs::rename(next, directory.join(name)).unwrap();
    }
}

/// Whether this certificate is served.
async fn served(url: &str, pem: &str) -> bool {
    let answer = trusting(pem).get(format!("{url}/healthz")).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_exchanged_without_a_restart_and_a_bad_one_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (certified(), certified());
    configure(directory.path(), "");
    put(directory.path(), &first.0, &first.1);
    let server = Server::start(directory.path(), &[]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    assert!(served(&server.url, &first.0).await);
    let plain = server.url.replace("https", "http");
    let mistaken = reqwest::get(format!("{plain}/healthz")).await.unwrap();
    assert_eq!(mistaken.status(), 400);
    assert!(mistaken.text().await.unwrap().contains("https://"));
    server.logs("HTTP was spoken to an address that takes TLS alone");

    // A key of another certificate: the old pair goes on.
    put(directory.path(), &first.0, &second.1);
    server.logs("the new TLS certificate cannot be used");
    assert!(served(&server.url, &first.0).await);

    put(directory.path(), &second.0, &second.1);
    server.logs("the TLS certificate has changed");
    assert!(served(&server.url, &second.0).await);
    let old = trusting(&first.0).get(format!("{}/healthz", server.url));
    assert!(old.send().await.is_err());

    // A health check trusts nobody's certificate, since it has none to trust.
    let ready = || {
        let mut ready = chancery(directory.path());
        let address = server.address.strip_prefix("http://").unwrap();
        ready.args(["ready", "--listen", address]);
        output(ready)
    };
    assert_eq!(ready(), (0, "ready\n".to_owned(), String::new()));
    assert_eq!(server.terminate(), 0);
    let (status, _, told) = ready();
    assert_eq!(status, 3, "{told}");
    assert!(told.contains("/readyz does not answer"), "{told}");
    let log = server.log();
    let told = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(told("the new TLS certificate cannot be used"), 1, "{log}");
    assert_eq!(told("the TLS certificate has changed"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_not_valid_takes_the_place_of_none_that_is_and_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (first, ended) = (certified(), ended());
    configure(directory.path(), "");
    put(directory.path(), &first.0, &first.1);
    let server = Server::start(directory.path(), &[]);
    let told = async || {
        let asked = trusting(&first.0).get(format!("{}/metrics", server.url));
        asked.send().await.unwrap().text().await.unwrap()
    };
    let metrics = told().await;
    // The year 4096.
    assert!(
        metrics.contains("\nchancery_tls_certificate_not_after_seconds 67090118400\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nchancery_tls_reload_failed 0\n"),
        "{metrics}"
    );
    put(directory.path(), &ended.0, &ended.1);
    server.logs("has ended at 2021-01-01T00:00:00.000000Z, and the one that is served has not");
    assert!(served(&server.url, &first.0).await);
    assert!(told().await.contains("\nchancery_tls_reload_failed 1\n"));
    put(directory.path(), &first.0, &first.1);
    // Whoever knows that files have changed says so.
    server.signal("-HUP");
    server.logs("SIGHUP: the TLS files are looked at");
    while !told().await.contains("\nchancery_tls_reload_failed 0\n") {
        tokio::task::yield_now().await;
    }
    server.logs("the TLS files hold again what is served");
    let early = early();
    put(directory.path(), &early.0, &early.1);
    server.logs("begins at 3000-01-01T00:00:00.000000Z, and the one that is served is valid now");
    assert!(served(&server.url, &first.0).await);
    assert_eq!(server.terminate(), 0);

    let server = Server::start(directory.path(), &[]);
    server.logs("the TLS certificate is not valid yet: clients will refuse it");
    assert_eq!(server.terminate(), 0);

    // With no other there is nothing better to serve.
    put(directory.path(), &ended.0, &ended.1);
    let server = Server::start(directory.path(), &[]);
    server.logs("the TLS certificate has ended: clients will refuse it");
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_server_does_not_start_with_half_of_tls_or_a_bad_pair() {
    let directory = tempfile::tempdir().unwrap();
    let serve = || {
        let mut serve = chancery(directory.path());
        serve.args(["serve", "--listen", "127.0.0.1:0"]);
        output(serve)
    };
    fs::write(
        directory.path().join("chancery.toml"),
        "tls.cert = \"cert.pem\"\n",
    )
    .unwrap();
    let (status, _, told) = serve();
    assert_eq!(status, 2);
    assert!(told.contains("TLS needs both"), "{told}");

    configure(directory.path(), "");
    let (first, second) = (certified(), certified());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (cert, key, why) in [
        (
            first.0.as_str(),
            second.1.as_str(),
            "key.pem is not that of the first certificate in",
        ),
        ("nothing", first.1.as_str(), "cert.pem holds no certificate"),
        (first.0.as_str(), "nothing", "key.pem holds no private key"),
        (first.0.as_str(), encrypted, "key.pem is encrypted"),
        (
            FIRST_VERSION,
            first.1.as_str(),
            "cert.pem is of X.509 version 1",
        ),
    ] {
        put(directory.path(), cert, key);
        let (status, _, told) = serve();
        assert_eq!(status, 2, "{told}");
        assert!(told.contains(why), "{told}");
    }
    fs::remove_file(directory.path().join("key.pem")).unwrap();
    let (_, _, told) = serve();
    assert!(told.contains("key.pem (tls.key) cannot be read"), "{told}");
    assert!(!directory.path().join("chancery-data").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operators_ask_for_can_have_an_address_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = certified();
    configure(directory.path(), "internal_listen = \"127.0.0.1:0\"");
    put(directory.path(), &cert, &key);
    let server = Server::start(directory.path(), &[]);
    let internal = server.operator["graphql_endpoint"].as_str().unwrap();
    let internal = internal.strip_suffix("/graphql").unwrap();
    assert!(internal.starts_with("http://127.0.0.1:"), "{internal}");

    let client = trusting(&cert);
    let status = async |base: &str, path: &str| {
        let answer = client.get(format!("{base}{path}")).send().await.unwrap();
        answer.status().as_u16()
    };
    for path in ["/metrics", "/graphql", "/console", "/console/sign-in"] {
        assert_eq!(status(&server.url, path).await, 404, "{path}");
        assert_eq!(status(internal, path).await, 200, "{path}");
    }
    for path in ["/console", "/docs/nothing"] {
        let nothing = client.get(format!("{}{path}", server.url)).send().await;
        let nothing = nothing.unwrap().text().await.unwrap();
        assert!(
            !nothing.contains("the console") && nothing.contains("at /docs"),
            "{nothing}"
        );
    }
    // Only whoever wants to speak another protocol there is let further.
    assert_eq!(status(&server.url, "/graphql/ws").await, 404);
    assert_ne!(status(internal, "/graphql/ws").await, 404);
    let metadata = "/.well-known/oauth-authorization-server/t/system";
    assert_eq!(status(&server.url, metadata).await, 200);
    assert_eq!(status(internal, metadata).await, 404);
    for base in [&server.url, internal] {
        assert_eq!(status(base, "/healthz").await, 200);
        assert_eq!(status(base, "/readyz").await, 200);
    }

    // What was asked is told by what is spoken where.
    let metrics = client.get(format!("{internal}/metrics")).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let answered = |route: &str, scheme: &str| {
        let labels = format!(
            "http_route=\"{route}\",http_response_status_code=\"200\",url_scheme=\"{scheme}\""
        );
        metrics.contains(&labels)
    };
    let metadata = "/.well-known/oauth-authorization-server/t/{slug}";
    assert!(answered(metadata, "https") && !answered(metadata, "http"));
    assert!(answered("/graphql", "http") && !answered("/graphql", "https"));

    // A token of the one address is good at the other.
    let text = |name: &str| server.operator[name].as_str().unwrap();
    let answer = client
        .post(text("token_endpoint"))
        .basic_auth(text("client_id"), Some(text("client_secret")))
        .form(&[
            ("grant_type", "client_credentials"),
            ("audience", "urn:chancery:admin"),
        ])
        .send()
        .await
        .unwrap();
    let token: Value = answer.json().await.unwrap();
    let answer = client
        .post(text("graphql_endpoint"))
        .bearer_auth(token["access_token"].as_str().unwrap())
        .json(&serde_json::json!({"query": "{ tenant(slug: \"system\") { slug } }"}))
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["data"]["tenant"]["slug"], "system", "{answer}");
    assert_eq!(server.terminate(), 0);
}

#[test]
fn operators_are_told_where_their_credentials_come_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let warning = "operators' credentials come to this address in clear";
    for (address, warned) in [("0.0.0.0:0", 1), ("127.0.0.1:0", 0)] {
        let config = format!("internal_listen = \"{address}\"\n");
        fs::write(directory.path().join("chancery.toml"), config).unwrap();
        let server = Server::start(directory.path(), &[]);
        assert_eq!(server.terminate(), 0);
        assert_eq!(server.log().matches(warning).count(), warned, "{address}");
    }
}
