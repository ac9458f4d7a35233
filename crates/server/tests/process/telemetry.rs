//! What a server tells of itself: metrics as text, and traces and metrics by OTLP.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{Router, extract::State, http::Uri};
use bytes::Bytes;
use chancery_event_store::{Database, StoreConfig, StoreLocation, fetch_all};
use futures_util::future::join_all;
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    trace::v1::Span,
};
use prost::Message;

use crate::server::{PATIENCE, Server, on_both_stores};

/// Samples by name and labels. Panics where the text is not the exposition format.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut buckets: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            assert!(help.contains(' '), "{line}");
            continue;
        }
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, of) = typed.split_once(' ').unwrap();
            assert_ne!(name, family, "a family is told twice");
            (family, kind) = (name.to_owned(), of.to_owned());
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let name = series.split('{').next().unwrap();
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(legal), "{line}");
        match kind.as_str() {
            "histogram" => {
                let suffix = name
                    .strip_prefix(&family)
                    .unwrap_or_else(|| panic!("{line}"));
                assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}");
            }
            "counter" => assert!(name == family && name.ends_with("_total"), "{line}"),
            _ => assert_eq!((name, kind.as_str()), (family.as_str(), "gauge"), "{line}"),
        }
        if let Some((labels, bound)) = series.split_once("le=\"") {
            assert!(bound.ends_with("\"}"), "{line}");
            buckets.entry(labels.to_owned()).or_default().push(value);
        }
        assert!(samples.insert(series.to_owned(), value).is_none(), "{line}");
    }
    assert!(buckets.values().all(|counts| counts.is_sorted()), "{text}");
    samples
}

