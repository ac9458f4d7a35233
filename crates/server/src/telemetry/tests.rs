use chancery_telemetry::{Family, Histogram, Labels, Points};
use std::time::Duration;

use super::prometheus;

#[test]
fn families_are_told_as_prometheus_reads_them() {
    let durations = Histogram::of_durations();
    durations.took(Duration::from_millis(3));
    let labels: Labels = vec![("http.route", "/a\"b\\c\nd".into())];
    let families = [
        Family::sum("chancery.token.decisions", "{decision}", "Decisions.", 3),
        Family::gauge("process.memory.usage", "By", "Memory.", 1024.0),
        Family {
            name: "http.server.request.duration",
            unit: "s",
            help: "Durations.",
            points: Points::Histograms(vec![(labels, durations.distribution())]),
        },
    ];
    let text = prometheus::text(&families);
    for line in [
        "# TYPE chancery_token_decisions_total counter",
        "chancery_token_decisions_total 3",
        "process_memory_usage_bytes 1024",
        "# TYPE http_server_request_duration_seconds histogram",
        r#"http_server_request_duration_seconds_bucket{http_route="/a\"b\\c\nd",le="0.0025"} 0"#,
        r#"http_server_request_duration_seconds_bucket{http_route="/a\"b\\c\nd",le="0.005"} 1"#,
        r#"http_server_request_duration_seconds_bucket{http_route="/a\"b\\c\nd",le="+Inf"} 1"#,
        r#"http_server_request_duration_seconds_sum{http_route="/a\"b\\c\nd"} 0.003"#,
        r#"http_server_request_duration_seconds_count{http_route="/a\"b\\c\nd"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
