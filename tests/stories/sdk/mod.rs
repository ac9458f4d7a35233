//! The SDK against the real server.

mod support;
mod tokens;
mod verification;
