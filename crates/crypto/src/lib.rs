#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that panics has failed, which is what it is for"
    )
)]

mod algorithm;
mod assertion;
mod digest;
mod entropy;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
mod hash;
mod installation_key;
mod jwk;
mod mac;
mod master_key;
mod note;
mod seal;
mod secret;
mod signing;
mod token;
mod verifier;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use assertion::{
    AssertionAlgorithm, AssertionClaims, AssertionError, AssertionKey, DecoyKeys,
    PresentedAssertion, UnusableKey,
};
pub use digest::{Digest, DigestKey};
#[cfg(any(test, feature = "testing"))]
pub use entropy::SeededEntropy;
pub use entropy::{Entropy, Stock, SystemEntropy};
pub use hash::sha256;
pub use installation_key::{InstallationKey, InstallationKeyError};
pub use jwk::{JwkError, JwkSet, PublicJwk};
pub use master_key::{MasterKey, MasterKeyError, MasterKeyId};
pub use note::{InvalidKeyName, NoteError, NoteKey, VerifierKey, VerifierKeyError};
pub use seal::{MasterKeySource, OpenError, SealContext, SealError, Sealed, Sealer};
pub use secret::{
    ClientSecret, NotOurs, REFRESH_PATTERN, RefreshToken, SECRET_PATTERN, SecretIssuer,
    could_be_secret, fingerprint,
};
pub use signing::{SignError, SigningKey, SigningKeyError};
pub use token::{Audience, Expectation, PresentedToken, TokenError, verify_jwt};
pub use verifier::{HashParameters, HashParametersError, HasherError, SecretHasher, Verifier};
