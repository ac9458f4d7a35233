//! Verifying tokens: what an API needs.

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
mod token;
mod verifier;

pub use self::{
    builder::{Profile, VerifierBuildError, VerifierBuilder},
    caller::Caller,
    extract::{Permission, Permitted},
    layer::{AuthLayer, AuthService, RequireLayer, RequireService},
    rejection::{InvalidToken, Rejection},
    require::Require,
    verifier::Verifier,
};
