//! HMAC-SHA256 over several parts, and the framing that keeps the parts apart.

use aws_lc_rs::hmac;

/// Bytes in an HMAC-SHA256.
pub(crate) const MAC_LEN: usize = 32;

/// A key for HMAC-SHA256.
pub(crate) fn key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

/// HMAC-SHA256 of the parts, one after the other and without anything between them: where a part's
/// length can vary, the caller frames it.
pub(crate) fn sign(key: &hmac::Key, parts: &[&[u8]]) -> [u8; MAC_LEN] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut mac = [0; MAC_LEN];
    mac.copy_from_slice(context.sign().as_ref());
    mac
}

/// The length prefix of a part: eight bytes, big-endian. With it no two lists of parts are alike.
pub(crate) fn frame(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4231, test case 2.
    #[test]
    fn agrees_with_the_published_vector() {
        let mac = sign(&key(b"Jefe"), &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(mac[28..], [0x64, 0xec, 0x38, 0x43]);
    }
}
