use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{
    InvalidToken, Verifier,
    issuers::{Issuers, Tenants},
    key_set::KeySet,
    keys::{IssuerKeys, KeyRules, Source},
    trouble::{Listener, Trouble},
    verifier::Inner,
};
use crate::{
    Algorithm,
    claims::Payload,
    clock::{Clock, SystemClock},
    endpoint::{Endpoint, UrlFault},
    transport::{Link, Transport, TransportError, built_in},
};

/// What a JWT must look like to be an access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// RFC 9068: `typ` is `at+jwt`, and all claims are there that it requires.
    #[default]
    Rfc9068,
    /// Any JWT of the issuer, for servers of before RFC 9068: `typ` may be `JWT` or absent, the client
    /// may be in `azp`, `cid`, `appid` or in `sub` alone, and `jti` and `iat` may be absent. An ID token for this
    /// audience passes, too.
    AnyJwt,
}

impl Profile {
    pub(super) fn accepts_type(self, typ: Option<&str>) -> bool {
        let Some(typ) = typ else {
            return self == Self::AnyJwt;
        };
        // RFC 7515, section 4.1.9: a media type, whose `application/` may be left out.
        let is = |name: &str| {
            let prefix = "application/";
            let short = match typ.get(..prefix.len()) {
                Some(start) if start.eq_ignore_ascii_case(prefix) => &typ[prefix.len()..],
                _ => typ,
            };
            short.eq_ignore_ascii_case(name)
        };
        is("at+jwt") || (self == Self::AnyJwt && is("jwt"))
    }

    /// Subject and client.
    pub(super) fn identity(
        self,
        payload: &mut Payload,
        json: &str,
    ) -> Result<(String, String), InvalidToken> {
        let lenient = self == Self::AnyJwt;
        let present = |there: bool, name| {
            if there || lenient {
                Ok(())
            } else {
                Err(InvalidToken::NoClaim(name))
            }
        };
        present(payload.jti.is_some(), "jti")?;
        present(payload.iat.is_some(), "iat")?;
        let subject = payload.sub.take().ok_or(InvalidToken::NoClaim("sub"))?;
        let client = match payload.client_id.take() {
            Some(client) => client,
            None if lenient => Payload::client_elsewhere(json).unwrap_or_else(|| subject.clone()),
            None => return Err(InvalidToken::NoClaim("client_id")),
        };
        Ok((subject, client))
    }
}

/// Why a verifier cannot be built.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierBuildError {
    /// Something that is needed was not given.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A URL is not used.
    #[error("the {what} is not used: {fault}")]
    #[non_exhaustive]
    Url {
        /// Which one.
        what: &'static str,
        /// Why not.
        fault: UrlFault,
    },
    /// The server of all tenants is named as one tenant is.
    #[error(
        "the server of the tenants is named as an issuer is: leave `/t/…` out, or name the issuer by `issuer`"
    )]
    TenantsOfTenant,
    /// A key set cannot be read.
    #[error("the key set of `{0}` cannot be read, or has no key for an accepted algorithm")]
    KeySet(String),
    /// There is one secret to introspect with, and more than one issuer that would get it.
    #[cfg(feature = "introspection")]
    #[error(
        "introspection has one client for several issuers, and its secret is none of the others' business: use Introspection::by_issuer"
    )]
    OneClient,
    /// The built-in HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Transport(TransportError),
}

impl From<TransportError> for VerifierBuildError {
    fn from(fault: TransportError) -> Self {
        Self::Transport(fault)
    }
}

/// Builds a [`Verifier`]. Needed are whom to trust, and which audience this API is.
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifierBuilder {
    issuers: Vec<(String, Keys)>,
    tenants_of: Vec<String>,
    audiences: BTreeSet<String>,
    algorithms: Vec<Algorithm>,
    profile: Profile,
    leeway: Duration,
    longest: usize,
    min_interval: Duration,
    new_tenants: u32,
    max_stale: Duration,
    timeout: Duration,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
    plain: bool,
    listener: Listener,
    #[cfg(feature = "introspection")]
    introspection: Option<crate::introspection::Introspection>,
}

