//! Client secrets: minted once, shown once, recognised without a look-up.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::installation_key::InstallationKey;
use crate::mac;

/// What every secret matches: the regular expression for secret scanners, understood by RE2, PCRE
/// and Rust alike. A block is 128 bits in base 62, so its first digit is at most 7.
pub const SECRET_PATTERN: &str = "chs_(?:[0-7][0-9A-Za-z]{21}){4}";

const PREFIX: &str = "chs_";
/// Base 62 digits of a block of 128 bits.
const BLOCK_DIGITS: usize = 22;
const BLOCK_LEN: usize = 16;
const BLOCKS: usize = 4;
/// Every prefix has four characters.
const SECRET_LEN: usize = PREFIX.len() + BLOCKS * BLOCK_DIGITS;
const ID_LEN: usize = 16;
/// The secret's id and its random part: what the tag covers beside the client's id.
const TAGGED_LEN: usize = 48;
const BODY_LEN: usize = BLOCKS * BLOCK_LEN;

mod refresh;
mod resembling;

pub use resembling::could_be_secret;

pub use refresh::{REFRESH_PATTERN, RefreshToken, fingerprint};

/// A client secret in the clear, between its making and the one answer that shows it.
///
/// It can be shown once, and is wiped from memory when it is dropped unshown. It cannot be cloned,
/// displayed or serialised, and `Debug` shows nothing of it:
///
/// ```compile_fail,E0277
/// fn cloned(secret: &chancery_crypto::ClientSecret) -> chancery_crypto::ClientSecret {
///     chancery_crypto::ClientSecret::clone(secret)
/// }
/// ```
/// ```compile_fail,E0277
/// fn displayed(secret: &chancery_crypto::ClientSecret) -> String {
///     format!("{secret}")
/// }
/// ```
/// ```compile_fail,E0277
/// fn serialised(secret: &chancery_crypto::ClientSecret) -> serde_json::Result<String> {
///     serde_json::to_string(secret)
/// }
/// ```
/// ```compile_fail,E0382
/// fn shown_twice(secret: chancery_crypto::ClientSecret) -> (String, String) {
///     (secret.reveal(), secret.reveal())
/// }
/// ```
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// The plaintext, for the one answer that shows it.
    pub fn reveal(mut self) -> String {
        std::mem::take(&mut *self.0)
    }

    /// The last four characters, by which people tell their secrets apart. They belong to the tag,
    /// so they say nothing about the random part.
    pub fn hint(&self) -> &str {
        &self.0[SECRET_LEN - 4..]
    }

    /// The plaintext, for hashing within this crate.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The plaintext, for sealing.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("chs_…")
    }
}

/// The presented text is not a secret that this installation issued for this client. Nothing more
/// is said: whether it was malformed, mistyped or another client's must not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secret that was issued for this client")]
pub struct NotOurs;

/// Mints secrets, and tells without any look-up whether a text is one that was minted for a client.
///
/// The body is four blocks of 16 bytes, each a big-endian integer in base 62 of 22 digits:
///
/// | block | content |
/// | --- | --- |
/// | 1 | the secret's id |
/// | 2, 3 | 256 random bits |
/// | 4 | the tag: the first 128 bits of HMAC-SHA256(installation key, length of the client's id as 8 bytes ‖ the client's id ‖ blocks 1 to 3) |
///
/// The tag does not authenticate anyone: whoever passes still has to match the verifier of the
/// secret that the id names. It keeps what was never issued away from the store and from Argon2id.
pub struct SecretIssuer(hmac::Key);

impl SecretIssuer {
    /// The issuer of the installation that owns this key.
    pub fn new(key: &InstallationKey) -> Self {
        Self(mac::key(key.as_bytes()))
    }

    /// A new secret for a client. `secret_id` travels inside, in the clear, and chooses the verifier
    /// when the secret is presented.
    pub fn mint(
        &self,
        client_id: &str,
        secret_id: [u8; ID_LEN],
        entropy: &dyn Entropy,
    ) -> ClientSecret {
        ClientSecret(self.marked(PREFIX, None, client_id, secret_id, entropy))
    }