on_both_stores! {
    async fn metrics_move_with_traffic(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let metrics = async || {
            let answer = server.get("/metrics").await;
            assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
            answer.text().await.unwrap()
        };
        let before = parsed(&metrics().await);
        server.operator_token().await;
        let client = server.operator["client_id"].as_str().unwrap();
        assert_eq!(server.token("system", client, "chs_wrong", "x").await, Err(401));
        assert_eq!(server.token("nobody", client, "chs_wrong", "x").await, Err(401));
        let text = metrics().await;
        let after = parsed(&text);
        let grown = |series: &str| {
            let of = |samples: &BTreeMap<String, f64>| samples.get(series).copied().unwrap_or(0.0);
            of(&after) - of(&before)
        };
        for (series, by) in [
            (r#"chancery_token_decisions_total{chancery_outcome="issued",chancery_reason="none"}"#, 1.0),
            (r#"chancery_token_decisions_total{chancery_outcome="denied",chancery_reason="wrong_secret"}"#, 2.0),
            (r#"http_server_request_duration_seconds_count{http_request_method="POST",http_route="/t/{slug}/oauth2/token",http_response_status_code="200",url_scheme="http"}"#, 1.0),
            (r#"http_server_request_duration_seconds_count{http_request_method="POST",http_route="/t/{slug}/oauth2/token",http_response_status_code="401",url_scheme="http"}"#, 2.0),
            (r#"chancery_directory_fills_total{chancery_directory_entry="client"}"#, 1.0),
            ("chancery_token_log_wait_duration_seconds_count", 1.0),
        ] {
            assert!((grown(series) - by).abs() < f64::EPSILON, "{series}\n{text}");
        }
        assert!(grown("chancery_secret_hash_duration_seconds_count") >= 1.0, "{text}");
        assert!(after["process_uptime_seconds"] > 0.0);
        // The steward comes to the end of its first round soon after the start, and nothing is due.
        let begun = Instant::now();
        loop {
            let samples = parsed(&metrics().await);
            let since = samples["process_uptime_seconds"] - samples["chancery_steward_round_age_seconds"];
            if since > 0.001 {
                assert!(samples["chancery_steward_undone"].abs() < f64::EPSILON);
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "no round of the steward has ended");
        }
        // Nothing that a stranger sent, and no name of a tenant or client, is a label.
        for label in [client, "\"nobody", "\"system", "/nobody", "/system", "chs_"] {
            assert!(!text.contains(label), "{label}\n{text}");
        }
    }
}

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Bytes)>>>);

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let keep = async |State(kept): State<Collector>, uri: Uri, body: Bytes| {
            kept.0.lock().unwrap().push((uri.path().to_owned(), body));
        };
        let router = Router::new().fallback(keep).with_state(collector.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        (collector, url)
    }

    fn bodies(&self, path: &str) -> Vec<Bytes> {
        let kept = self.0.lock().unwrap();
        let of_path = kept.iter().filter(|(at, _)| at == path);
        of_path.map(|(_, body)| body.clone()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.bodies("/otlp/v1/traces").into_iter();
        requests
            .map(|body| ExportTraceServiceRequest::decode(body).unwrap())
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The traces of the tokens in the activity log.
const RECORDED: &str = "SELECT record.value->>11
      FROM (SELECT body FROM activity_fresh UNION ALL SELECT body FROM activity_segments),
           json_each(body) AS record
     WHERE record.value->>1 = 'token_issued' AND record.value->>11 IS NOT NULL";

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// How many changes are made at the same time, so that some share a commit.
const TOGETHER: usize = 16;

async fn change_together(server: &Server, token: &str) {
    let client_of =
        "mutation { createClient(input: {tenant: \"acme\", name: \"one\"}) { client { id } } }";
    let together = (0..TOGETHER).map(|_| server.graphql(token, client_of));
    for answer in join_all(together).await {
        let answer = answer.unwrap();
        assert!(answer["errors"].is_null(), "{answer}");
    }
}

/// Each in its own trace, also where it shared a commit, whoever's it was.
fn every_change_has_its_stages(spans: &[Span]) {
    let changes: Vec<_> = spans.iter().filter(|span| span.name == "change").collect();
    assert_eq!(changes.len(), 1 + TOGETHER);
    for change in changes {
        let mut stages: Vec<_> = spans
            .iter()
            .filter(|span| {
                span.trace_id == change.trace_id && span.parent_span_id == change.span_id
            })
            .map(|span| span.name.as_str())
            .collect();
        stages.sort_unstable();
        stages.dedup();
        assert_eq!(stages, ["commit", "decide", "load", "write"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_the_spans_of_a_request_and_no_secret() {
    let (collector, url) = Collector::start().await;
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "trusted_proxies = [\"127.0.0.1\"]\n[telemetry]\notlp_endpoint = \"{url}/otlp\"\nsampling = \"1\"\n"
    );
    fs::write(directory.path().join("chancery.toml"), config).unwrap();
    let server = Server::start(directory.path(), &[]);
    let text = |name: &str| server.operator[name].as_str().unwrap().to_owned();
    let (client, secret) = (text("client_id"), text("client_secret"));

    // One request in a trace that a caller follows, one in a trace that a caller does not, and others
    // in traces that begin here.
    let ask = async |trace: &str| {
        let answer = reqwest::Client::new()
            .post(text("token_endpoint"))
            .header("traceparent", trace)
            .basic_auth(&client, Some(&secret))
            .form(&[
                ("grant_type", "client_credentials"),
                ("audience", "urn:chancery:admin"),
            ])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["traceparent"], trace);
        answer.text().await.unwrap()
    };
    let answered = ask(&format!("00-{TRACE}-00f067aa0ba902b7-01")).await;
    ask("00-11111111111111111111111111111111-00f067aa0ba902b7-00").await;
    let token = server.operator_token().await;
    let created = "mutation { createTenant(input: {slug: \"acme\", displayName: \"Acme\"}) { tenant { id } } }";
    let answer = server.graphql(&token, created).await.unwrap();
    assert!(answer["errors"].is_null(), "{answer}");
    change_together(&server, &token).await;
    assert_eq!(server.terminate(), 0);

    let spans = collector.spans();
    let of_trace: Vec<_> = spans
        .iter()
        .filter(|span| hex(&span.trace_id) == TRACE)
        .collect();
    let root = of_trace
        .iter()
        .find(|span| span.name == "POST /t/{slug}/oauth2/token")
        .unwrap_or_else(|| panic!("{of_trace:#?}"));
    assert_eq!(hex(&root.parent_span_id), "00f067aa0ba902b7");
    let mut stages: Vec<_> = of_trace
        .iter()
        .filter(|span| span.parent_span_id == root.span_id)
        .map(|span| span.name.as_str())
        .collect();
    stages.sort_unstable();
    assert_eq!(stages, ["authenticate", "decide", "record", "sign"]);
    let unfollowed = |span: &&Span| hex(&span.trace_id).starts_with("1111");
    assert_eq!(spans.iter().filter(unfollowed).count(), 0);
    let change = spans.iter().find(|span| span.name == "change").unwrap();
    let own: Vec<_> = spans
        .iter()
        .filter(|span| span.trace_id == change.trace_id)
        .collect();
    let begun = own.iter().find(|span| span.parent_span_id.is_empty());
    assert_eq!(begun.unwrap().name, "POST /graphql");
    every_change_has_its_stages(&spans);

    // The same ids as in the activity log and in the roll.
    let data = directory.path().join("chancery-data");
    let database = async |name: &str| {
        let config = StoreConfig::new(StoreLocation::Sqlite(data.join(name)));
        Database::connect(&config).await.unwrap()
    };
    let tokens = database("tokens.db").await;
    let recorded = fetch_all!(&tokens, (String,), RECORDED);
    assert!(recorded.unwrap().contains(&(TRACE.to_owned(),)));
    let roll = database("chancery.db").await;
    let recorded = fetch_all!(
        &roll,
        (String,),
        "SELECT trace_id FROM events WHERE event_type = 'TenantCreated' AND trace_id IS NOT NULL"
    );
    assert_eq!(recorded.unwrap(), [(hex(&change.trace_id),)]);

    // What was counted arrived too, the last of it when the server stopped.
    let metrics = collector.bodies("/otlp/v1/metrics");
    let last = ExportMetricsServiceRequest::decode(metrics.last().unwrap().clone()).unwrap();
    let scope = &last.resource_metrics[0].scope_metrics[0];
    assert!(
        scope
            .metrics
            .iter()
            .any(|metric| metric.name == "chancery.token.decisions")
    );

    // No secret and no token left the process with any of it.
    let access: serde_json::Value = serde_json::from_str(&answered).unwrap();
    let access = access["access_token"].as_str().unwrap().to_owned();
    let sent: Vec<u8> = collector
        .0
        .lock()
        .unwrap()
        .iter()
        .flat_map(|(_, body)| body.to_vec())
        .collect();
    let sent = String::from_utf8_lossy(&sent);
    for secret in [&secret, &access, &token] {
        assert!(!sent.contains(&secret[secret.len() / 4..secret.len() * 3 / 4]));
    }
    for trace in ["chs_", "Bearer", "Basic ", "argon2id"] {
        assert!(!sent.contains(trace), "`{trace}` was sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_harms_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let config = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:9\"\nsampling = \"1\"\n";
    fs::write(directory.path().join("chancery.toml"), config).unwrap();
    let server = Server::start(directory.path(), &[]);
    server.operator_token().await;
    // It is tried when the server starts, and said once.
    server.logs("metrics could not be sent");
    assert_eq!(server.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_does_not_decide_what_is_sent() {
    let (collector, url) = Collector::start().await;
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "trusted_proxies = [\"127.0.0.2\"]\n[telemetry]\notlp_endpoint = \"{url}/otlp\"\nsampling = \"0\"\n"
    );
    fs::write(directory.path().join("chancery.toml"), config).unwrap();
    let server = Server::start(directory.path(), &[]);
    let ask = async |from: [u8; 4], path: &str, trace: &str| {
        let http = reqwest::Client::builder().local_address(std::net::IpAddr::from(from));
        let request = http.build().unwrap().get(format!("{}{path}", server.url));
        let sent = format!("00-{trace}-00f067aa0ba902b7-01");
        let answer = request.header("traceparent", &sent).send().await.unwrap();
        assert_eq!(answer.headers()["traceparent"], sent);
    };
    // An endpoint that is told before the routes, one of the routes, and none.
    for path in ["/t/system/oauth2/jwks", "/healthz", "/nowhere"] {
        ask([127, 0, 0, 1], path, "22222222222222222222222222222222").await;
        ask([127, 0, 0, 2], path, TRACE).await;
    }
    assert_eq!(server.terminate(), 0);
    let spans = collector.spans();
    let of_strangers = spans
        .iter()
        .filter(|span| hex(&span.trace_id).starts_with("2222"));
    assert_eq!(of_strangers.count(), 0);
    let parents: Vec<_> = spans.iter().map(|span| hex(&span.parent_span_id)).collect();
    let followed = parents
        .iter()
        .filter(|parent| *parent == "00f067aa0ba902b7");
    assert_eq!(followed.count(), 3, "{spans:#?}");
}

/// What labels are compared with in a query, as it is told.
fn compared(query: &str) -> impl Iterator<Item = String> {
    let pairs = query.split(['{', ',', '}']).map(str::trim);
    let told = pairs.filter_map(|pair| {
        let (label, value) = pair.split_once("=\"")?;
        let value = value.strip_suffix('"')?;
        Some(format!("{}=\"{value}\"", label.trim_end_matches('!')))
    });
    // What Prometheus adds by itself, and what a dashboard asks its reader for.
    told.filter(|pair| !pair.starts_with("job=") && !pair.contains('$'))
}

/// The words of a query that begin like a name of ours.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let ours = ["chancery_", "http_", "process_", "db_", "service_"];
    query
        .split(word)
        .filter(move |name| ours.iter().any(|prefix| name.starts_with(prefix)))
}

/// Every query of a dashboard.
fn queries(of: &serde_json::Value, found: &mut Vec<String>) {
    match of {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(text) if ["expr", "query"].contains(&name.as_str()) => {
                        found.push(text.to_owned());
                    }
                    _ => queries(value, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_and_the_alerts_name_only_what_is_exported() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    server.operator_token().await;
    let text = server.get("/metrics").await.text().await.unwrap();
    let exported: std::collections::BTreeSet<_> = text.lines().flat_map(names).collect();

    let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let dashboard = fs::read(deploy.join("grafana/dashboards/chancery.json")).unwrap();
    let mut asked = Vec::new();
    queries(&serde_json::from_slice(&dashboard).unwrap(), &mut asked);
    assert!(asked.len() > 20, "{asked:?}");
    let alerts = fs::read_to_string(deploy.join("alerts.yaml")).unwrap();
    let rules: Vec<_> = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "))
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(rules.len(), alerts.matches("- alert: ").count());
    asked.extend(rules);
    for query in &asked {
        for name in names(query) {
            assert!(exported.contains(name), "`{name}` is not exported: {query}");
        }
        for label in compared(query) {
            assert!(text.contains(&label), "`{label}` is not exported: {query}");
        }
    }

    // Every metric and every alert is explained.
    let guide = fs::read_to_string(deploy.join("../docs/operations.md")).unwrap();
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in families.filter_map(|line| line.split(' ').next()) {
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
    for alert in alerts
        .lines()
        .filter_map(|line| line.split("- alert: ").nth(1))
    {
        assert!(guide.contains(&format!("### {alert}\n")), "{alert}");
    }
}
