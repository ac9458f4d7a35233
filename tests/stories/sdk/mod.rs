//! The SDK against the real server.

mod authentication;
mod forgeries;
mod outages;
mod support;
mod tokens;
mod verification;
