use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a token is signed (RFC 7518, RFC 8037). Never with a shared key.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    /// The JOSE name, as in a token's `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// What a client is registered to authenticate with.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A secret, sent as it is.
    ClientSecret,
    /// A secret that keys an assertion (RFC 7523).
    ClientSecretJwt,
    /// A private key that signs an assertion (RFC 7523).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// Every way.
    pub const ALL: [Self; 3] = [
        Self::ClientSecret,
        Self::ClientSecretJwt,
        Self::PrivateKeyJwt,
    ];

    /// The name in the admin API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecret => "CLIENT_SECRET",
            Self::ClientSecretJwt => "CLIENT_SECRET_JWT",
            Self::PrivateKeyJwt => "PRIVATE_KEY_JWT",
        }
    }

    /// What a policy must allow for it, in words.
    pub(crate) const fn needs(self) -> &'static str {
        match self {
            Self::ClientSecret => "CLIENT_SECRET_BASIC or CLIENT_SECRET_POST",
            Self::ClientSecretJwt => "CLIENT_SECRET_JWT",
            Self::PrivateKeyJwt => "PRIVATE_KEY_JWT",
        }
    }

    /// Whether the client has secrets.
    pub const fn has_secrets(self) -> bool {
        match self {
            Self::ClientSecret | Self::ClientSecretJwt => true,
            Self::PrivateKeyJwt => false,
        }
    }
}

/// How a client proves who it is at the token endpoint (the names of `OpenID` Connect Core, section 9).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenAuthMethod {
    /// A secret in the `Authorization` header.
    ClientSecretBasic,
    /// A secret in the body.
    ClientSecretPost,
    /// An assertion keyed with the secret.
    ClientSecretJwt,
    /// An assertion signed with a private key.
    PrivateKeyJwt,
}

impl TokenAuthMethod {
    /// The name in metadata (RFC 8414).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}
