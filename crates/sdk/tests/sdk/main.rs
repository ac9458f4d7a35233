//! What the client and the verifier do, against an issuer in memory, with time held still.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod authentication;
mod caching;
mod guards;
mod hangs;
mod introspection;
mod keys;
mod middleware;
mod outages;
mod support;
mod transport;
mod verification;
