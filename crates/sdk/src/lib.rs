#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "introspection", feature = "testing")),
    allow(
        dead_code,
        unused_imports,
        reason = "what several features share is not all used by each of them; with all of them it is"
    )
)]

#[cfg(any(feature = "resource-server", feature = "testing"))]
mod algorithm;
mod chance;
mod claims;
pub mod clock;
mod endpoint;
mod metadata;
mod scopes;
mod secret;
#[cfg(any(feature = "client", feature = "testing"))]
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
pub use claims::UnverifiedClaims;
#[cfg(feature = "client")]
pub use client::*;
pub use endpoint::UrlFault;
pub use metadata::DiscoveryError;
#[cfg(feature = "resource-server")]
pub use resource::*;
pub use scopes::Scopes;
pub use secret::Secret;
