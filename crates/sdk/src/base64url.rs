//! Base64 as JOSE has it (RFC 7515, section 2): for URLs, without padding, and nothing else beside it.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::sync::LazyLock;

use base64::Engine;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::general_purpose::URL_SAFE_NO_PAD as ENGINE;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::{Simd, general_purpose::NO_PAD};

/// What the machine does fastest: a token has a thousand characters to decode.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

/// What the text stands for; there is one text for it, and any other is refused.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    ENGINE.decode(text).ok()
}

/// The same, of what is text itself.
pub(crate) fn decode_text(text: &str) -> Option<String> {
    String::from_utf8(decode(text)?).ok()
}

#[cfg(any(feature = "client", feature = "testing"))]
pub(crate) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// Adds it to a text.
#[cfg(any(feature = "client", feature = "testing"))]
pub(crate) fn append(bytes: &[u8], text: &mut String) {
    ENGINE.encode_string(bytes, text);
}
