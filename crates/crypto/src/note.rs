//! Signed notes (C2SP signed-note) with Ed25519: a text, and who vouches for it.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{
    ED25519, ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, KeyPair, UnparsedPublicKey,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{algorithm::Algorithm, hash::sha256, signing::SignError, signing::SigningKeyError};

/// The signature type of Ed25519 in key ids and verifier keys.
const ED25519_TYPE: u8 = 1;
const ID_LEN: usize = 4;
/// The most signature lines that are looked at, as the specification advises.
const MAX_SIGNATURES: usize = 100;

/// A key that signs notes. It is neither printed nor serialised.
pub struct NoteKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

/// The public half of a [`NoteKey`]. As text the specification's verifier key:
/// `<name>+<id, 8 hexadecimal digits>+<base64 of the type and the key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; ED25519_PUBLIC_KEY_LEN],
}

/// A name that no key can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a note's key must be non-empty, without spaces, control characters and `+`")]
pub struct InvalidKeyName;

/// A text that is no verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifierKeyError {
    /// It has not the three parts of one.
    #[error("not a verifier key: it should read <name>+<8 hexadecimal digits>+<base64>")]
    Format,
    /// The key is not one for Ed25519.
    #[error("not an Ed25519 verifier key")]
    Algorithm,
    /// Name, id and key do not belong together.
    #[error(
        "the id in the verifier key does not belong to its name and key; it was changed or cut"
    )]
    Id,
}

/// Why a note is not vouched for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no signed note at all.
    #[error("not a signed note: it should be lines of text, an empty line and a signature line")]
    Format,
    /// Nobody who signed it is the key.
    #[error("the note is not signed with the key {0}")]
    OtherKey(VerifierKey),
    /// It claims to be signed with the key, and is not.
    #[error("the note's signature by the key {0} is wrong: text or signature were changed")]
    Signature(VerifierKey),
}

impl NoteKey {
    /// A new key of this name, and its PKCS #8 document for sealing.
    ///
    /// # Errors
    /// [`SigningKeyError::Generation`], when the library made none or the name cannot be one.
    pub fn generate(name: &str) -> Result<(Self, Zeroizing<Vec<u8>>), SigningKeyError> {
        let failed = SigningKeyError::Generation {
            algorithm: Algorithm::EdDsa,
        };
        let pkcs8 = Ed25519KeyPair::generate()
            .and_then(|pair| pair.to_pkcs8())
            .map_err(|_| failed)?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let key = Self::from_pkcs8(name, &pkcs8).map_err(|_| failed)?;
        Ok((key, pkcs8))
    }

    /// The key of this name, from the document that [`NoteKey::generate`] gave for sealing.
    ///
    /// # Errors
    /// [`SigningKeyError::Rejected`], for other bytes or a name that cannot be one.
    pub fn from_pkcs8(name: &str, pkcs8: &[u8]) -> Result<Self, SigningKeyError> {
        let rejected = SigningKeyError::Rejected {
            algorithm: Algorithm::EdDsa,
        };
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| rejected)?;
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| rejected)?;
        let verifier = VerifierKey::new(name, public).map_err(|_| rejected)?;
        Ok(Self { pair, verifier })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The note: the text, an empty line and the signature line. The text must end with a newline.
    ///
    /// # Errors
    /// [`SignError`], for a text that cannot be one of a note too.
    pub fn sign(&self, text: &str) -> Result<String, SignError> {
        if !is_text(text) {
            return Err(SignError);
        }
        let signature = self.pair.try_sign(text.as_bytes()).map_err(|_| SignError)?;
        let signature = [&self.verifier.id()[..], signature.as_ref()].concat();
        let name = &self.verifier.name;
        Ok(format!("{text}\n— {name} {}\n", STANDARD.encode(signature)))
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKey({})", self.verifier)
    }
}

impl VerifierKey {
    /// The verifier key of this name and Ed25519 public key.
    ///
    /// # Errors
    /// [`InvalidKeyName`].
    pub fn new(name: &str, public: [u8; ED25519_PUBLIC_KEY_LEN]) -> Result<Self, InvalidKeyName> {
        let wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.contains(wrong) {
            return Err(InvalidKeyName);
        }
        Ok(Self {
            name: name.to_owned(),
            public,
        })
    }

    /// Whose key it is: for a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of the SHA-256 of name, newline, type and key.
    fn id(&self) -> [u8; ID_LEN] {
        let hashed = [
            self.name.as_bytes(),
            b"\n",
            &[ED25519_TYPE],
            &self.public[..],
        ];
        let [a, b, c, d, ..] = sha256(&hashed.concat());
        [a, b, c, d]
    }

    /// The text of a note that is signed with this key. Signatures by others are passed over.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, signatures) = split(note).ok_or(NoteError::Format)?;
        let mut result = Err(NoteError::OtherKey(self.clone()));
        for line in signatures.split_terminator('\n').take(MAX_SIGNATURES) {
            let (name, signature) = signature(line).ok_or(NoteError::Format)?;
            let Some(signature) = signature.strip_prefix(&self.id()) else {
                continue;
            };
            if name == self.name {
                UnparsedPublicKey::new(&ED25519, &self.public)
                    .verify(text.as_bytes(), signature)
                    .map_err(|_| NoteError::Signature(self.clone()))?;
                result = Ok(text);
            }
        }
        result
    }
}

/// The text with its last newline, and the signature lines.
fn split(note: &str) -> Option<(&str, &str)> {
    let at = note.rfind("\n\n")? + 1;
    let (text, signatures) = (&note[..at], &note[at + 1..]);
    (is_text(text) && signatures.ends_with('\n')).then_some((text, signatures))
}

/// Whether it can be signed: it ends with a newline and has no other control character.
fn is_text(text: &str) -> bool {
    let control = |byte: &u8| *byte < b' ' && *byte != b'\n';
    text.ends_with('\n') && !text.as_bytes().iter().any(control)
}

/// Name and signature, with the key's id before it.
fn signature(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    let signature = STANDARD.decode(signature).ok()?;
    (!name.is_empty() && signature.len() > ID_LEN).then_some((name, signature))
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = [&[ED25519_TYPE], &self.public[..]].concat();
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VerifierKeyError::Format);
        };
        let key = STANDARD.decode(key).map_err(|_| VerifierKeyError::Format)?;
        let [ED25519_TYPE, public @ ..] = &key[..] else {
            return Err(VerifierKeyError::Algorithm);
        };
        let public = public.try_into().map_err(|_| VerifierKeyError::Format)?;
        let verifier = Self::new(name, public).map_err(|_| VerifierKeyError::Format)?;
        // As hexadecimal in lower case, so that each key has one text.
        if format!("{:08x}", u32::from_be_bytes(verifier.id())) != id {
            return Err(VerifierKeyError::Id);
        }
        Ok(verifier)
    }
}

#[cfg(test)]
mod tests;
