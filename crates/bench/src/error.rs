/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The system did not do what it was asked.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server did not answer as it should: a fast error is not a token.
    #[error("{0}")]
    Wrong(String),
    /// A request of the preparation failed.
    #[error("a request could not be sent: {0}")]
    Http(#[from] reqwest::Error),
    /// An answer of the preparation could not be read.
    #[error("an answer is not what was expected: {0}")]
    Json(#[from] serde_json::Error),
    /// The store did not do what it was asked.
    #[error(transparent)]
    Store(#[from] chancery_event_store::StoreError),
}

impl Error {
    /// What somebody else says is wrong.
    pub(crate) fn wrong(said: impl std::fmt::Display) -> Self {
        Self::Wrong(said.to_string())
    }

    /// Says what was tried.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
