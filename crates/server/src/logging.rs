//! The log: to standard error, for people on a terminal and as JSON for programs.
//!
//! It goes to standard error because standard output belongs to what commands answer.

use std::io::{self, IsTerminal};

use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogConfig, LogFormat};

/// Starts the log of this process.
///
/// # Errors
///
/// When the process has one already.
pub(crate) fn start(log: &LogConfig) -> Result<(), SetGlobalDefaultError> {
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    set_global_default(subscriber(log, colour, io::stderr))
}

fn subscriber<W>(
    log: &LogConfig,
    colour: bool,
    writer: W,
) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(log.level.filter())
        .with_span_events(FmtSpan::NONE)
        .with_writer(writer);
    match log.format {
        LogFormat::Text => Box::new(builder.with_ansi(colour).compact().finish()),
        LogFormat::Json => Box::new(
            builder
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .finish(),
        ),
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
        let subscriber = subscriber(&log, colour, move || writer.clone());
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
