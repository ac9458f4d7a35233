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

use crate::{config::TlsConfig, validity::Validity};

/// How often the files are looked at. They are read and not watched: behind links that are exchanged, as
/// Kubernetes mounts secrets, nothing tells that they have changed.
const LOOK: Duration = Duration::from_secs(2);

/// Why TLS cannot be served with these files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{} ({setting}) cannot be read: {error}; it has to be a file that the server's user may read", path.display())]
    Unreadable {
        setting: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error(
        "{} holds no certificate in PEM; put the server's first and those that lead to its root after it",
        .0.display()
    )]
    NoCertificate(PathBuf),
    #[error("{} holds no private key in PEM", .0.display())]
    NoKey(PathBuf),
    #[error("the private key in {} is encrypted, and nobody gives its passphrase at a start; decrypt it (openssl pkey -in … -out …) into a file that the server's user alone may read", .0.display())]
    Encrypted(PathBuf),
    #[error("the private key in {} is not that of the first certificate in {}", key.display(), cert.display())]
    Apart { cert: PathBuf, key: PathBuf },
    #[error(
        "the certificate in {} is of X.509 version 1, which says no name that clients could check; issue one with extensions (subjectAltName)",
        .0.display()
    )]
    Version(PathBuf),
    #[error("{} and {} do not serve together: {error}", cert.display(), key.display())]
    Unusable {
        cert: PathBuf,
        key: PathBuf,
        error: rustls::Error,
    },
    #[error("the certificate in {} has ended at {ended}, and the one that is served has not", cert.display())]
    Ended { cert: PathBuf, ended: Timestamp },
    #[error("the certificate in {} begins at {begins}, and the one that is served is valid now; look at this machine's clock too", cert.display())]
    Early { cert: PathBuf, begins: Timestamp },
}

impl TlsError {
    /// What the library says of certificate and key, in words of what to do.
    fn unusable(files: &TlsConfig, error: rustls::Error) -> Self {
        let (cert, key) = (files.cert.clone(), files.key.clone());
        match error {
            rustls::Error::InconsistentKeys(_) => Self::Apart { cert, key },
            // It is of a type of another library, which says no more.
            rustls::Error::InvalidCertificate(fault)
                if format!("{fault:?}").contains("UnsupportedCertVersion") =>
            {
                Self::Version(cert)
            }
            error => Self::Unusable { cert, key, error },
        }
    }
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
    /// When it begins and ends, in microseconds since 1970; 0 where that cannot be read.
    not_before: AtomicI64,
    not_after: AtomicI64,
    refused: AtomicBool,
}

impl Certificate {
    fn of(validity: Validity) -> Self {
        let this = Self {
            not_before: AtomicI64::new(0),
            not_after: AtomicI64::new(0),
            refused: AtomicBool::new(false),
        };
        this.is_now(validity);
        this
    }

    fn is_now(&self, validity: Validity) {
        let micros = |moment: Option<Timestamp>| moment.map_or(0, Timestamp::micros);
        let Validity { begins, ends } = validity;
        self.not_before.store(micros(begins), Ordering::Relaxed);
        self.not_after.store(micros(ends), Ordering::Relaxed);
    }

    /// When it ends.
    pub(crate) fn not_after(&self) -> Option<Timestamp> {
        read(&self.not_after)
    }

    /// Whether it is valid, as far as that can be read.
    fn is_valid(&self, now: Timestamp) -> bool {
        read(&self.not_before).is_none_or(|begins| begins <= now)
            && self.not_after().is_none_or(|ends| ends >= now)
    }

    /// Whether its files hold something that is not served.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

fn read(moment: &AtomicI64) -> Option<Timestamp> {
    let micros = moment.load(Ordering::Relaxed);
    (micros > 0).then(|| Timestamp::from_micros(micros))
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
        let (config, validity) = read.config(files)?;
        tell_of(validity, clock.now());
        Ok(Self {
            files: files.clone(),
            read,
            current: watch::Sender::new(Arc::new(config)),
            certificate: Arc::new(Certificate::of(validity)),
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
                Ok(false) => {
                    if said.take().is_some() {
                        tracing::info!("the TLS files hold again what is served");
                    }
                }
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
        let (config, validity) = read.config(&self.files)?;
        let now = self.clock.now();
        let cert = || self.files.cert.clone();
        // One that is not valid serves nobody; but where neither is, the operator's choice is the newer.
        let serves = self.certificate.is_valid(now);
        if let Some(ended) = validity.ends.filter(|ends| serves && *ends < now) {
            return Err(TlsError::Ended {
                cert: cert(),
                ended,
            });
        }
        if let Some(begins) = validity.begins.filter(|begins| serves && *begins > now) {
            return Err(TlsError::Early {
                cert: cert(),
                begins,
            });
        }
        tell_of(validity, now);
        self.current.send_replace(Arc::new(config));
        self.certificate.is_now(validity);
        self.read = read;
        Ok(true)
    }
}

/// Clients refuse what is not valid, and see no more of it than that.
fn tell_of(validity: Validity, now: Timestamp) {
    if let Some(ended) = validity.ends.filter(|ends| *ends < now) {
        tracing::warn!(%ended, "the TLS certificate has ended: clients will refuse it");
    }
    if let Some(begins) = validity.begins.filter(|begins| *begins > now) {
        tracing::warn!(%begins, "the TLS certificate is not valid yet: clients will refuse it; look at this machine's clock too");
    }
}

impl Read {
    fn of(files: &TlsConfig) -> Result<Self, TlsError> {
        let read = |setting, path: &PathBuf| {
            std::fs::read(path).map_err(|error| TlsError::Unreadable {
                setting,
                path: path.clone(),
                error,
            })
        };
        Ok(Self {
            cert: read("tls.cert", &files.cert)?,
            key: Zeroizing::new(read("tls.key", &files.key)?),
        })
    }

    /// What is served with them, and when that is valid.
    fn config(&self, files: &TlsConfig) -> Result<(ServerConfig, Validity), TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate(files.cert.clone()))?;
        let Some(first) = chain.first() else {
            return Err(TlsError::NoCertificate(files.cert.clone()));
        };
        let validity = Validity::of(first);
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| {
            if is_encrypted(&self.key) {
                TlsError::Encrypted(files.key.clone())
            } else {
                TlsError::NoKey(files.key.clone())
            }
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| TlsError::unusable(files, error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((config, validity))
    }
}

/// Whether it is a private key with a passphrase, in either way to write that (RFC 7468, section 11; RFC 1421).
fn is_encrypted(key: &[u8]) -> bool {
    let says = |words: &[u8]| key.windows(words.len()).any(|part| part == words);
    says(b"BEGIN ENCRYPTED PRIVATE KEY") || says(b"Proc-Type: 4,ENCRYPTED")
}
