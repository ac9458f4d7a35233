//! The log: to standard error, for people on a terminal and as JSON for programs.
//!
//! It goes to standard error because standard output belongs to what commands answer.

use std::fmt;
use std::io::{self, IsTerminal};

use chancery_telemetry::TraceContext;
use tracing::Event;
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing_subscriber::{
    Layer, Registry,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{self, FmtSpan, JsonFields, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
};

use crate::{
    config::{LogConfig, LogFormat},
    telemetry::Spans,
};

/// Starts the log of this process.
///
/// # Errors
///
/// When the process has one already.
pub(crate) fn start(log: &LogConfig, spans: Option<&Spans>) -> Result<(), SetGlobalDefaultError> {
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    match spans {
        // One filter for everything is cheaper than one for each layer.
        None => set_global_default(Registry::default().with(log.level.filter()).with(lines(
            log.format,
            colour,
            io::stderr,
        ))),
        Some(spans) => set_global_default(
            Registry::default()
                .with(lines(log.format, colour, io::stderr).with_filter(log.level.filter()))
                .with(spans.layer()),
        ),
    }
}

/// The log's lines.
fn lines<S, W>(format: LogFormat, colour: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_span_events(FmtSpan::NONE)
        .with_writer(writer);
    match format {
        LogFormat::Text => Box::new(layer.with_ansi(colour).compact()),
        LogFormat::Json => {
            let json = format::format()
                .json()
                .flatten_event(true)
                .with_span_list(false);
            let layer = layer.with_ansi(false).fmt_fields(JsonFields::new());
            Box::new(layer.event_format(Traced(json)))
        }
    }
}

/// JSON that names the trace of the request for which it was written, where the line does not yet.
struct Traced<F>(F);

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(trace) = TraceContext::current() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        match line.strip_suffix('}') {
            Some(open) if !line.contains("\"trace_id\":") => {
                writeln!(writer, "{open},\"trace_id\":\"{}\"}}", trace.trace_id())
            }
            _ => writeln!(writer, "{line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, colour: bool) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let log = LogConfig {
            format,
            level: level.parse().unwrap(),
        };
        let subscriber = Registry::default().with(log.level.filter()).with(lines(
            log.format,
            colour,
            move || writer.clone(),
        ));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", trace_id = "4bf92f");
            let _entered = span.enter();
            tracing::info!(tenant = "acme", "a token was issued");
            tracing::debug!("the detail");
        });
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_per_line() {
        let text = logged(LogFormat::Json, "debug", true);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["message"], "a token was issued");
        assert_eq!(lines[0]["tenant"], "acme");
        assert_eq!(lines[0]["span"]["trace_id"], "4bf92f");
        assert!(lines[0]["timestamp"].is_string());
    }

    #[tokio::test]
    async fn a_line_that_is_written_for_a_request_names_its_trace_once() {
        let captured = Captured::default();
        let writer = captured.clone();
        let lines = lines(LogFormat::Json, false, move || writer.clone());
        let subscriber = Registry::default().with(lines);
        let trace = TraceContext::begin([7; 24]);
        tracing::subscriber::with_default(subscriber, || {
            futures_util::FutureExt::now_or_never(trace.scope(async {
                tracing::warn!("a batch failed");
                tracing::info!(trace_id = "told", "token");
            }));
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["trace_id"], trace.trace_id());
        assert_eq!(lines[1]["trace_id"], "told");
    }

    #[test]
    fn text_has_colour_only_where_it_is_wanted() {
        let plain = logged(LogFormat::Text, "info", false);
        assert!(
            plain.contains("a token was issued") && plain.contains("tenant=\"acme\""),
            "{plain}"
        );
        assert!(!plain.contains('\u{1b}'));
        assert!(logged(LogFormat::Text, "info", true).contains('\u{1b}'));
    }

    #[test]
    fn the_level_is_kept() {
        assert!(!logged(LogFormat::Text, "info", false).contains("the detail"));
        assert!(logged(LogFormat::Text, "debug", false).contains("the detail"));
        assert_eq!(logged(LogFormat::Text, "off", false), "");
    }
}
