#![doc = include_str!("../README.md")]
#![cfg_attr(
    any(test, feature = "fuzzing"),
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that panics has failed, which is what it is for"
    )
)]
#![cfg_attr(
    test,
    allow(
        clippy::unnecessary_wraps,
        clippy::needless_pass_by_value,
        reason = "the small words that tables of tests are written in read better so"
    )
)]

mod access_token;
mod address;
mod asked;
mod charset;
mod claims;
mod client_auth;
mod counted;
mod doubtful;
mod endpoint;
mod error;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod grant;
mod granted;
mod introspect;
mod json_body;
mod jwks;
mod limits;
mod metadata;
mod openapi;
mod parameters;
mod published;
mod quotas;
mod reason;
mod refresh;
mod revoke;
mod service;
mod target;
mod text;
mod token;
mod window;

pub use address::{FailureLimit, TrustedProxies};
pub use asked::Asked;
pub use endpoint::SignIn;
pub use openapi::{paths, problem, schemas};
pub use service::{TokenService, TokenServiceConfig, router};
