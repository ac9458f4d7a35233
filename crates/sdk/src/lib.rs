#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(feature = "client", feature = "resource-server")),
    allow(
        dead_code,
        unused_imports,
        reason = "what there is serves these two; without both nobody uses it"
    )
)]

#[cfg(any(feature = "resource-server", feature = "testing"))]
#[cfg_attr(
    not(feature = "resource-server"),
    allow(dead_code, reason = "the test issuer signs, and verifies nothing")
)]
mod algorithm;
mod base64url;
#[cfg(feature = "client")]
mod chance;
mod claims;
pub mod clock;
mod endpoint;
mod metadata;
mod scopes;
mod secret;
#[cfg(any(feature = "client", feature = "testing"))]
#[cfg_attr(
    not(feature = "client"),
    allow(dead_code, reason = "the test issuer makes its keys, and reads none")
)]
mod sign;
pub mod transport;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "introspection")]
pub mod introspection;
#[cfg(feature = "middleware")]
pub mod middleware;
#[cfg(feature = "resource-server")]
mod resource;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(any(feature = "resource-server", feature = "testing"))]
pub use algorithm::Algorithm;
#[cfg(any(feature = "client", feature = "testing"))]
pub use claims::UnverifiedClaims;
#[cfg(feature = "client")]
pub use client::*;
pub use endpoint::UrlFault;
pub use metadata::DiscoveryError;
#[cfg(feature = "resource-server")]
pub use resource::*;
pub use scopes::Scopes;
pub use secret::Secret;