    /// A text of this kind: an id, chance, and the tag over both.
    fn marked(
        &self,
        prefix: &str,
        kind: Option<&[u8]>,
        client_id: &str,
        id: [u8; ID_LEN],
        entropy: &dyn Entropy,
    ) -> Zeroizing<String> {
        let mut body = Zeroizing::new([0; BODY_LEN]);
        body[..ID_LEN].copy_from_slice(&id);
        entropy.fill(&mut body[ID_LEN..TAGGED_LEN]);
        let tag = self.tag(kind, client_id, &body[..TAGGED_LEN]);
        body[TAGGED_LEN..].copy_from_slice(&tag);
        encode(prefix, &body)
    }

    /// The id of the presented secret, when it was minted for this client by this installation.
    ///
    /// The work is the same for every answer: a malformed text is replaced by a body of zeros, whose
    /// tag is computed and compared like any other.
    pub fn check(&self, client_id: &str, presented: &str) -> Result<[u8; ID_LEN], NotOurs> {
        self.recognised(PREFIX, None, client_id, presented)
    }

    fn recognised(
        &self,
        prefix: &str,
        kind: Option<&[u8]>,
        client_id: &str,
        presented: &str,
    ) -> Result<[u8; ID_LEN], NotOurs> {
        let (body, well_formed) = match decode(prefix, presented) {
            Some(body) => (body, true),
            None => (Zeroizing::new([0; BODY_LEN]), false),
        };
        let expected = self.tag(kind, client_id, &body[..TAGGED_LEN]);
        let genuine =
            constant_time::verify_slices_are_equal(&expected, &body[TAGGED_LEN..]).is_ok();
        if !(genuine && well_formed) {
            return Err(NotOurs);
        }
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&body[..ID_LEN]);
        Ok(id)
    }

    /// Vouches for a row of the database: that these texts were put together by this installation, for this purpose.
    /// Who has the database alone cannot.
    pub fn vouch(&self, purpose: &str, texts: &[&str]) -> [u8; mac::MAC_LEN] {
        let mut parts = vec![b"row of".to_vec()];
        for text in [purpose].iter().chain(texts) {
            parts.push(mac::frame(text.as_bytes()).to_vec());
            parts.push(text.as_bytes().to_vec());
        }
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        mac::sign(&self.0, &parts)
    }

    /// `kind` keeps the tags of one kind of text from those of another: each has a length of its own.
    fn tag(&self, kind: Option<&[u8]>, client_id: &str, tagged: &[u8]) -> [u8; BLOCK_LEN] {
        let client = client_id.as_bytes();
        let frame = mac::frame(client);
        let mac = match kind {
            None => mac::sign(&self.0, &[&frame, client, tagged]),
            Some(kind) => mac::sign(&self.0, &[&mac::frame(kind), kind, &frame, client, tagged]),
        };
        let mut tag = [0; BLOCK_LEN];
        tag.copy_from_slice(&mac[..BLOCK_LEN]);
        tag
    }
}

impl fmt::Debug for SecretIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretIssuer(…)")
    }
}

fn encode(prefix: &str, body: &[u8; BODY_LEN]) -> Zeroizing<String> {
    // The capacity is exact: a buffer that grew would leave a copy behind that nobody wipes.
    let mut text = Zeroizing::new(String::with_capacity(SECRET_LEN));
    text.push_str(prefix);
    for block in body.as_chunks::<BLOCK_LEN>().0 {
        let digits = Zeroizing::new(base62::encode(u128::from_be_bytes(*block)));
        text.extend(std::iter::repeat_n('0', BLOCK_DIGITS - digits.len()));
        text.push_str(&digits);
    }
    text
}

/// The body, of the one spelling that [`encode`] gives it: every block has its 22 digits and is
/// less than 2¹²⁸, so no two texts have the same body.
fn decode(prefix: &str, presented: &str) -> Option<Zeroizing<[u8; BODY_LEN]>> {
    if presented.len() != SECRET_LEN {
        return None;
    }
    let digits = presented.strip_prefix(prefix)?.as_bytes();
    let mut body = Zeroizing::new([0; BODY_LEN]);
    for (block, digits) in body
        .as_chunks_mut::<BLOCK_LEN>()
        .0
        .iter_mut()
        .zip(digits.as_chunks::<BLOCK_DIGITS>().0)
    {
        *block = base62::decode(digits).ok()?.to_be_bytes();
    }
    Some(body)
}

#[cfg(test)]
mod tests;
