//! How the server logs.

use std::fmt;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// What is written to the log, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// One of two forms.
    pub(crate) format: LogFormat,
    /// What is written at all.
    pub(crate) level: LogLevel,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// Levels in the syntax of `EnvFilter`: `info`, or `info,sqlx=warn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLevel(String);

/// No such form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a format; write text or json")]
pub(crate) struct LogFormatError(String);

/// No such level.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a level; write error, warn, info, debug, trace or off, \
     or with a target, as in info,sqlx=warn"
)]
pub(crate) struct LogLevelError(String);

impl LogLevel {
    /// The filter that it stands for.
    pub(crate) fn filter(&self) -> EnvFilter {
        // It was parsed when it was read, so nothing is lost here.
        EnvFilter::builder().parse_lossy(&self.0)
    }
}

impl FromStr for LogFormat {
    type Err = LogFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogFormatError(text.to_owned())),
        }
    }
}

impl FromStr for LogLevel {
    type Err = LogLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |part: &str| LogLevelError(part.to_owned());
        // A bare word is a target to `EnvFilter`: a mistyped level would silence everything.
        let is_word = |part: &&str| {
            part.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b))
        };
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        for word in text.split(',').map(str::trim).filter(is_word) {
            if !levels.contains(&word.to_ascii_lowercase().as_str()) {
                return Err(refuse(word));
            }
        }
        EnvFilter::builder().parse(text).map_err(|_| refuse(text))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_alone_and_with_targets() {
        for text in [
            "info",
            "WARN",
            "off",
            "info,sqlx=warn",
            "warn,chancery_token_service=debug",
        ] {
            assert!(text.parse::<LogLevel>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_mistyped_level_does_not_silence_the_log() {
        for text in ["inof", "info,sqlx", "sqlx=loud", "", "1", "info,"] {
            assert!(text.parse::<LogLevel>().is_err(), "{text}");
        }
    }
}
