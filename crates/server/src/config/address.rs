//! The address to listen on.

use std::net::SocketAddr;

/// Not an address and port.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address and port; write it as 127.0.0.1:8080 or [::1]:8080")]
pub(crate) struct ListenError(String);

pub(super) fn parse(text: &str) -> Result<SocketAddr, ListenError> {
    text.parse().map_err(|_| ListenError(text.to_owned()))
}
