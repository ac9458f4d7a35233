//! Requests that nobody sends by accident: each gets a clear answer, and none is logged in full.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::server::{Server, on_both_stores};

/// What long values are made of, so that they are found in the log.
const NEEDLE: &str = "nEEdLe7";

/// What stands in what could be a secret: it is in no answer and no log.
const PASTED: &str = "nEEdLe8";

/// A client secret, a refresh token and a JWT, pasted where they do not belong.
fn pasted(basic: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    let headers = format!("authorization: {basic}\r\n{FORM}");
    let mut requests = Vec::new();
    for secret in ["chs_", "chr_", "CHR_", "eyJ"].map(|begins| format!("{begins}{PASTED}")) {
        for body in [
            format!("grant_type={secret}"),
            format!("grant_type=client_credentials&scope={secret}"),
            format!("grant_type=client_credentials&audience={secret}"),
            format!("grant_type=client_credentials&resource=urn:{secret}"),
        ] {
            let request = post("/t/system/oauth2/token", &headers, body.as_bytes());
            requests.push(("a secret in the wrong field", request, 400));
        }
    }
    requests
}

/// Sends these bytes as they are, and says with which status the server answered; 0 when it hung up
/// without a word.
async fn status(server: &Server, bytes: &[u8]) -> u16 {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    // The server may answer and hang up before it has read everything.
    let _ = connection.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    let Some(line) = answer.lines().next() else {
        return 0;
    };
    assert!(line.starts_with("HTTP/1."), "{line}");
    assert!(!answer.contains(PASTED), "{answer}");
    assert!(
        answer.len() < 8 * 1024,
        "a long answer: {} bytes",
        answer.len()
    );
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    // What HTTP itself refuses has no body.
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    if status >= 400 && !body.is_empty() {
        for header in ["cache-control: no-store", "traceparent: 00-"] {
            assert!(head.contains(header), "{header}: {answer}");
        }
    }
    status
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: chancery\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "content-type: application/json\r\n";

/// What is sent to the token endpoint, with credentials that are good, and the status that is right.
#[expect(clippy::too_many_lines, reason = "a table")]
fn at_the_token_endpoint(basic: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    let long = NEEDLE.repeat(8_000);
    let at = |headers: &str, body: &[u8]| {
        let headers = format!("authorization: {basic}\r\n{headers}");
        post("/t/system/oauth2/token", &headers, body)
    };
    let grant = "grant_type=client_credentials&audience=urn:chancery:admin";
    let form = |more: &str| at(FORM, format!("{grant}{more}").as_bytes());
    vec![
        ("what is right", form(""), 200),
        (
            "a plus for a space",
            form("&scope=platform:admin+tenant:read"),
            400,
        ),
        (
            "%20 for a space",
            form("&scope=platform:admin%20platform:admin"),
            200,
        ),
        (
            "a body over 64 KiB",
            form(&format!("&other={}", NEEDLE.repeat(10_000))),
            400,
        ),
        ("a very long scope", form(&format!("&scope={long}")), 400),
        (
            "very many scopes",
            form(&format!("&scope={}", "nEEdLe7+".repeat(7_000))),
            400,
        ),
        (
            "a very long audience",
            form(&format!("&audience=urn:{long}")),
            400,
        ),
        (
            "very many parameters",
            at(
                FORM,
                (0..4_000)
                    .map(|n| format!("nEEdLe7{n}=1"))
                    .collect::<Vec<_>>()
                    .join("&")
                    .as_bytes(),
            ),
            400,
        ),
        (
            "a long grant",
            at(FORM, format!("grant_type={long}").as_bytes()),
            400,
        ),
        ("broken UTF-8", form("&scope=%ff%fe"), 400),
        (
            "raw broken UTF-8",
            at(FORM, b"grant_type=client_credentials&scope=\xff\xfe"),
            400,
        ),
        ("a NUL", form("&scope=a%00b"), 400),
        (
            "a raw NUL",
            at(FORM, b"grant_type=client_credentials&scope=a\0b"),
            400,
        ),
        ("half an escape", form("&scope=%4"), 400),
        ("a parameter twice", form("&scope=a&scope=b"), 400),
        (
            "the grant twice",
            form("&grant_type=client_credentials"),
            400,
        ),
        (
            "a member twice",
            at(
                JSON,
                br#"{"grant_type":"client_credentials","grant_type":"refresh_token"}"#,
            ),
            400,
        ),
        ("deep JSON", at(JSON, "[".repeat(60_000).as_bytes()), 400),
        ("no JSON", at(JSON, long.as_bytes()), 400),
        ("no body", at(FORM, b""), 400),
        (
            "two kinds of content",
            at(&format!("{FORM}{JSON}"), b"grant_type=client_credentials"),
            400,
        ),
        (
            "two credentials",
            at(
                &format!("authorization: {basic}\r\n{FORM}"),
                grant.as_bytes(),
            ),
            400,
        ),
        (
            "a very long client",
            post(
                "/t/system/oauth2/token",
                &format!(
                    "authorization: Basic {}\r\n{FORM}",
                    STANDARD.encode(&long[..8_000])
                ),
                grant.as_bytes(),
            ),
            400,
        ),
        (
            "credentials that are no text",
            post(
                "/t/system/oauth2/token",
                &format!(
                    "authorization: Basic {}\r\n{FORM}",
                    STANDARD.encode(b"\xff\xfe:\xff")
                ),
                grant.as_bytes(),
            ),
            400,
        ),
        (
            "a very long tenant",
            post(
                &format!("/t/{}/oauth2/token", &long[..8_000]),
                FORM,
                grant.as_bytes(),
            ),
            401,
        ),
        (
            "a tenant that is no text",
            post("/t/%ff%00/oauth2/token", FORM, grant.as_bytes()),
            401,
        ),
    ]
}

/// What is sent to the admin API, with a token that is good.
fn at_the_admin_api(token: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    let long = NEEDLE.repeat(8_000);
    let at = |body: &[u8]| {
        post(
            "/graphql",
            &format!("authorization: Bearer {token}\r\n{JSON}"),
            body,
        )
    };
    let query = |text: &str| at(serde_json::json!({"query": text}).to_string().as_bytes());
    vec![
        (
            "what is right",
            query("{ tenants { pageInfo { hasNextPage } } }"),
            200,
        ),
        ("a body over 64 KiB", query(&NEEDLE.repeat(10_000)), 413),
        ("a very long name", query(&format!("{{ {long} }}")), 200),
        (
            "a very long slug",
            query(&format!("{{ tenant(slug: \"{long}\") {{ id }} }}")),
            200,
        ),
        (
            "a very long id",
            query(&format!("{{ client(id: \"{long}\") {{ id }} }}")),
            200,
        ),
        (
            "a very long cursor",
            query(&format!(
                "{{ tenants(after: \"{long}\") {{ pageInfo {{ endCursor }} }} }}"
            )),
            200,
        ),
        (
            "a NUL",
            query("{ tenant(slug: \"a\\u0000b\") { id } }"),
            200,
        ),
        ("deep brackets", query(&"{a".repeat(20_000)), 200),
        (
            "deep variables",
            at(format!(
                "{{\"query\":\"{{a}}\",\"variables\":{}",
                "{\"a\":".repeat(9_000)
            )
            .as_bytes()),
            400,
        ),
        ("broken UTF-8", at(b"{\"query\": \"\xff\"}"), 400),
        ("a batch", at(br#"[{"query": "{a}"}]"#), 400),
        ("no JSON", at(long.as_bytes()), 400),
        (
            "a form",
            post(
                "/graphql",
                &format!("authorization: Bearer {token}\r\n{FORM}"),
                b"query={a}",
            ),
            415,
        ),
        (
            "a very long token",
            post(
                "/graphql",
                &format!("authorization: Bearer {}\r\n{JSON}", &long[..8_000]),
                b"{}",
            ),
            401,
        ),
    ]
}

/// The same at the endpoints that tell of tokens and end them.
fn about_tokens(basic: &str, path: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    let long = NEEDLE.repeat(8_000);
    let at = |headers: &str, body: &[u8]| {
        let headers = format!("authorization: {basic}\r\n{headers}");
        post(path, &headers, body)
    };
    let form = |body: &str| at(FORM, body.as_bytes());
    vec![
        ("a token of nobody", form("token=nEEdLe7"), 200),
        ("a very long token", form(&format!("token={long}")), 200),
        (
            "a token of dots",
            form(&format!("token={}", ".".repeat(60_000))),
            200,
        ),
        (
            "a token that begins well",
            form("token=eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30."),
            200,
        ),
        (
            "a refresh token of nobody",
            form(&format!("token=chr_{}", "7".repeat(88))),
            200,
        ),
        ("a token that is no text", at(FORM, b"token=%ff"), 400),
        ("a token with NUL", form("token=a%00b"), 400),
        ("no token", form("token="), 400),
        ("two tokens", form("token=a&token=b"), 400),
        (
            "a body over 64 KiB",
            form(&format!("token={long}{long}")),
            400,
        ),
        ("JSON that is an array", at(JSON, b"[]"), 400),
        ("JSON with a number", at(JSON, b"{\"token\":1}"), 400),
        ("JSON that is right", at(JSON, b"{\"token\":\"x\"}"), 200),
        ("no authentication", post(path, FORM, b"token=x"), 401),
    ]
}

/// What is not even a request to something that is there.
fn elsewhere() -> Vec<(&'static str, Vec<u8>, u16)> {
    let long = NEEDLE.repeat(3_000);
    let get = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: chancery\r\nconnection: close\r\n{headers}\r\n")
            .into_bytes()
    };
    vec![
        ("a head over 16 KiB", get("/healthz", &format!("x-long: {long}\r\n")), 431),
        ("very many headers", get("/healthz", &"x-nEEdLe7: 1\r\n".repeat(500)), 431),
        ("a very long path", get(&format!("/{long}"), ""), 431),
        ("a path that is not there", get(&format!("/{}", &long[..8_000]), ""), 404),
        ("a way up", get("/t/../../etc/passwd", ""), 404),
        ("no host", b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n".to_vec(), 400),
        ("two hosts", b"GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\nconnection: close\r\n\r\n".to_vec(), 400),
        ("a host that is none", b"GET /healthz HTTP/1.1\r\nhost: a/nEEdLe7\r\nconnection: close\r\n\r\n".to_vec(), 400),
        ("a client of long ago, without a host", b"GET /healthz HTTP/1.0\r\n\r\n".to_vec(), 200),
        ("a query by GET", get("/graphql?query=%7Ba%7D", ""), 405),
        ("a query by GET, from a browser", get("/graphql?query=%7Ba%7D", "accept: text/html\r\n"), 200),
        ("another method than there is", get("/t/system/oauth2/token", ""), 405),
        (
            "a body that is too large, before it is sent",
            format!("POST /t/system/oauth2/token HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 70000\r\n{FORM}\r\n").into_bytes(),
            400,
        ),
        ("no HTTP", b"nEEdLe7 nEEdLe7\r\n\r\n".to_vec(), 400),
        ("a header that is no text", b"GET /healthz HTTP/1.1\r\nhost: a\r\nx\x00y: z\r\n\r\n".to_vec(), 400),
        ("two lengths", b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec(), 400),
        ("a length that is none", b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_vec(), 400),
    ]
}

on_both_stores! {
    async fn hostile_requests_are_refused_and_not_logged_in_full(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let token = server.operator_token().await;
        let text = |name: &str| server.operator[name].as_str().unwrap();
        let credentials = format!("{}:{}", text("client_id"), text("client_secret"));
        let basic = format!("Basic {}", STANDARD.encode(credentials));
        let mut wrong = Vec::new();
        for (place, requests) in [
            ("token", at_the_token_endpoint(&basic)),
            ("pasted", pasted(&basic)),
            ("introspection", about_tokens(&basic, "/t/system/oauth2/introspect")),
            ("revocation", about_tokens(&basic, "/t/system/oauth2/revoke")),
            ("admin", at_the_admin_api(&token)),
            ("elsewhere", elsewhere()),
        ] {
            for (what, request, right) in requests {
                let found = status(&server, &request).await;
                if found != right {
                    wrong.push(format!("{place}: {what} is {found} and not {right}"));
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(server.get("/readyz").await.status(), 200);
        server.kill();
        let log = server.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains(&NEEDLE.repeat(40)), "a long value is in the log");
        assert!(!log.contains(PASTED), "what could be a secret is in the log");
        let longest = log.lines().map(str::len).max().unwrap();
        assert!(longest < 4_096, "a line of {longest} bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sends_slowly_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let head = b"POST /t/system/oauth2/token HTTP/1.1\r\nhost: chancery\r\n".to_vec();
    let body = post(
        "/t/system/oauth2/token",
        FORM,
        b"grant_type=client_credentials",
    );
    let body = body[..body.len() - 5].to_vec();
    let token = server.operator_token().await;
    let headers = format!("authorization: Bearer {token}\r\n{JSON}");
    let routed = post("/graphql", &headers, b"{\"query\": \"{ ");
    let routed = routed[..routed.len() - 1].to_vec();
    let since = Instant::now();
    let (head, body, routed) = tokio::join!(
        status(&server, &head),
        status(&server, &body),
        status(&server, &routed)
    );
    assert!(
        since.elapsed() < Duration::from_secs(25),
        "{:?}",
        since.elapsed()
    );
    assert!([0, 408].contains(&head), "{head}");
    assert_eq!((body, routed), (408, 408));
    // They are counted as what was answered.
    let metrics = server.get("/metrics").await.text().await.unwrap();
    for route in ["/t/{slug}/oauth2/token", "/graphql"] {
        let series = format!(
            r#"http_server_request_duration_seconds_count{{http_request_method="POST",http_route="{route}",http_response_status_code="408",url_scheme="http"}} 1"#
        );
        assert!(metrics.contains(&series), "{series}\n{metrics}");
    }
    assert_eq!(server.get("/healthz").await.status(), 200);
}

/// Whoever takes the wrong method is told the right ones, in the form that the place has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_method_is_told_the_right_ones() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let http = reqwest::Client::new();
    for (method, path, allow) in [
        ("POST", "/healthz", "GET,HEAD"),
        ("POST", "/readyz", "GET,HEAD"),
        ("DELETE", "/metrics", "GET,HEAD"),
        ("POST", "/openapi.json", "GET,HEAD"),
        ("PUT", "/docs", "GET,HEAD"),
        ("PUT", "/graphql", "GET,HEAD,POST"),
        ("POST", "/graphql/ws", "GET,HEAD"),
        ("POST", "/t/system/roll/key", "GET,HEAD"),
        ("POST", "/t/system/oauth2/jwks", "GET,HEAD"),
        ("GET", "/t/system/oauth2/revoke", "POST"),
    ] {
        let asked = http.request(method.parse().unwrap(), format!("{}{path}", server.url));
        let answer = asked.send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            (answer.status().as_u16(), header("allow")),
            (405, allow.to_owned()),
            "{method} {path}"
        );
        assert_eq!(header("content-type"), "application/problem+json", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert!(
            problem["detail"].as_str().unwrap().contains("Allow"),
            "{problem}"
        );
    }
}
