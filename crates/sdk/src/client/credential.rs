use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::error::CredentialError;
use crate::{
    Secret,
    transport::{BoxError, BoxFuture},
};

/// No credential is longer.
const LONGEST: u64 = 64 * 1024;

/// Where a client's secret or private key comes from.
///
/// It is loaded for every request to the server, which is seldom, so a credential that was replaced is
/// used from the next request on; and once more at once when the server answers `invalid_client`.
///
/// ```
/// use chancery_sdk::Credential;
///
/// let fixed = Credential::from("chs_…");
/// let mounted = Credential::file("/run/secrets/chancery");
/// let vault = Credential::from_fn(|| async { Ok("chs_…".into()) });
/// ```
#[derive(Clone)]
pub struct Credential {
    source: Arc<dyn CredentialSource>,
    /// The last that was loaded: it may still be good while its source is in trouble.
    last: Arc<Mutex<Option<Secret>>>,
}

/// A source of credentials of your own.
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// The credential as it is now. `refused` is the one that the server did not accept, when that is
    /// the reason for asking: a source that remembers should look again.
    fn load<'a>(&'a self, refused: Option<&'a Secret>) -> BoxFuture<'a, Result<Secret, BoxError>>;
}

impl Credential {
    /// A credential from a source of your own.
    pub fn new(source: impl CredentialSource) -> Self {
        Self {
            source: Arc::new(source),
            last: Arc::default(),
        }
    }

    /// A credential in a file, without white space around it or a mark of its byte order. Replace the file, and no restart is needed.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(File(path.into()))
    }

    /// A credential that a function fetches.
    pub fn from_fn<F, Fut>(load: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, BoxError>> + Send + 'static,
    {
        Self::new(Function(Box::new(move || Box::pin(load()))))
    }

    /// The credential as it is now; while its source fails, says nothing for so long or gives what is of no
    /// use, like half of a file, as it was last.
    pub(crate) async fn load(
        &self,
        refused: Option<&Secret>,
        within: Duration,
        check: impl Fn(&Secret) -> Result<(), CredentialError>,
    ) -> Result<Secret, CredentialError> {
        let loaded = match tokio::time::timeout(within, self.source.load(refused)).await {
            Ok(Ok(secret)) if secret.reveal().is_empty() => Err(CredentialError::Empty),
            Ok(Ok(secret)) => check(&secret).map(|()| secret),
            Ok(Err(error)) => Err(CredentialError::NotLoaded(Arc::from(error))),
            Err(_) => {
                let silent = BoxError::from(format!("its source says nothing within {within:?}"));
                Err(CredentialError::NotLoaded(Arc::from(silent)))
            }
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (loaded, &*last) {
            (Ok(secret), _) => {
                *last = Some(secret.clone());
                Ok(secret)
            }
            (Err(_), Some(last)) => Ok(last.clone()),
            (Err(error), None) => Err(error),
        }
    }
}

impl<S: Into<Secret>> From<S> for Credential {
    fn from(secret: S) -> Self {
        Self::new(Fixed(secret.into()))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a source of the program's own shows of itself may be a secret.
        f.write_str("Credential(…)")
    }
}

#[derive(Debug)]
struct Fixed(Secret);

impl CredentialSource for Fixed {
    fn load<'a>(&'a self, _: Option<&'a Secret>) -> BoxFuture<'a, Result<Secret, BoxError>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

#[derive(Debug)]
struct File(PathBuf);

impl CredentialSource for File {
    fn load<'a>(&'a self, _: Option<&'a Secret>) -> BoxFuture<'a, Result<Secret, BoxError>> {
        let path = self.0.clone();
        Box::pin(async move {
            let name = path.display().to_string();
            let read = tokio::task::spawn_blocking(move || read(&path)).await?;
            let text = zeroize::Zeroizing::new(read.map_err(|error| format!("{name}: {error}"))?);
            Ok(text.trim_start_matches('\u{feff}').trim().into())
        })
    }
}

/// What is no file may be read for ever.
fn read(path: &Path) -> std::io::Result<String> {
    let what = std::fs::metadata(path)?;
    if !what.is_file() || what.len() > LONGEST {
        let fault = "it is no regular file of less than 64 KiB";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, fault));
    }
    std::fs::read_to_string(path)
}

struct Function(Box<dyn Fn() -> BoxFuture<'static, Result<Secret, BoxError>> + Send + Sync>);

impl CredentialSource for Function {
    fn load<'a>(&'a self, _: Option<&'a Secret>) -> BoxFuture<'a, Result<Secret, BoxError>> {
        (self.0)()
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function(…)")
    }
}
