//! TLS: the certificate and its key, read again when their files change.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use zeroize::Zeroizing;

use crate::config::TlsConfig;

/// How often the files are looked at. They are read and not watched: behind links that are exchanged, as
/// Kubernetes mounts secrets, nothing tells that they have changed.
const LOOK: Duration = Duration::from_secs(2);

/// Why TLS cannot be served with these files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error(
        "{} holds no certificate in PEM; put the server's first and those that lead to its root after it",
        .0.display()
    )]
    NoCertificate(PathBuf),
    #[error("{} holds no private key in PEM", .0.display())]
    NoKey(PathBuf),
    #[error("{} and {} do not serve together: {error}", cert.display(), key.display())]
    Unusable {
        cert: PathBuf,
        key: PathBuf,
        error: rustls::Error,
    },
}

/// What connections are encrypted with: always the last files that were good.
pub(crate) struct Tls {
    files: TlsConfig,
    read: Read,
    current: watch::Sender<Arc<ServerConfig>>,
}

/// The bytes of both files.
#[derive(PartialEq)]
struct Read {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn open(files: &TlsConfig) -> Result<Self, TlsError> {
        let read = Read::of(files)?;
        let config = read.config(files)?;
        Ok(Self {
            files: files.clone(),
            read,
            current: watch::Sender::new(Arc::new(config)),
        })
    }

    /// What to encrypt new connections with; it changes with the files.
    pub(crate) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Looks at the files for ever.
    pub(crate) async fn watch(mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What was said last, so that it is said once.
        let mut said = None;
        loop {
            looks.tick().await;
            match self.look() {
                Ok(false) => {}
                Ok(true) => {
                    said = None;
                    tracing::info!(
                        "the TLS certificate has changed; new connections use the new one"
                    );
                }
                Err(error) => {
                    let fault = error.to_string();
                    if said.as_ref() != Some(&fault) {
                        tracing::error!(%error, "the new TLS certificate cannot be used; new connections go on with the old one");
                        said = Some(fault);
                    }
                }
            }
        }
    }

    /// Whether there is something new. Two files are exchanged one after the other, so for a moment they
    /// may not fit: what does not is not taken, and looked at again.
    fn look(&mut self) -> Result<bool, TlsError> {
        let read = Read::of(&self.files)?;
        if read == self.read {
            return Ok(false);
        }
        let config = read.config(&self.files)?;
        self.current.send_replace(Arc::new(config));
        self.read = read;
        Ok(true)
    }
}

impl Read {
    fn of(files: &TlsConfig) -> Result<Self, TlsError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| TlsError::Unreadable {
                path: path.clone(),
                error,
            })
        };
        Ok(Self {
            cert: read(&files.cert)?,
            key: Zeroizing::new(read(&files.key)?),
        })
    }

    fn config(&self, files: &TlsConfig) -> Result<ServerConfig, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate(files.cert.clone()))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(files.cert.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| TlsError::NoKey(files.key.clone()))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| TlsError::Unusable {
            cert: files.cert.clone(),
            key: files.key.clone(),
            error,
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}
