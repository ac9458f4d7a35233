//! Verifying tokens: what an API needs.

mod attempts;
mod builder;
mod caller;
mod extract;
mod issuers;
mod key;
mod key_set;
mod keys;
mod layer;
mod rejection;
mod require;
mod seats;
mod token;
mod trouble;
mod verifier;

/// For introspection, which is told of in the same way.
#[cfg(feature = "introspection")]
pub(crate) use self::trouble::Listener;
pub use self::{
    builder::{Profile, VerifierBuildError, VerifierBuilder},
    caller::Caller,
    extract::{Permission, Permitted},
    layer::{AuthLayer, AuthService, RequireLayer, RequireService},
    rejection::{InvalidToken, Rejection, Unavailable},
    require::{Needed, Require},
    trouble::{KeysFault, Trouble},
    verifier::Verifier,
};
