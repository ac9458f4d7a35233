//! The whole server but its socket: what the binary serves, and what tests serve in their own
//! process with a clock of their own.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use axum::Router;
use chancery_application::{Application, Installation, OperatorCredential, Parts, PublicUrl};
use chancery_crypto::{Entropy, HashParameters, Sealer, SecretHasher, SystemEntropy};
use chancery_directory::Directory;
use chancery_domain::Clock;
use chancery_event_store::Store;
use chancery_token_service::{TokenService, TokenServiceConfig};

use crate::{
    clock::SystemClock,
    config::{Config, private_file},
    exit::Failure,
    health,
    start::{self, Opened},
};

/// How many secrets may wait to be hashed before the answer is "try again".
const WAITING_TO_HASH: usize = 256;

/// What the server is told from outside.
pub struct Settings {
    /// The base of every issuer.
    pub public_url: PublicUrl,
    /// Limits and proxies of the token endpoint.
    pub token_service: TokenServiceConfig,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

/// The whole server but its socket.
pub struct Platform {
    /// The one door for changes.
    pub application: Application,
    /// Every URL of the contract.
    pub router: Router,
    /// Where everything is kept.
    pub store: Store,
    installation: Installation,
}

impl Settings {
    /// The settings of a configured server, with the system's clock and chance.
    pub(crate) fn of(config: &Config) -> Result<Self, Failure> {
        let public_url = PublicUrl::parse(config.public_url.as_str()).map_err(Failure::input)?;
        Ok(Self {
            token_service: TokenServiceConfig {
                public_url: config.public_url.as_str().to_owned(),
            },
            public_url,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::new()),
        })
    }
}

impl Platform {
    /// Puts everything together on an open store.
    pub(crate) async fn open(opened: Opened, settings: Settings) -> Result<Self, Failure> {
        let Opened { store, sealer } = opened;
        let installation = Installation::open(&store, &sealer, &*settings.entropy)
            .await
            .map_err(|error| start::open_failure(&error))?;
        Ok(Self::assemble(store, sealer, installation, settings))
    }
}