#[derive(Clone, Debug)]
enum Keys {
    Discover,
    At(String),
    Fixed(String),
}

impl Default for VerifierBuilder {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            tenants_of: Vec::new(),
            audiences: BTreeSet::new(),
            algorithms: vec![Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256],
            profile: Profile::default(),
            leeway: Duration::from_secs(30),
            longest: 8 * 1024,
            min_interval: Duration::from_secs(5),
            new_tenants: 100,
            max_stale: Duration::from_hours(24),
            timeout: Duration::from_secs(10),
            transport: None,
            clock: Arc::new(SystemClock),
            plain: false,
            listener: Listener::default(),
            #[cfg(feature = "introspection")]
            introspection: None,
        }
    }
}

impl VerifierBuilder {
    /// Trusts this issuer, letter for letter as it stands in `iss`. Say it again for several.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push((issuer.into(), Keys::Discover));
        self
    }

    /// Trusts an issuer whose key set is there, for a server without metadata.
    pub fn issuer_with_jwks_uri(
        mut self,
        issuer: impl Into<String>,
        url: impl Into<String>,
    ) -> Self {
        self.issuers.push((issuer.into(), Keys::At(url.into())));
        self
    }

    /// Trusts an issuer with these keys (a JSON Web Key Set), which are never fetched.
    pub fn issuer_with_keys(mut self, issuer: impl Into<String>, jwks: impl Into<String>) -> Self {
        self.issuers.push((issuer.into(), Keys::Fixed(jwks.into())));
        self
    }

    /// Trusts every tenant of a server: each issuer `{base}/t/{tenant}`, by the keys of that tenant. For
    /// an API that serves all tenants, each with what is its own: **every handler must look at
    /// [`Caller::tenant`](super::Caller::tenant)**. Audience, scopes and roles say nothing across tenants:
    /// whoever runs one may name an API there like this one, and grant its clients whatever it likes. An
    /// API of one tenant, or of a few, names their [issuers](Self::issuer).
    pub fn tenants_of(mut self, base: impl Into<String>) -> Self {
        self.tenants_of.push(base.into());
        self
    }

    /// How many tenants that are not known yet are looked for at once, or in a second where they do not
    /// exist. The default is 100.
    ///
    /// Anybody can make up names of tenants, without a signature. This is what that can cost their server,
    /// twice so many requests a second. A caller of a tenant that is not known waits for its turn for two
    /// seconds, and is then answered with 503; callers of tenants that are known never wait.
    pub fn new_tenants(mut self, at_once: u32) -> Self {
        self.new_tenants = at_once;
        self
    }

    /// Which API this is, as tokens name it in `aud`. Say it again for several names.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.insert(audience.into());
        self
    }

    /// The algorithms that are accepted. The default is ES256, `EdDSA` and RS256.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// What a token must look like. The default is RFC 9068.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// By how much clocks may differ. The default is 30 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest token that is looked at, in bytes. The default is 8 KiB.
    pub fn longest_token(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// How often at most an issuer's keys are fetched because a token names an unknown one, and how
    /// long they are taken for fresh at least. The default is 5 s.
    pub fn min_refresh_interval(mut self, interval: Duration) -> Self {
        self.min_interval = interval;
        self
    }

    /// How long keys are used while their issuer cannot be reached. The default is a day: so long, at
    /// worst, a revoked key goes on being trusted.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.max_stale = age;
        self
    }

    /// How long a request to an issuer may take. The default is 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How requests reach the issuers.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Where the time of day comes from.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Fetches keys over plain HTTP from any machine: whoever is in between can let anybody in. For a
    /// network that encrypts by itself.
    pub fn dangerously_allow_http(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Asks the issuer whether a token has been revoked.
    #[cfg(feature = "introspection")]
    pub fn introspection(mut self, introspection: crate::introspection::Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }

    /// Who is told of what goes wrong between this API and the issuers: keys go on being used for
    /// [a day](Self::max_stale) while nobody notices that they cannot be fetched. What is known of a token
    /// is not part of it. It is called where the request is made: do not block.
    ///
    /// ```
    /// # use chancery_sdk::Verifier;
    /// let verifier = Verifier::builder().on_error(|trouble| eprintln!("{trouble}"));
    /// ```
    pub fn on_error(mut self, hear: impl Fn(&Trouble) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(hear);
        self
    }

    /// Builds the verifier. Nothing is fetched yet.
    ///
    /// # Errors
    /// A [`VerifierBuildError`], where something is missing, or what is given is not used.
    pub fn build(self) -> Result<Verifier, VerifierBuildError> {
        if self.issuers.is_empty() && self.tenants_of.is_empty() {
            return Err(VerifierBuildError::Missing("an issuer"));
        }
        let is_named = |audience: &String| !audience.trim().is_empty();
        if self.audiences.is_empty() || !self.audiences.iter().all(is_named) {
            return Err(VerifierBuildError::Missing("an audience"));
        }
        if self.algorithms.is_empty() {
            return Err(VerifierBuildError::Missing("an algorithm"));
        }
        #[cfg(feature = "introspection")]
        if self
            .introspection
            .as_ref()
            .is_some_and(crate::introspection::Introspection::is_for_any)
            && (self.issuers.len() > 1 || !self.tenants_of.is_empty())
        {
            return Err(VerifierBuildError::OneClient);
        }
        let transport = match self.transport {
            Some(transport) => transport,
            None => built_in()?,
        };
        let link = Link::new(transport, self.timeout);
        let rules = Arc::new(KeyRules {
            link: link.clone(),
            clock: Arc::clone(&self.clock),
            algorithms: self.algorithms.clone(),
            min_interval: self.min_interval,
            max_stale: self.max_stale,
            plain: self.plain,
            listener: self.listener.clone(),
        });
        let url = |what, fault: UrlFault| VerifierBuildError::Url { what, fault };
        let endpoint =
            |what, text: &str| Endpoint::issuer(text, self.plain).map_err(|fault| url(what, fault));
        let mut named = HashMap::new();
        for (issuer, keys) in self.issuers {
            let rules = Arc::clone(&rules);
            let keys = match keys {
                Keys::Discover => {
                    let source = Source::Metadata(endpoint("issuer", &issuer)?);
                    IssuerKeys::new(issuer.clone(), source, rules)
                }
                Keys::At(text) => {
                    let at = Endpoint::parse(&text, self.plain)
                        .map_err(|fault| url("key set's URL", fault))?;
                    IssuerKeys::new(issuer.clone(), Source::Url(at), rules)
                }
                Keys::Fixed(jwks) => {
                    let set = KeySet::read(jwks.as_bytes(), &self.algorithms)
                        .ok()
                        .filter(|set| !set.is_empty())
                        .ok_or_else(|| VerifierBuildError::KeySet(issuer.clone()))?;
                    IssuerKeys::fixed(issuer.clone(), set, rules)
                }
            };
            named.insert(issuer, Arc::new(keys));
        }
        let mut tenants = Vec::new();
        for base in &self.tenants_of {
            endpoint("server of the tenants", base)?;
            if base.contains("/t/") {
                return Err(VerifierBuildError::TenantsOfTenant);
            }
            tenants.push(Tenants::new(base, self.new_tenants, Arc::clone(&rules)));
        }
        Ok(Verifier(Arc::new(Inner {
            issuers: Issuers { named, tenants },
            audiences: self.audiences,
            algorithms: self.algorithms,
            profile: self.profile,
            leeway: self.leeway,
            longest: self.longest,
            #[cfg(feature = "introspection")]
            introspection: self.introspection.map(|introspection| {
                introspection.into_introspector(
                    &link,
                    Arc::clone(&self.clock),
                    self.plain,
                    self.listener,
                )
            }),
            clock: self.clock,
        })))
    }
}
