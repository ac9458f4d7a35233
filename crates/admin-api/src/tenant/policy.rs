use async_graphql::{Enum, SimpleObject};
use chancery_domain::tenant::{ClientLifetime, RateLimit, RateLimits, TenantPolicy};

/// What holds for a tenant's clients, secrets and tokens.
#[derive(SimpleObject)]
#[graphql(name = "TenantPolicy")]
pub(crate) struct TenantPolicyNode {
    /// How long access tokens live, in seconds.
    access_token_seconds: u32,
    /// How long refresh tokens live, in seconds. Null: there are none.
    refresh_token_seconds: Option<u32>,
    /// How tokens are signed.
    signing_algorithm: SigningAlgorithmName,
    /// After how many days a signing key is followed by another, without anybody's doing. Null: only when
    /// an operator says so.
    signing_key_rotation_days: Option<u32>,
    /// How clients may authenticate at the token endpoint.
    allowed_auth_methods: Vec<TokenAuthMethodName>,
    /// Whether every client needs a name.
    require_client_name: bool,
    /// Whether clients may carry metadata.
    allow_metadata: bool,
    /// Bounds on how long clients live.
    client_lifetime_days: ClientLifetimeNode,
    /// How long every secret lives at most, in days. Null: without bound.
    secret_lifetime_days: Option<u32>,
    /// After how many days a secret is to be rotated, where its client has no schedule of its own. It holds
    /// for secrets that were issued since it was set. Null: nobody is reminded.
    secret_rotation_days: Option<u32>,
    /// How many secrets of one client may be live at once.
    max_live_secrets: u32,
    /// How long an old secret stays usable after a rotation that says nothing else, in seconds.
    rotation_overlap_seconds: u32,
    /// Limits on token requests.
    rate_limit: RateLimitsNode,
}

/// Bounds on how long clients live, in days.
#[derive(SimpleObject)]
#[graphql(name = "ClientLifetime")]
pub(crate) struct ClientLifetimeNode {
    /// For a client that is created without an end. Null: it has none.
    default: Option<u32>,
    /// At least.
    min: u32,
    /// At most. Null: without bound.
    max: Option<u32>,
}

/// Limits on token requests. They count authenticated requests.
#[derive(SimpleObject)]
#[graphql(name = "RateLimits")]
pub(crate) struct RateLimitsNode {
    /// For each client. Null: off.
    client: Option<RateLimitNode>,
    /// For the tenant as a whole. Null: off.
    tenant: Option<RateLimitNode>,
}

/// So many requests in a window.
#[derive(SimpleObject)]
#[graphql(name = "RateLimit")]
pub(crate) struct RateLimitNode {
    /// How many requests pass in one window.
    requests: u32,
    /// The window, in seconds.
    window_seconds: u32,
    /// False: requests beyond the limit are counted and pass.
    enforce: bool,
}

/// How a token is signed (RFC 7518, RFC 8037).
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(
    name = "SigningAlgorithm",
    remote = "chancery_domain::tenant::SigningAlgorithm"
)]
pub(crate) enum SigningAlgorithmName {
    /// ECDSA on P-256 with SHA-256.
    #[graphql(name = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[graphql(name = "RS256")]
    Rs256,
    /// Ed25519; `EdDSA` in tokens.
    #[graphql(name = "EDDSA")]
    EdDsa,
}

/// What a client is registered to authenticate with. It may use nothing else.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "AuthMethod", remote = "chancery_domain::tenant::AuthMethod")]
pub(crate) enum AuthMethodName {
    /// A secret, sent as it is.
    ClientSecret,
    /// An assertion that is keyed with a secret (RFC 7523).
    ClientSecretJwt,
    /// An assertion that is signed with a private key (RFC 7523).
    PrivateKeyJwt,
}

/// How a client proves who it is at the token endpoint (RFC 6749, RFC 7523).
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(
    name = "TokenAuthMethod",
    remote = "chancery_domain::tenant::TokenAuthMethod"
)]
pub(crate) enum TokenAuthMethodName {
    /// A secret in the `Authorization` header.
    ClientSecretBasic,
    /// A secret in the body.
    ClientSecretPost,
    /// An assertion that is keyed with the secret.
    ClientSecretJwt,
    /// An assertion that is signed with a private key.
    PrivateKeyJwt,
}

impl From<&TenantPolicy> for TenantPolicyNode {
    fn from(policy: &TenantPolicy) -> Self {
        Self {
            access_token_seconds: policy.access_token_seconds,
            refresh_token_seconds: policy.refresh_token_seconds,
            signing_algorithm: policy.signing_algorithm.into(),
            signing_key_rotation_days: policy.signing_key_rotation_days,
            allowed_auth_methods: policy
                .allowed_auth_methods
                .iter()
                .map(|method| (*method).into())
                .collect(),
            require_client_name: policy.require_client_name,
            allow_metadata: policy.allow_metadata,
            client_lifetime_days: policy.client_lifetime_days.into(),
            secret_lifetime_days: policy.secret_lifetime_days,
            secret_rotation_days: policy.secret_rotation_days,
            max_live_secrets: policy.max_live_secrets,
            rotation_overlap_seconds: policy.rotation_overlap_seconds,
            rate_limit: policy.rate_limit.into(),
        }
    }
}

impl From<ClientLifetime> for ClientLifetimeNode {
    fn from(ClientLifetime { default, min, max }: ClientLifetime) -> Self {
        Self { default, min, max }
    }
}

impl From<RateLimits> for RateLimitsNode {
    fn from(limits: RateLimits) -> Self {
        Self {
            client: limits.client.map(Into::into),
            tenant: limits.tenant.map(Into::into),
        }
    }
}

impl From<RateLimit> for RateLimitNode {
    fn from(
        RateLimit {
            requests,
            window_seconds,
            enforce,
        }: RateLimit,
    ) -> Self {
        Self {
            requests,
            window_seconds,
            enforce,
        }
    }
}
