//! Why a task ended without success.

use std::io;

/// Why a task ended without success, and with which exit status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The task ran, and the answer is no.
    #[error("{0}")]
    Failed(String),
    /// The task could not run; the text says what to do.
    #[error("{0}")]
    Unusable(String),
    /// The system refused something.
    #[error("could not {doing}: {source}")]
    Io {
        doing: String,
        #[source]
        source: io::Error,
    },
    /// A signal asked us to stop; its number.
    #[error("stopped by signal {0}")]
    Interrupted(u8),
}

impl Error {
    /// For `map_err`: names what was being done when the system refused.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Io { doing, source }
    }

    /// 1: the answer is no. 2: could not be run. 128 + *n*: ended by signal *n*.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Unusable(_) | Self::Io { .. } => 2,
            Self::Interrupted(signal) => 128_u8.saturating_add(*signal),
        }
    }
}
