//! TLS: the certificate and its key, read again when their files change.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use chancery_domain::{Clock, Timestamp};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval},
};
use zeroize::Zeroizing;

use crate::{config::TlsConfig, validity::not_after};

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
    #[error("the certificate in {} has ended at {ended}, and the one that is served has not", cert.display())]
    Ended { cert: PathBuf, ended: Timestamp },
}

/// What connections are encrypted with: always the last files that were good.
pub(crate) struct Tls {
    files: TlsConfig,
    read: Read,
    current: watch::Sender<Arc<ServerConfig>>,
    certificate: Arc<Certificate>,
    clock: Arc<dyn Clock>,
}

/// What is told of the certificate that is served.
pub(crate) struct Certificate {
    /// When it ends, in microseconds since 1970; 0 where that cannot be read.
    not_after: AtomicI64,
    refused: AtomicBool,
}

impl Certificate {
    fn of(not_after: Option<Timestamp>) -> Self {
        Self {
            not_after: AtomicI64::new(not_after.map_or(0, Timestamp::micros)),
            refused: AtomicBool::new(false),
        }
    }

    /// When it ends.
    pub(crate) fn not_after(&self) -> Option<Timestamp> {
        let micros = self.not_after.load(Ordering::Relaxed);
        (micros > 0).then(|| Timestamp::from_micros(micros))
    }

    /// Whether its files hold something that is not served.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The bytes of both files.
#[derive(PartialEq)]
struct Read {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn open(files: &TlsConfig, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let read = Read::of(files)?;
        let (config, ends) = read.config(files)?;
        tell_of_end(ends, clock.now());
        Ok(Self {
            files: files.clone(),
            read,
            current: watch::Sender::new(Arc::new(config)),
            certificate: Arc::new(Certificate::of(ends)),
            clock,
        })
    }

    /// What is told of what is served.
    pub(crate) fn certificate(&self) -> Arc<Certificate> {
        self.certificate.clone()
    }

    /// What to encrypt new connections with; it changes with the files.
    pub(crate) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Looks at the files for ever, and at once when it is told that they may have changed.
    pub(crate) async fn watch(mut self, told: Arc<Notify>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What was said last, so that it is said once.
        let mut said = None;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = told.notified() => {}
            }
            let looked = self.look();
            self.certificate
                .refused
                .store(looked.is_err(), Ordering::Relaxed);
            match looked {
                Ok(false) => said = None,
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
        let (config, ends) = read.config(&self.files)?;
        let now = self.clock.now();
        // One that has ended serves nobody; but where both have, the operator's choice is the newer.
        if let Some(ended) = ends.filter(|ends| *ends < now)
            && self.certificate.not_after().is_none_or(|ends| ends >= now)
        {
            let cert = self.files.cert.clone();
            return Err(TlsError::Ended { cert, ended });
        }
        tell_of_end(ends, now);
        self.current.send_replace(Arc::new(config));
        self.certificate
            .not_after
            .store(ends.map_or(0, Timestamp::micros), Ordering::Relaxed);
        self.read = read;
        Ok(true)
    }
}

/// Clients refuse what has ended, and see no more of it than that.
fn tell_of_end(ends: Option<Timestamp>, now: Timestamp) {
    if let Some(ended) = ends.filter(|ends| *ends < now) {
        tracing::warn!(%ended, "the TLS certificate has ended: clients will refuse it");
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

    /// What is served with them, and when that ends.
    fn config(&self, files: &TlsConfig) -> Result<(ServerConfig, Option<Timestamp>), TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate(files.cert.clone()))?;
        let Some(first) = chain.first() else {
            return Err(TlsError::NoCertificate(files.cert.clone()));
        };
        let ends = not_after(first);
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
        Ok((config, ends))
    }
}
